package tokenizer

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
)

// CLIP's special tokens and how many ids its text encoders take.
const (
	startOfText = "<|startoftext|>"
	endOfText   = "<|endoftext|>"
	clipLength  = 77
)

//go:embed clip_merges.txt.gz
var clipMerges []byte

// Default returns CLIP's tokenizer as the base models publish it, padding with <|endoftext|>: 49408 ids, 77 of them to a text.
func Default() *Tokenizer { return clip(endOfText) }

// DefaultZeroPad returns CLIP's tokenizer as it is published for the second text encoder of SDXL: it pads with "!", whose id is 0. That makes
// "!" a special token, so wherever a text has one its id is 0 as well.
func DefaultZeroPad() *Tokenizer { return clip("!") }

var clipVocabulary = sync.OnceValues(readCLIP)

func clip(pad string) *Tokenizer {
	v, err := clipVocabulary()
	if err != nil {
		panic("tokenizer: the embedded vocabulary: " + err.Error())
	}
	// The published flags: a token that is also the padding token matches the text as it is, another one the normalized text.
	names := specials{begin: startOfText, end: endOfText, unknown: endOfText, pad: pad}
	added := []addedToken{{content: startOfText, normalized: true, special: true}, {content: endOfText, normalized: pad != endOfText, special: true}}
	if pad != endOfText {
		added = append(added, addedToken{content: pad, special: true})
	}
	t, err := newTokenizer(v, names, added, clipLength)
	if err != nil {
		panic("tokenizer: the embedded vocabulary: " + err.Error())
	}
	return t
}

func readCLIP() (*vocabulary, error) {
	z, err := gzip.NewReader(bytes.NewReader(clipMerges))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	var pairs [][2]string
	for line := range strings.Lines(string(text)) {
		p, ok := splitMerge(strings.TrimSuffix(line, "\n"))
		if !ok {
			return nil, fmt.Errorf("merge %d is not two words", len(pairs))
		}
		pairs = append(pairs, p)
	}
	// The ids: the bytes, printable ones first, inside a word and at its end; what the merges make, in order; the special tokens.
	var words []string
	for _, printable := range []bool{true, false} {
		for b, c := range byteChars {
			if (int(c) == b) == printable {
				words = append(words, string(c))
			}
		}
	}
	for _, w := range words[:len(byteChars)] {
		words = append(words, w+wordEnd)
	}
	for _, p := range pairs {
		words = append(words, p[0]+p[1])
	}
	words = append(words, startOfText, endOfText)
	l := wordList{words: words, pairs: pairs, where: "words", whereOf: func(rank int) string { return fmt.Sprintf("merge %d", rank) }}
	return newVocabulary(l, endOfText)
}
