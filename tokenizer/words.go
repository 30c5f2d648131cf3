package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// The special tokens are words of their own where they were not cut out as added tokens, such as "<|STARTOFTEXT|>" where only lower-case ones
// are; they then fall into three, as every run of letters or signs is a word.
var (
	bracketed    = [][]rune{[]rune("<|startoftext|>"), []rune("<|endoftext|>")}
	contractions = [][]rune{[]rune("'s"), []rune("'t"), []rune("'re"), []rune("'ve"), []rune("'m"), []rune("'ll"), []rune("'d")}
)

// words calls yield with each word of a normalized text: the longest runs of letters, single digits, the longest runs of other signs, and
// contractions where no sign stands before them. White space separates words and is in none.
func words(chars []char, yield func([]char)) {
	for len(chars) > 0 {
		if n := prefix(chars, bracketed); n > 0 {
			yield(chars[:2])
			yield(chars[2 : n-2])
			yield(chars[n-2 : n])
			chars = chars[n:]
			continue
		}
		n := prefix(chars, contractions)
		if n == 0 {
			n = 1
			kind := kindOf(chars[0].r)
			if kind == letter || kind == sign {
				for n < len(chars) && kindOf(chars[n].r) == kind {
					n++
				}
			}
			if kind == space {
				chars = chars[n:]
				continue
			}
		}
		yield(chars[:n])
		chars = chars[n:]
	}
}

func prefix(chars []char, of [][]rune) int {
	if r := chars[0].r; r != '<' && r != '\'' {
		return 0
	}
	for _, p := range of {
		if startsWith(chars, p) {
			return len(p)
		}
	}
	return 0
}

type kind uint8

const (
	sign kind = iota
	letter
	number
	space
)

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return letter
		case '0' <= r && r <= '9':
			return number
		case isSpace(r):
			return space
		}
		return sign
	}
	switch {
	case unicode.Is(letters, r):
		return letter
	case unicode.Is(numbers, r):
		return number
	case unicode.Is(spaces, r):
		return space
	}
	return sign
}
