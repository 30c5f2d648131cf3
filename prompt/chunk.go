package prompt

import "strings"

// lead is what stands between two chunks.
type lead struct {
	start       int    // byte of its first word; that of the chunk if there is none
	det         int    // byte of the determiner right before the chunk, -1 if there is none
	preposition string // the last one
	prepStart   int    // and its byte
	spatial     bool   // the last preposition says where
	wear        bool
	and         bool // nothing but "and"
	function    bool // is, who, she ...
	held        bool // holding
	negated     bool // no, without
	posed       bool
	comma       bool // a mark is in it
	first       bool // of a sentence
	empty       bool
}

// longestChunk bounds, in items, what is looked at as one phrase; English has no longer ones.
const longestChunk = 40

// chunk is content between marks, prepositions, verbs and determiners: at most
// one noun phrase with what hangs on it.
type chunk struct {
	lead
	segment  int // counts commas and sentences
	sentence int
	until    int // byte where the segment ends
	items    []*item
	last     bool // of its segment
}

// headless reports that a chunk has modifiers and no head.
func (c *chunk) headless() bool {
	for _, it := range c.items {
		if !it.modifies() || !it.kindFirst(kindModifier) {
			return false
		}
	}
	_, noun := c.items[len(c.items)-1].head()
	return !noun
}

func (it *item) kindFirst(k kind) bool { return it.known() && it.senses[0].kind == k }

func (c *chunk) hasHead() bool {
	for _, it := range c.items {
		if _, ok := it.head(); ok {
			return true
		}
	}
	return false
}

// chunks cuts items at what stands between phrases.
func chunks(items []item) []*chunk {
	var out []*chunk
	segment, sentence := 0, 0
	ended := 0 // chunks whose segment has ended
	fresh := func() lead { return lead{start: -1, det: -1, prepStart: -1, empty: true} }
	next := fresh()
	next.first = true
	var open *chunk
	ands := 0
	for i := range items {
		it := &items[i]
		adjective := false // "a smiling man", "a long draped dress"
		switch it.kind() {
		case kindWear, kindPose, kindHold, kindFunction:
			adjective = it.glued && open != nil && it.kind() != kindWear || it.kind() == kindPose && i+1 < len(items) && items[i+1].is(kindNoun) || i > 0 && items[i-1].kind() == kindDeterminer || it.modifies() && open != nil && open.headless()
		case kindPreposition, kindSpatial:
			adjective = it.glued && open != nil && i+1 < len(items) && items[i+1].content() // "clip-in shoes", "denim-on-denim"
		}
		if it.content() || adjective {
			if open == nil || len(open.items) == longestChunk {
				next.and = ands > 0 && next.and
				if next.start < 0 {
					next.start = it.start
				}
				open = &chunk{lead: next, segment: segment, sentence: sentence}
				out = append(out, open)
				next, ands = fresh(), 0
			}
			open.items = append(open.items, it)
			continue
		}
		open = nil
		k := it.kind()
		if k == kindMark || k == kindStop {
			if n := len(out); n > 0 && out[n-1].segment == segment {
				out[n-1].last = true
			}
			for ; ended < len(out); ended++ {
				out[ended].until = items[i-1].end
			}
			segment++
			if k == kindStop {
				sentence++
			}
			next, ands = fresh(), 0
			next.comma = k == kindMark
			next.first = k == kindStop
			continue
		}
		if next.start < 0 {
			next.start = it.start
		}
		if it.text == "no" || it.text == "without" {
			next.negated = true
		}
		if k == kindAnd {
			ands++
			next.and = next.empty
		} else {
			next.and = false
		}
		next.empty = false
		next.det = -1
		switch k {
		case kindDeterminer:
			next.det = it.start
		case kindPreposition, kindSpatial:
			next.preposition, next.prepStart, next.spatial = it.text, it.start, k == kindSpatial
			next.wear, next.held = false, false
		case kindWear:
			next.wear, next.held, next.preposition, next.spatial = true, false, "", false
		case kindPose:
			next.posed, next.wear, next.held, next.preposition, next.spatial = true, false, false, "", false
		case kindHold:
			next.held, next.wear, next.preposition, next.spatial = true, false, "", false
		case kindFunction:
			next.function = true
		}
	}
	if n := len(out); n > 0 {
		out[n-1].last = true
	}
	for ; ended < len(out); ended++ {
		out[ended].until = items[len(items)-1].end
	}
	return mergeLists(out)
}

// mergeLists joins adjectives that "and" or commas separate with what they are said of: "white and blue
// shirt", "a long, flowing dress".
func mergeLists(in []*chunk) []*chunk {
	out := in[:0]
	for i := 0; i < len(in); {
		c := in[i]
		i++
		if c.headless() {
			open := (c.det >= 0 || c.preposition == "with" || c.wear) && !c.thing()
			j := i
			for ; j < len(in) && len(c.items)+len(in[j].items) <= longestChunk && in[j].joins(c, open); j++ {
				c.items = append(c.items, in[j].items...)
				c.last, c.segment, c.until = in[j].last, in[j].segment, in[j].until
				if !in[j].headless() {
					j++
					break
				}
			}
			i = j
		}
		out = append(out, c)
	}
	return out
}

// thing reports whether adjectives end with what is a thing as well: "long sleeves", "a floral print".
func (c *chunk) thing() bool {
	last := c.items[len(c.items)-1].text
	for _, end := range []string{"sleeve", "sleeves", "neck", "neckline", "collar", "print", "dots", "strap", "straps", "lapel", "lapels", "shoulders", "lace", "embroidery"} {
		if last == end || strings.HasSuffix(last, " "+end) {
			return true
		}
	}
	return false
}

// joins reports whether a chunk goes on with adjectives before it. Across a comma it must
// begin like one that does, and a noun must be missing.
func (c *chunk) joins(before *chunk, open bool) bool {
	if c.sentence != before.sentence || !c.items[0].modifies() && !(c.hasHead() && !c.items[0].known() && c.segment != before.segment) {
		return false
	}
	if c.segment == before.segment {
		return c.and
	}
	return open && before.segment+1 == c.segment && (c.empty || c.and)
}
