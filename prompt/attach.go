package prompt

// bodyPart says where a garment is, or how long hair is.
func (r *resolver) bodyPart(np *nounPhrase) bool {
	if r.last == nil || !r.continues(np) || np.preposition == "" {
		return false
	}
	switch {
	case r.last.group == Hair:
		r.extend(r.last, np)
		if hairReaches[np.preposition] {
			r.last.set("length", np.preposition+" "+np.items[len(np.items)-1].text)
		}
		return true
	case r.last.group.worn() && np.preposition != "with":
		return r.extend(r.last, np)
	}
	return false
}

// hairReaches are prepositions that say how long hair is.
var hairReaches = map[string]bool{
	"above": true, "below": true, "to": true, "down to": true, "past": true, "down": true, "at": true, "reaching": true, "reaching to": true,
	"reaching down to": true, "falling to": true, "falling down to": true, "falling past": true, "down past": true, "ending at": true, "up to": true, "beyond": true,
}

// part is a part of a garment: sleeves, a pattern.
func (r *resolver) part(np *nounPhrase, head sense) bool {
	value := r.partValue(np, head)
	return r.attach(np, func(f *found) bool {
		if key := f.group.keyOf(head.key); key != "" {
			f.set(key, value)
			return true
		}
		return f.group.worn() && (head.key == "" || f == r.last)
	})
}

// generic are the parts that say nothing of their pattern by themselves.
var generic = map[string]bool{"pattern": true, "print": true, "motif": true, "design": true}

// partValue is the attribute that a part stands for: "long sleeves" are the value "long sleeve".
func (r *resolver) partValue(np *nounPhrase, head sense) string {
	words := r.lower(np.items[0].start, np.heads[0].start)
	if head.key == "pattern" && !generic[head.value] {
		return head.value // blue stripes
	}
	for _, it := range np.modifiers() {
		for _, s := range it.senses {
			if s.kind == kindModifier && s.key == head.key {
				return s.value
			}
		}
	}
	switch {
	case words == "":
		return head.value
	case head.key == "pattern" || head.key == "cut" || head.key == "length":
		return words
	}
	return words + " " + head.value
}

// attach gives what has no noun of its own to the phrase before it, or to the one behind it.
func (r *resolver) attach(np *nounPhrase, to func(*found) bool) bool {
	led := np.preposition != "" || np.and || np.function || np.wear || np.tail
	if f := r.last; f != nil && r.continues(np) && to(f) {
		return r.extend(f, np)
	}
	if !led && np.det < 0 {
		// Between commas: what follows is described if it begins without an article and can be.
		if next := r.nextHead(); next != nil {
			probe := &found{group: next.group, attributes: map[string]string{}}
			if to(probe) {
				f := r.add(np, next.group)
				f.fragment, f.forward = true, true
				return to(f)
			}
		}
	}
	const reach = 32 // phrases
	for k := len(r.found) - 1; k >= max(0, len(r.found)-reach) && r.found[k].sentence == np.sentence; k-- {
		near := r.found[k]
		if near.fragment || near.inner {
			continue
		}
		probe := &found{group: near.group, attributes: map[string]string{}}
		if to(probe) {
			f := r.add(np, near.group)
			f.fragment = true
			return to(f)
		}
	}
	return false
}

// nextHead is the head of the noun phrase in the next segment, if that phrase begins without an article and can do with more adjectives.
func (r *resolver) nextHead() *sense {
	if r.i+1 >= len(r.nps) {
		return nil
	}
	np, next := r.nps[r.i], r.nps[r.i+1]
	if next.sentence != np.sentence || next.segment != np.segment+1 || !next.empty {
		return nil
	}
	s, ok := next.head(nil)
	if !ok || s.kind != kindNoun || next.items[0] == next.heads[0] {
		return nil
	}
	return &s
}

// shot is how much of the person is seen. Only the first one counts.
func (r *resolver) shot(np *nounPhrase) bool {
	if r.parsed.Shot != "" {
		return false
	}
	r.parsed.Shot = r.slice(np.start(), np.end())
	r.parsed.ShotSpan = [2]int{np.start(), np.end()}
	for _, it := range np.items {
		it.used = true
	}
	return true
}

// headless is modifiers alone, or words that are not in the lexicon.
func (r *resolver) headless(np *nounPhrase) bool {
	switch {
	case np.all("shape"):
		if r.continues(np) && r.last.group.worn() && r.last.describe(np.items) {
			return r.extend(r.last, np) // jeans are ripped, too
		}
		f := r.add(np, BodyShape)
		f.set("shape", r.lower(np.items[0].start, np.end()))
		return true
	case np.all("age", "country"):
		f := r.last
		if f != nil && f.group == Face && r.continues(np) {
			r.extend(f, np) // a man aged 40
		} else {
			f = r.add(np, Face)
		}
		f.describe(np.items)
		return true
	case np.all("overall"):
		f := r.add(np, Style)
		f.set("style", r.lower(np.items[0].start, np.end()))
		return true
	}
	if np.known() {
		if r.attachModifiers(np) {
			return true
		}
		if np.all("hair color", "hair style", "hair length", "color", "length") && np.some("hair color", "hair style", "hair length") {
			f := r.add(np, Hair)
			f.describe(np.items)
			if last := np.items[len(np.items)-1]; np.det >= 0 && last.person() {
				f.start, f.inner = np.items[0].start, true
				r.add(np, Face) // a redhead
			}
			return true
		}
		if np.all("color") && (np.wear || np.preposition == "in" && r.last != nil && r.last.group == Face) {
			f := r.add(np, Style) // a woman in black
			f.set("style", r.lower(np.items[0].start, np.end()))
			return true
		}
		if np.det >= 0 && r.inBackgroundsPlace(np) {
			r.background(np)
			return true
		}
		return false
	}
	return r.unknown(np)
}

// attachModifiers gives adjectives to the noun that they belong to.
func (r *resolver) attachModifiers(np *nounPhrase) bool {
	if np.some("hair color", "hair style") && (r.last == nil || r.last.group != Hair || !r.continues(np)) && !np.some("pattern", "material", "sleeve_length", "collar_shape", "cut") {
		return false
	}
	return r.attach(np, func(f *found) bool {
		if f.group < Hair {
			return false
		}
		return f.describe(np.items)
	})
}
