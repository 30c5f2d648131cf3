package prompt

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is a run of letters and digits, or one mark.
type word struct {
	start, end int
	text       string // in lower case, without the 's of a possessive; of a mark ",", "." or "/"
	mark       bool
	glued      bool // by a hyphen to the word before
}

// longestWord bounds, in bytes, what is looked up; nothing in the lexicon is longer.
const longestWord = 64

// wordsOf cuts a text into words. Bytes that are no UTF-8 separate words.
func wordsOf(text string) []word {
	words := make([]word, 0, 8+len(text)/5)
	glue := false
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !inWord(r, size) {
			switch {
			case r == '-' || r == '‐' || r == '‑':
				glue = len(words) > 0 && words[len(words)-1].end == i
			case r == '.' && insideNumber(text, i):
			case r == '.' && i > 0 && len(words) > 0 && words[len(words)-1].end-words[len(words)-1].start == 1 && insideWord(text, i, '\'', size):
				// "25 y.o."
			case r == ':' && weight(text[i:]) > 0:
				size = weight(text[i:])
			case strings.ContainsRune(",()[]{}\"“”|–—•·、，", r):
				words = append(words, word{start: i, end: i + size, text: ",", mark: true})
				glue = false
			case strings.ContainsRune(".:;!?\n。！？；", r):
				words = append(words, word{start: i, end: i + size, text: ".", mark: true})
				glue = false
			case strings.ContainsRune("&+/", r):
				words = append(words, word{start: i, end: i + size, text: "&", mark: true})
				glue = false
			default:
				glue = false
			}
			i += size
			continue
		}
		start := i
		for i < len(text) {
			r, size = utf8.DecodeRuneInString(text[i:])
			if !inWord(r, size) && !insideWord(text, i, r, size) {
				break
			}
			i += size
		}
		words = append(words, word{start: start, end: i, text: lookup(text[start:i]), glued: glue})
		glue = false
	}
	return words
}

// inWord reports whether a character is part of a word.
func inWord(r rune, size int) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return (r != utf8.RuneError || size > 1) && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r))
}

// insideWord reports whether an apostrophe stands between two letters.
func insideWord(text string, i int, r rune, size int) bool {
	if r != '\'' && r != '’' {
		return false
	}
	next, n := utf8.DecodeRuneInString(text[i+size:])
	return inWord(next, n)
}

// weight returns how long an emphasis is at the beginning of a text, ":1.3" before its bracket, or 0.
func weight(text string) int {
	n := 1
	for n < len(text) && n < 12 && strings.IndexByte(" .0123456789", text[n]) >= 0 {
		n++
	}
	if n < 2 || n == len(text) || text[n] != ')' && text[n] != ']' {
		return 0
	}
	return n
}

// insideNumber reports whether a full stop stands between two digits.
func insideNumber(text string, i int) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && '0' <= text[i] && text[i] <= '9' }
	return digit(i-1) && digit(i+1)
}

// lookup is a word as the lexicon spells it.
func lookup(s string) string {
	if len(s) > longestWord {
		return ""
	}
	s = strings.ReplaceAll(strings.ToLower(s), "’", "'")
	return strings.TrimSuffix(s, "'s")
}
