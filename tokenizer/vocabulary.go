package tokenizer

import (
	"fmt"
	"strings"
)

// wordEnd marks the last symbol of a word.
const wordEnd = "</w>"

// A vocabulary is the byte-pair model: its words, and which two make a third.
type vocabulary struct {
	words  []string         // by id
	ids    map[string]int32 // by word
	pairs  [][2]string      // the merges by rank
	merges map[uint64]merge // by joined

	inside, atEnd [256]int32 // a byte's id inside a word and as its last
}

type merge struct {
	rank, made int32
}

func joined(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// byteChars are the characters that stand for the 256 bytes in the vocabulary's words: the printable ones of Latin-1 for themselves, the
// others for what follows U+0100.
var byteChars = func() (chars [256]rune) {
	next := rune(0x100)
	for b := range chars {
		switch {
		case '!' <= b && b <= '~', '¡' <= b && b <= '¬', '®' <= b:
			chars[b] = rune(b)
		default:
			chars[b] = next
			next++
		}
	}
	return chars
}()

// newVocabulary checks that every merge's two words and what they make are in the vocabulary. place names a merge's place in its file.
// unknown stands for bytes that the vocabulary lacks.
func newVocabulary(words []string, pairs [][2]string, unknown string, place func(rank int) string) (*vocabulary, error) {
	v := &vocabulary{
		words:  words,
		ids:    make(map[string]int32, len(words)),
		pairs:  pairs,
		merges: make(map[uint64]merge, len(pairs)),
	}
	for id, w := range words {
		v.ids[w] = int32(id)
	}
	for rank, p := range pairs {
		var ids [3]int32
		for i, w := range []string{p[0], p[1], p[0] + p[1]} {
			id, ok := v.ids[w]
			if !ok {
				return nil, fmt.Errorf("%s: the merge of %q and %q needs the word %q, which the vocabulary lacks", place(rank), p[0], p[1], w)
			}
			ids[i] = id
		}
		v.merges[joined(ids[0], ids[1])] = merge{int32(rank), ids[2]}
	}
	instead, haveUnknown := v.ids[unknown]
	for b, c := range byteChars {
		for _, s := range []struct {
			word string
			id   *int32
		}{{string(c), &v.inside[b]}, {string(c) + wordEnd, &v.atEnd[b]}} {
			id, ok := v.ids[s.word]
			if !ok {
				if !haveUnknown {
					return nil, fmt.Errorf("the vocabulary has neither %q nor the unknown token %q", s.word, unknown)
				}
				id = instead
			}
			*s.id = id
		}
	}
	return v, nil
}

// splitMerge reads "a b".
func splitMerge(line string) ([2]string, bool) {
	a, b, ok := strings.Cut(line, " ")
	return [2]string{a, b}, ok && a != "" && b != "" && !strings.Contains(b, " ")
}
