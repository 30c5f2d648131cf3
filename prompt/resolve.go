package prompt

import (
	"slices"
	"strings"
)

// found is a phrase in the making.
type found struct {
	group      Group
	start, end int
	attributes map[string]string
	segment    int
	sentence   int
	np         int  // the last noun phrase that is part of it
	inner      bool // lies within another
	fragment   bool // adjectives of a garment that is named elsewhere
	forward    bool // in the next phrase
}

func (f *found) set(key, value string) {
	value = strings.TrimSpace(value)
	old, ok := f.attributes[key]
	switch {
	case value == "" || old == value:
	case !ok:
		f.attributes[key] = value
	case !slices.Contains(strings.Split(old, " and "), value):
		f.attributes[key] = old + " and " + value
	}
}

// resolver goes through the noun phrases once, from left to right.
type resolver struct {
	text   string
	parsed *Parsed
	nps    []*nounPhrase
	i      int
	found  []*found
	last   *found // the phrase that was found last, and goes on if what follows belongs to it
	free   int    // the last noun phrase that was left unassigned

	anywhere bool // a background was found
	anybody  bool // a face was found
}

func (r *resolver) run() {
	r.free = -1
	for ; r.i < len(r.nps); r.i++ {
		np := r.nps[r.i]
		if np.first {
			r.last = nil
		}
		if r.captionBackground(np) {
			continue
		}
		if !r.resolve(np) {
			r.free = r.i
		}
	}
}

// resolve gives a noun phrase to a group, and reports whether it did.
func (r *resolver) resolve(np *nounPhrase) bool {
	if np.negated {
		return false
	}
	head, ok := np.head(r.last)
	if !ok {
		return r.headless(np)
	}
	switch head.kind {
	case kindNoun:
		return r.noun(np, head)
	case kindPerson:
		return r.person(np, head)
	case kindFeature:
		r.add(np, Face)
		return true
	case kindFigure:
		f := r.add(np, BodyShape)
		f.set("shape", r.slice(np.items[0].start, np.end()))
		return true
	case kindDecade:
		alone := r.anybody && np.comma && np.empty && np.chunk.last // "a man, late 20s"
		if !alone && (np.preposition != "in" || np.det < 0) {
			return false
		}
		if r.continues(np) && r.last.group == Face {
			r.extend(r.last, np)
		} else {
			r.add(np, Face)
		}
		r.last.set("age", r.slice(np.items[0].start, np.end()))
		return true
	case kindStyleNoun:
		return r.style(np)
	case kindPlace:
		return r.place(np)
	case kindProp:
		behind := r.continues(np) && r.last.group == Background
		if !behind && !np.spatial && (np.preposition == "with" || np.preposition == "of" || np.preposition == "" && !np.comma && r.i > 0) {
			return r.other(np) // a woman with a lantern
		}
		return r.place(np)
	case kindBodyPart:
		return r.bodyPart(np)
	case kindPart:
		if n := len(np.heads) - 1; n > 0 {
			if s, ok := np.heads[n-1].head(); ok && s.kind == kindNoun {
				return r.noun(&nounPhrase{chunk: np.chunk, lead: np.lead, items: np.items, heads: np.heads[:n], tail: np.tail}, s) // shirt sleeves
			}
		}
		return r.part(np, head)
	case kindShot:
		return r.shot(np)
	}
	return r.other(np)
}

// add makes a phrase of a noun phrase.
func (r *resolver) add(np *nounPhrase, g Group) *found {
	f := &found{group: g, start: np.start(), end: np.end(), attributes: map[string]string{}, segment: np.segment, sentence: np.sentence, np: r.i}
	r.found = append(r.found, f)
	r.last = f
	r.anybody = r.anybody || g == Face
	for _, it := range np.items {
		it.used = true
	}
	return f
}

// extend makes a noun phrase part of the last phrase.
func (r *resolver) extend(f *found, np *nounPhrase) bool {
	f.end = max(f.end, np.end())
	f.np = r.i
	for _, it := range np.items {
		it.used = true
	}
	return true
}

// continues reports whether a noun phrase follows on the last phrase without a comma or anything unassigned between.
func (r *resolver) continues(np *nounPhrase) bool {
	return r.last != nil && !r.last.inner && r.last.np == r.i-1 && r.nps[r.i-1].sentence == np.sentence && r.nps[r.i-1].segment == np.segment
}

// describe gives a phrase the modifiers' attributes.
func (f *found) describe(modifiers []*item) (any bool) {
	for _, it := range modifiers {
		if key, value, ok := it.modifier(f.group); ok {
			f.set(key, value)
			any = true
		}
	}
	return any
}

