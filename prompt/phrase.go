package prompt

import (
	"slices"
	"strings"
)

// nounPhrase is a head with what stands before it, or words without a head.
type nounPhrase struct {
	*chunk
	lead  // of the chunk, for its first phrase; else empty
	items []*item
	heads []*item // neighbours; the last one counts
	tail  bool    // not the first of its chunk
}

func (np *nounPhrase) start() int {
	if np.det >= 0 {
		return np.det
	}
	return np.items[0].start
}

func (np *nounPhrase) end() int { return np.items[len(np.items)-1].end }

// head returns the last head in the sense that fits what stands before it.
func (np *nounPhrase) head(last *found) (sense, bool) {
	if len(np.heads) == 0 {
		return sense{}, false
	}
	it := np.heads[len(np.heads)-1]
	place := it.is(kindPlace) || it.is(kindProp)
	for _, s := range it.senses {
		switch {
		case !s.kind.head():
		case place && s.kind == kindPart && (np.spatial || last == nil || !last.group.worn() || np.preposition != "with" && np.preposition != "of"):
			// Flowers are a pattern on a garment, and else a place.
		case place && s.kind != kindPlace && s.kind != kindProp && s.kind != kindPart && np.spatial && np.preposition != "on":
			// Waves are hair, but one stands by the waves.
		default:
			return s, true
		}
	}
	return sense{}, false
}

// modifiers are the items before the heads, or all where there is no head.
func (np *nounPhrase) modifiers() []*item {
	if len(np.heads) == 0 {
		return np.items
	}
	return np.items[:slices.Index(np.items, np.heads[0])]
}

// all reports whether each item is a modifier with one of the lexicon's keys.
func (np *nounPhrase) all(keys ...string) bool {
	for _, it := range np.items {
		if !slices.ContainsFunc(it.senses, func(s sense) bool { return s.kind == kindModifier && slices.Contains(keys, s.key) }) {
			return false
		}
	}
	return true
}

// some reports whether an item is a modifier with one of the lexicon's keys.
func (np *nounPhrase) some(keys ...string) bool {
	for _, it := range np.items {
		if slices.ContainsFunc(it.senses, func(s sense) bool { return s.kind == kindModifier && slices.Contains(keys, s.key) }) {
			return true
		}
	}
	return false
}

// known reports whether each item is in the lexicon.
func (np *nounPhrase) known() bool {
	return !slices.ContainsFunc(np.items, func(it *item) bool { return !it.known() })
}

// verbal reports whether a word is, behind what is worn, more likely a verb than a plural: "a man in a scarf smokes".
func verbal(it, before *item) bool {
	s := strings.HasSuffix
	return (before.is(kindNoun) || before.is(kindPerson) || s(before.text, "s") && !s(before.text, "ss")) && s(it.text, "s") && !strings.Contains(it.text, " ") &&
		!it.is(kindNoun) && !it.is(kindPerson) && !it.is(kindShot) && (!it.is(kindPart) || !before.is(kindNoun))
}

// nounPhrases cuts chunks where a head is followed by something else.
func nounPhrases(chunks []*chunk) []*nounPhrase {
	var out []*nounPhrase
	for _, c := range chunks {
		np := &nounPhrase{chunk: c, lead: c.lead}
		after := false // a verb
		for i, it := range c.items {
			head, verb := false, false
			if s, ok := it.head(); ok {
				// "black leather": what is both is a head only where nothing follows that it could be said of.
				head = it.kindFirst(s.kind) || i == len(c.items)-1 && (len(np.heads) == 0 || np.heads[len(np.heads)-1] == c.items[i-1]) && (s.kind != kindPart || len(np.items) > 0 && !np.all("shape"))
			}
			if i+1 < len(c.items) && c.items[i+1].glued {
				head = false // "sun-bleached"
			}
			if head && len(np.heads) > 0 && verbal(it, np.heads[len(np.heads)-1]) {
				head, verb = false, true
			}
			if (!head || verb) && len(np.heads) > 0 || after {
				out = append(out, np)
				np = &nounPhrase{chunk: c, lead: lead{start: it.start, det: -1, prepStart: -1, empty: true, held: after}, tail: true}
			}
			after = verb
			np.items = append(np.items, it)
			if head {
				np.heads = append(np.heads, it)
			}
		}
		out = append(out, np)
	}
	return out
}
