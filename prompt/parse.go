package prompt

import (
	"maps"
	"slices"
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
