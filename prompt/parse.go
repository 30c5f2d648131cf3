package prompt

import (
	"maps"
	"slices"
	"strings"
)

// Parse finds the groups in a text. It never fails.
func Parse(text string) *Parsed {
	items := match(text, wordsOf(text))
	cs := chunks(items)
	r := &resolver{text: text, parsed: &Parsed{Text: text}, nps: nounPhrases(cs)}
	r.run()
	r.finish(items, cs)
	return r.parsed
}

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
		if np.preposition != "in" || np.det < 0 {
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

// other is a thing without a group; behind a place it is part of the background.
func (r *resolver) other(np *nounPhrase) bool {
	if r.continues(np) && r.last.group == Background && (np.preposition != "" && np.preposition != "for" && np.preposition != "to" && np.preposition != "as" || np.and && !np.posed) && !np.held {
		r.extend(r.last, np)
		r.last.attributes["background"] = r.slice(r.last.start, r.last.end)
		return true
	}
	return false
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

func (r *resolver) slice(start, end int) string { return strings.TrimSpace(r.text[start:end]) }

func (r *resolver) lower(start, end int) string { return strings.ToLower(r.slice(start, end)) }

// finish sorts what was found, and collects what was not.
func (r *resolver) finish(items []item, cs []*chunk) {
	p := r.parsed
	slices.SortStableFunc(r.found, func(a, b *found) int { return a.start - b.start })
	p.Groups = []Phrase{}
	for _, f := range r.found {
		p.Groups = append(p.Groups, Phrase{Group: f.group, Text: r.text[f.start:f.end], Attributes: maps.Clone(f.attributes), Span: [2]int{f.start, f.end}})
	}
	p.Unassigned = r.unassigned(items)
	p.breaks = r.breaks(cs)
}

// unassigned joins neighbouring words that no phrase has.
func (r *resolver) unassigned(items []item) []Piece {
	pieces := []Piece{}
	open := false
	for i := range items {
		it := &items[i]
		k := it.kind()
		free := !it.used && (it.content() || k == kindPose || k == kindHold)
		switch {
		case it.used || k == kindMark || k == kindStop:
			open = false
		case free && !r.covered(it):
			if !open {
				pieces = append(pieces, Piece{Span: [2]int{it.start, it.end}})
				open = true
			}
			pieces[len(pieces)-1].Span[1] = it.end
		}
	}
	for i := range pieces {
		pieces[i].Text = r.text[pieces[i].Span[0]:pieces[i].Span[1]]
	}
	return pieces
}

// covered reports whether a phrase's span has an item that is not its own: "hair pulled back in a bun".
func (r *resolver) covered(it *item) bool {
	i, ok := slices.BinarySearchFunc(r.parsed.Groups, it.start, func(p Phrase, at int) int { return p.Span[0] - at })
	if !ok {
		i--
	}
	return i >= 0 && it.start < r.parsed.Groups[i].Span[1]
}

// breaks are the beginnings of chunks, what leads to them included, that lie in no phrase.
func (r *resolver) breaks(cs []*chunk) []int {
	var out []int
	k := 0
	for _, c := range cs {
		at := c.lead.start
		for k < len(r.found) && (!r.found[k].forward || k+1 < len(r.found) && r.found[k+1].start < at) {
			k++
		}
		// What is said ahead of a garment stays with it.
		ahead := k+1 < len(r.found) && r.found[k].start < at && at <= r.found[k+1].start
		if at > 0 && (len(out) == 0 || out[len(out)-1] < at) && !ahead && !r.within(at) {
			out = append(out, at)
		}
	}
	return out
}

// within reports whether an offset lies behind the beginning of a phrase or the shot and before its end.
func (r *resolver) within(at int) bool {
	if s := r.parsed.ShotSpan; s[0] < at && at < s[1] {
		return true
	}
	i, _ := slices.BinarySearchFunc(r.parsed.Groups, at, func(p Phrase, at int) int { return p.Span[0] - at })
	for k := i - 1; k >= 0 && k >= i-3; k-- {
		if at < r.parsed.Groups[k].Span[1] {
			return true
		}
	}
	return false
}
