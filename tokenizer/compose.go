package tokenizer

import (
	"cmp"
	"slices"
)

// Hangul syllables decompose and compose by arithmetic (The Unicode Standard, 3.12).
const (
	hangulL, hangulV, hangulT, hangulS = 0x1100, 0x1161, 0x11A7, 0xAC00
	countL, countV, countT             = 19, 21, 28
	countS                             = countL * countV * countT
)

// decompose applies the full canonical decomposition and brings runs of combining marks into canonical order.
func decompose(chars []char) []char {
	out := make([]char, 0, len(chars)+len(chars)/4)
	for _, c := range chars {
		if s := c.r - hangulS; 0 <= s && s < countS {
			out = append(out, char{hangulL + s/(countV*countT), c.start, c.end}, char{hangulV + s%(countV*countT)/countT, c.start, c.end})
			if t := s % countT; t != 0 {
				out = append(out, char{hangulT + t, c.start, c.end})
			}
			continue
		}
		i, found := slices.BinarySearchFunc(decompositions, c.r, func(d decomposition, r rune) int { return cmp.Compare(d.composed, r) })
		if !found {
			out = append(out, c)
			continue
		}
		for _, r := range decompositions[i].parts {
			out = append(out, char{r, c.start, c.end})
		}
	}

	for i := 0; i < len(out); {
		j := i
		for j < len(out) && class(out[j].r) != 0 {
			j++
		}
		if j-i > 1 {
			slices.SortStableFunc(out[i:j], func(a, b char) int { return cmp.Compare(class(a.r), class(b.r)) })
		}
		i = j + 1
	}
	return out
}

// compose joins each starter with the marks and letters behind it where a composed character exists. It works in place.
func compose(chars []char) []char {
	out := chars[:0]
	starter := -1     // index in out
	last := uint8(0)  // class of the last character kept behind the starter
	adjacent := false // whether nothing was kept behind the starter
	for _, c := range chars {
		k := class(c.r)
		// A mark is blocked from its starter by one of its own class or, for starters, by anything between.
		if starter >= 0 && (adjacent || last < k && last != 0) {
			if r, ok := pair(out[starter].r, c.r); ok {
				s := &out[starter]
				s.r, s.start, s.end = r, min(s.start, c.start), max(s.end, c.end)
				continue
			}
		}
		if k == 0 {
			starter, adjacent = len(out), true
		} else {
			adjacent = false
		}
		last = k
		out = append(out, c)
	}
	return out
}

// pair returns the primary composite of two characters.
func pair(a, b rune) (rune, bool) {
	if l, v := a-hangulL, b-hangulV; 0 <= l && l < countL && 0 <= v && v < countV {
		return hangulS + (l*countV+v)*countT, true
	}
	if s, t := a-hangulS, b-hangulT; 0 <= s && s < countS && s%countT == 0 && 0 < t && t < countT {
		return a + t, true
	}
	i, found := slices.BinarySearchFunc(compositions, composition{first: a, second: b}, func(x, y composition) int {
		return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(x.second, y.second))
	})
	if !found {
		return 0, false
	}
	return compositions[i].composed, true
}

// class ranks a character among combining marks; 0 for those that canonical ordering never moves.
func class(r rune) uint8 {
	if r < firstMark {
		return 0
	}
	i, _ := slices.BinarySearchFunc(marks, r, func(m markRange, r rune) int { return cmp.Compare(m.hi, r) })
	if i < len(marks) && marks[i].lo <= r {
		return marks[i].class
	}
	return 0
}
