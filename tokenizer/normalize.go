package tokenizer

import (
	"cmp"
	"slices"
	"unicode"
	"unicode/utf8"
)

// A char is a character and the bytes of the given text it came from.
type char struct {
	r          rune
	start, end int
}

// The rows of tables.go.
type (
	lowerRange struct {
		lo, hi, stride rune
		delta          rune
	}
	markRange struct {
		lo, hi rune
		class  uint8
	}
	decomposition struct {
		composed rune
		parts    string
	}
	composition struct {
		first, second, composed rune
	}
)

// Below this are no combining marks, so nothing composes, and what decomposes composes again.
const firstMark = 0x300

func decode(text string) []char {
	chars := make([]char, 0, len(text))
	for i, r := range text {
		chars = append(chars, char{r, i, i + utf8.RuneLen(r)})
	}
	return chars
}

// normalize composes characters (NFC), turns each run of white space into one space and lowers letters, in this order.
func normalize(chars []char) []char {
	if slices.ContainsFunc(chars, func(c char) bool { return c.r >= firstMark }) {
		chars = compose(decompose(chars))
	}
	out := make([]char, 0, len(chars))
	for i, c := range chars {
		switch {
		case isSpace(c.r):
			if i > 0 && isSpace(chars[i-1].r) {
				out[len(out)-1].end = max(out[len(out)-1].end, c.end)
				continue
			}
			c.r = ' '
			out = append(out, c)
		case c.r == 'İ': // the only character whose lower case is two
			out = append(out, char{'i', c.start, c.end}, char{'\u0307', c.start, c.end})
		default:
			c.r = lower(c.r)
			out = append(out, c)
		}
	}
	return out
}

func lower(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	i, _ := slices.BinarySearchFunc(lowered, r, func(l lowerRange, r rune) int { return cmp.Compare(l.hi, r) })
	if i < len(lowered) && lowered[i].lo <= r && (r-lowered[i].lo)%lowered[i].stride == 0 {
		r += lowered[i].delta
	}
	return r
}

func isSpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || '\t' <= r && r <= '\r'
	}
	return unicode.Is(spaces, r)
}
