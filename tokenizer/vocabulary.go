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

// A wordList is a vocabulary as read, with the names of its parts for messages.
type wordList struct {
	words []string    // by id
	pairs [][2]string // by rank

	where   string                // the words
	whereOf func(rank int) string // a pair
}

// newVocabulary checks that every merge's two words and what they make are in the vocabulary. unknown stands for bytes that it lacks.
func newVocabulary(l wordList, unknown string) (*vocabulary, error) {
	v := &vocabulary{
		words:  l.words,
		ids:    make(map[string]int32, len(l.words)),
		pairs:  l.pairs,
		merges: make(map[uint64]merge, len(l.pairs)),
	}
	for id, w := range l.words {
		v.ids[w] = int32(id)
	}
	for rank, p := range l.pairs {
		var ids [3]int32
		for i, w := range []string{p[0], p[1], p[0] + p[1]} {
			id, ok := v.ids[w]
			if !ok {
				return nil, fmt.Errorf("%s: the merge of %s and %s needs the word %s, which the vocabulary lacks", l.whereOf(rank), quote(p[0]), quote(p[1]), quote(w))
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
					return nil, fmt.Errorf("%s: has neither %s nor the unknown token %s", l.where, quote(s.word), quote(unknown))
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
