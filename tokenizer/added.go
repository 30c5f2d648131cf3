package tokenizer

import (
	"fmt"
	"slices"
)

// An addedToken is found in a text before it is split into words.
type addedToken struct {
	id             int32
	content        string
	normalized     bool // matches the normalized text with its own normalized form, else the text as it is
	lstrip, rstrip bool // takes white space before, behind it along
	special        bool
}

// A matcher finds added tokens, the leftmost and of those the longest. Its zero value finds none.
type matcher struct {
	byFirst map[rune][]pattern // longest first
}

type pattern struct {
	chars []rune
	index int // in the tokenizer's added tokens
}

// newMatcher makes the matcher of the added tokens that match the normalized text, or of the others.
func newMatcher(added []addedToken, normalized bool) (matcher, error) {
	m := matcher{byFirst: map[rune][]pattern{}}
	seen := map[string]string{}
	for i, a := range added {
		if a.normalized != normalized {
			continue
		}
		chars := decode(a.content)
		if normalized {
			chars = normalize(chars)
		}
		p := pattern{index: i}
		for _, c := range chars {
			p.chars = append(p.chars, c.r)
		}
		if other, ok := seen[string(p.chars)]; ok {
			return matcher{}, fmt.Errorf("added tokens %s and %s match the same text", quote(other), quote(a.content))
		}
		seen[string(p.chars)] = a.content
		m.byFirst[p.chars[0]] = append(m.byFirst[p.chars[0]], p)
	}
	for _, list := range m.byFirst {
		slices.SortFunc(list, func(a, b pattern) int { return len(b.chars) - len(a.chars) })
	}
	return m, nil
}

// split calls found with each added token's id and characters, and between with what is before, between and behind them, all in order.
func (m matcher) split(chars []char, added []addedToken, found func(id int32, chars []char), between func([]char)) {
	from := 0
	for i := 0; i < len(chars); {
		p, ok := m.at(chars[i:])
		if !ok {
			i++
			continue
		}
		token := added[p.index]
		start, end := i, i+len(p.chars)
		if token.lstrip {
			for start > from && isSpace(chars[start-1].r) {
				start--
			}
		}
		if token.rstrip {
			for end < len(chars) && isSpace(chars[end].r) {
				end++
			}
		}
		if from < start {
			between(chars[from:start])
		}
		found(token.id, chars[start:end])
		from = end
		i += len(p.chars)
	}
	if from < len(chars) {
		between(chars[from:])
	}
}

func (m matcher) at(chars []char) (pattern, bool) {
	for _, p := range m.byFirst[chars[0].r] {
		if startsWith(chars, p.chars) {
			return p, true
		}
	}
	return pattern{}, false
}

func startsWith(chars []char, with []rune) bool {
	if len(chars) < len(with) {
		return false
	}
	for i, r := range with {
		if chars[i].r != r {
			return false
		}
	}
	return true
}
