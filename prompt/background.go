package prompt

import (
	"strings"
)

// place is a background, or goes on with one.
func (r *resolver) place(np *nounPhrase) bool {
	switch {
	case np.held:
		return false
	case np.preposition == "of" && r.free == r.i-1 && !np.comma && r.i > 0:
		return false // a bouquet of roses
	case r.continues(np) && r.last.group == Background && !np.posed:
		r.extend(r.last, np)
		r.last.attributes["background"] = r.slice(r.last.start, r.last.end)
		return true
	}
	r.background(np)
	return true
}

func (r *resolver) background(np *nounPhrase) {
	f := r.add(np, Background)
	r.anywhere = true
	if np.prepStart >= 0 && np.preposition != "with" && np.preposition != "of" {
		f.start = np.prepStart
	}
	f.set("background", r.slice(f.start, f.end))
}

// other is a thing without a group; behind a place it is part of the background.
func (r *resolver) other(np *nounPhrase) bool {
	if r.continues(np) && r.last.group == Background && (np.preposition != "" && np.preposition != "for" && np.preposition != "to" && np.preposition != "as" || np.and && !np.posed) && !np.held {
		r.extend(r.last, np)
		r.last.attributes["background"] = r.slice(r.last.start, r.last.end)
		return true
	}
	return false
}

// unknown is words that are not in the lexicon: a place if what leads to them says so.
func (r *resolver) unknown(np *nounPhrase) bool {
	switch {
	case r.other(np):
		return true
	case r.anyone(np):
		r.add(np, Face).describe(np.items)
		return true
	case np.held || np.wear:
		return false
	case np.preposition == "of" && r.continues(np) && r.last.group.worn():
		return r.extend(r.last, np)
	case np.spatial && np.preposition != "over" && np.preposition != "under" && (np.det >= 0 || np.preposition != "for"):
		r.background(np)
		return true
	case np.preposition == "in" && np.det >= 0 && !r.dressed(np):
		r.background(np)
		return true
	case np.empty && np.tail && r.last != nil && r.last.group == Background && r.continues(np):
		r.extend(r.last, np)
		r.last.attributes["background"] = r.slice(r.last.start, r.last.end)
		return true
	case r.inBackgroundsPlace(np):
		r.background(np)
		return true
	}
	return false
}

// anyone reports whether a phrase is about a person whom the lexicon doesn't know: "a Brazilian capoeirista",
// and the first words of a text, "A glassblower".
func (r *resolver) anyone(np *nounPhrase) bool {
	last := np.items[len(np.items)-1]
	if last.known() || np.spatial || np.preposition == "in" || np.preposition == "with" || np.wear || np.held || np.tail {
		return false
	}
	if np.some("country", "age") {
		return true
	}
	if r.anybody || np.det < 0 || np.chunk.last {
		return false
	}
	for _, end := range []string{"er", "or", "ist", "ian", "ess", "eer", "ant", "star"} {
		if strings.HasSuffix(last.text, end) {
			return true
		}
	}
	return false
}

// captionBackground takes a whole segment where captions have the background: behind the body shape,
// or behind the shot and the face, if there is one. It may hold whatever is seen there: "a store with shoes".
func (r *resolver) captionBackground(np *nounPhrase) bool {
	if r.anywhere || !np.comma || np.tail || !np.empty && np.det < 0 || r.i == 0 {
		return false
	}
	before := r.nps[r.i-1]
	alone := before.segment == np.segment-1 && before.sentence == np.sentence && before.chunk.last && (r.i == 1 || r.nps[r.i-2].segment < before.segment)
	shape := false
	switch shot := r.parsed.Shot != ""; {
	case !alone:
		return false
	case r.last == nil:
		if !shot || r.i != 1 {
			return false
		}
	case r.last.inner || r.last.np != r.i-1:
		return false
	default:
		shape = r.last.group == BodyShape
		if !shape && !(r.last.group == Face && shot && r.i == 2) {
			return false
		}
	}
	end := r.i + 1
	for end < len(r.nps) && r.nps[end].segment == np.segment {
		end++
	}
	if head, ok := np.head(nil); ok {
		switch head.kind {
		case kindPlace, kindProp:
		case kindPerson:
			if !r.anybody || !shape && end == r.i+1 {
				return false
			}
		case kindOther:
			if np.det < 0 && end == r.i+1 {
				return false
			}
		default:
			return false
		}
	} else if np.known() && !(shape && np.all("color", "pattern") && np.det < 0) {
		return false
	}
	last := r.nps[end-1]
	f := r.add(np, Background)
	f.end = max(f.end, last.end(), np.until)
	for _, np := range r.nps[r.i:end] {
		for _, it := range np.items {
			it.used = true
		}
	}
	f.set("background", r.slice(f.start, f.end))
	f.np, r.anywhere, r.i = end-1, true, end-1
	return true
}

// dressed reports whether adjectives speak of cloth.
func (r *resolver) dressed(np *nounPhrase) bool {
	return np.some("color", "pattern", "material", "sleeve_length", "collar_shape", "cut")
}

// inBackgroundsPlace reports whether a phrase stands where captions have the background: right behind the face or the body
// shape, all of it between commas, in a text that has none yet.
func (r *resolver) inBackgroundsPlace(np *nounPhrase) bool {
	if !np.empty && np.det < 0 || !np.comma || np.posed || np.held || np.function || r.i == 0 {
		return false
	}
	if before := r.nps[r.i-1]; before.segment != np.segment-1 || before.sentence != np.sentence {
		return false
	}
	switch {
	case r.last == nil:
		if r.i != 1 || r.parsed.Shot == "" {
			return false
		}
	case r.last.inner || r.last.np != r.i-1 || r.last.group != Face && r.last.group != BodyShape:
		return false
	}
	return !r.anywhere
}