// noun is a garment or hair.
func (r *resolver) noun(np *nounPhrase, head sense) bool {
	g := head.group
	if g == Hair && r.continues(np) && r.last.group == Hair && !np.comma {
		// "hair in a ponytail"
		f := r.last
		r.extend(f, np)
		style := f.attributes["style"]
		f.describe(np.modifiers())
		r.hairStyles(f, np)
		if now := f.attributes["style"]; style != "" && now != style {
			f.attributes["style"] = style
			f.set("style", strings.TrimPrefix(now, style+" and "))
		}
		return true
	}
	last := len(np.heads) - 1
	if np.tail && r.continues(np) && r.last.group == g && r.last.attributes["type"] == np.heads[last].valueOf(head) {
		// "ankle boots black boots"
		r.extend(r.last, np)
		r.last.describe(np.modifiers())
		return true
	}
	f := r.add(np, g)
	f.describe(np.modifiers())
	f.describe(np.heads[:last]) // "turtleneck sweater"
	switch {
	case g == Hair:
		r.hairStyles(f, np)
	case g.has("type"):
		name := np.heads[last].valueOf(head)
		for _, it := range slices.Backward(np.heads[:last]) {
			if s, ok := it.head(); !ok || s.kind != kindNoun || s.group == Hair || it.modifies() {
				break
			}
			if it.written != name {
				name = it.written + " " + name
			}
		}
		if !groupTable[g].fixed || !sameNoun(name, groupTable[g].noun) {
			f.attributes["type"] = name
		}
	}
	f.bootsLength()
	return true
}

// sameNoun compares nouns whatever their number.
func sameNoun(a, b string) bool { return strings.TrimSuffix(a, "s") == strings.TrimSuffix(b, "s") }

// bootsLength spells "ankle" as the captions do: "ankle boots".
func (f *found) bootsLength() {
	v, ok := f.attributes["boots_length"]
	for _, known := range knownValues(Shoes, "boots_length") {
		if ok && sameValue(known, v+" boots") {
			f.attributes["boots_length"] = known
		}
	}
}

func (r *resolver) hairStyles(f *found, np *nounPhrase) {
	var styles []string
	for _, it := range np.heads {
		if s, ok := it.head(); ok && s.kind == kindNoun && s.group == Hair && s.value != "hair" {
			if styles == nil {
				delete(f.attributes, "style") // of "a sleek bob" the bob
			}
			styles = append(styles, s.value)
			f.set("style", s.value)
		}
	}
}

// person is the face's phrase; what is said of other groups in it are phrases of their own.
func (r *resolver) person(np *nounPhrase, head sense) bool {
	if np.preposition == "of" && r.free == r.i-1 && r.i > 0 && !np.comma && r.nps[r.free].kindOfHead() == kindPerson {
		return false
	}
	f := r.add(np, Face)
	mods := np.modifiers()
	f.describe(mods)
	f.set("gender", head.value)
	for _, it := range np.heads {
		if s, ok := it.head(); ok && s.kind == kindPerson && s.age != "" && f.attributes["age"] == "" {
			f.set("age", s.age)
		}
		if s, ok := it.head(); ok && s.kind == kindPerson && s.value != "" {
			f.attributes["gender"] = s.value
		}
	}
	for _, it := range mods {
		// "a Black woman"
		if key, value, ok := it.modifier(Top); ok && key == "color" && f.attributes["country"] == "" && (value == "black" || value == "white" || value == "brown") {
			f.set("country", r.slice(it.start, it.end))
		}
	}
	for i := 0; i < len(mods); {
		g, j := foreign(mods, i)
		if g == nobody {
			i++
			continue
		}
		inner := &found{group: g, start: mods[i].start, end: mods[j-1].end, attributes: map[string]string{}, segment: np.segment, sentence: np.sentence, np: r.i, inner: true}
		inner.describe(mods[i:j])
		r.found = append(r.found, inner)
		if i == 0 {
			// What comes first leaves the face a phrase of its own.
			inner.inner = false
			if j < len(np.items) {
				f.start = np.items[j].start
			}
			mods = mods[j:]
			np = &nounPhrase{chunk: np.chunk, lead: lead{start: -1, det: -1}, items: np.items[j:], heads: np.heads}
			i = 0
			continue
		}
		i = j
	}
	return true
}

// foreign returns the run of modifiers at i that speak of another group than the face.
func foreign(mods []*item, i int) (Group, int) {
	group := func(it *item) Group {
		if _, _, ok := it.modifier(Face); ok {
			return nobody
		}
		for _, s := range it.senses {
			switch {
			case s.kind != kindModifier:
			case s.key == "shape":
				return BodyShape
			case strings.HasPrefix(s.key, "hair "):
				return Hair
			case s.key == "overall":
				return Style
			}
		}
		return nobody
	}
	g := group(mods[i])
	if g == nobody || g == Style {
		return nobody, i
	}
	j := i + 1
	for j < len(mods) && group(mods[j]) == g {
		j++
	}
	return g, j
}

func (np *nounPhrase) kindOfHead() kind {
	s, ok := np.head(nil)
	if !ok {
		return kindOther
	}
	return s.kind
}

// styleAlone reports whether a noun is a style without adjectives: "streetwear".
func styleAlone(noun string) bool {
	return strings.HasSuffix(noun, "wear") || strings.Contains(noun, " ")
}

// style is what says how all of the outfit is.
func (r *resolver) style(np *nounPhrase) bool {
	if len(np.items) == 1 && !styleAlone(np.items[0].text) {
		return false // "her outfit"
	}
	f := r.add(np, Style)
	if value := r.slice(np.items[0].start, np.heads[len(np.heads)-1].start); value != "" {
		f.set("style", value)
	} else {
		f.set("style", r.slice(np.items[0].start, np.end()))
	}
	return true
}

func (r *resolver) slice(start, end int) string { return strings.TrimSpace(r.text[start:end]) }

func (r *resolver) lower(start, end int) string { return strings.ToLower(r.slice(start, end)) }
