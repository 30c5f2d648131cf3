// Package tokenizer is CLIP's byte-pair encoding: from a text to the token ids that a text encoder takes.
//
// The ids equal those of CLIPTokenizer in transformers 5 for any text. The steps, in this order: added tokens that match the text as it is are
// cut out (such as "<|endoftext|>"); the rest is composed (Unicode NFC), white space is collapsed and letters are lowered; added tokens that
// match the normalized text are cut out; what remains is split into words (contractions, runs of letters, single digits, runs of other
// signs), and each word's bytes are merged by rank. Nothing is unescaped or repaired.
//
// Every token knows which bytes of the text it came from, so a caller can say what was cut off and where a phrase's tokens are.
package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// A Token is one id and the bytes text[Start:End] it came from. Characters are never cut: tokens that share the bytes of one character (an
// emoji of several tokens) all span the whole of it. An added token that strips white space spans that as well.
type Token struct {
	ID         int32
	Start, End int
}

// A Tokenizer turns texts into token ids. It never changes and is safe for concurrent use.
type Tokenizer struct {
	vocab           *vocabulary
	added           []addedToken // sorted by id
	raw, normalized matcher      // of added tokens that match the text as it is, and the normalized text
	names           specials
	begin, end, pad int32
	maxLength       int
}

// newTokenizer numbers the added tokens: by the vocabulary, or behind it in their order. Of two with one content the later one's flags hold.
// maxLength is at least 2, and the contents are not empty.
func newTokenizer(v *vocabulary, names specials, added []addedToken, maxLength int) (*Tokenizer, error) {
	t := &Tokenizer{vocab: v, names: names, maxLength: maxLength}
	at := map[string]int{} // in t.added
	next := int32(len(v.words))
	for _, a := range added {
		if i, ok := at[a.content]; ok {
			a.id = t.added[i].id
			t.added[i] = a
			continue
		}
		if id, ok := v.ids[a.content]; ok {
			a.id = id
		} else {
			a.id = next
			next++
		}
		at[a.content] = len(t.added)
		t.added = append(t.added, a)
	}
	ids := map[string]int32{}
	for _, a := range t.added {
		ids[a.content] = a.id
	}
	t.begin, t.end, t.pad = ids[names.begin], ids[names.end], ids[names.pad]
	slices.SortFunc(t.added, func(a, b addedToken) int { return cmp.Compare(a.id, b.id) })
	var err error
	if t.raw, err = newMatcher(t.added, false); err != nil {
		return nil, err
	}
	if t.normalized, err = newMatcher(t.added, true); err != nil {
		return nil, err
	}
	return t, nil
}

// specials are the tokens with a role, by their text.
type specials struct {
	begin, end, unknown, pad string
}

// An Encoding is a text as a text encoder takes it.
type Encoding struct {
	// IDs has MaxLength ids: the begin token, the text's tokens as far as they fit, the end token, padding.
	IDs []int64
	// Tokens counts the ids that are not padding, the begin and the end token included.
	Tokens int
	// Pieces are all tokens of the text, those that were cut off included, without begin, end and padding: Pieces[i] is IDs[i+1] for
	// i < Tokens-2, and the rest did not fit.
	Pieces []Token
	// Removed is the part of the text whose tokens did not fit; empty if all did.
	Removed string
}

// Truncated reports whether tokens of the text did not fit.
func (e Encoding) Truncated() bool { return len(e.Pieces) > e.Tokens-2 }

// MaxLength is how many ids an Encoding has: 77 for CLIP.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

// VocabSize is one more than the largest id: a text encoder needs as many rows of token embeddings.
func (t *Tokenizer) VocabSize() int { return len(t.vocab.words) + len(t.beyond()) }

// BeginID is the id of the token before the text, <|startoftext|>.
func (t *Tokenizer) BeginID() int32 { return t.begin }

// EndID is the id of the token behind the text, <|endoftext|>.
func (t *Tokenizer) EndID() int32 { return t.end }

// PadID is the id that fills an Encoding: that of <|endoftext|>, or 0 ("!") for the second text encoder of SDXL.
func (t *Tokenizer) PadID() int32 { return t.pad }

// TokenText is the vocabulary's spelling of an id, one character a byte and "</w>" at a word's end; "" for an unknown id.
func (t *Tokenizer) TokenText(id int32) string {
	if id >= 0 && int(id) < len(t.vocab.words) {
		return t.vocab.words[id]
	}
	for _, a := range t.beyond() {
		if a.id == id {
			return a.content
		}
	}
	return ""
}

// beyond returns the added tokens that the vocabulary lacks; their ids follow on its.
func (t *Tokenizer) beyond() []addedToken {
	i, _ := slices.BinarySearchFunc(t.added, int32(len(t.vocab.words)), func(a addedToken, id int32) int { return cmp.Compare(a.id, id) })
	return t.added[i:]
}

// Validate returns an error that says where the text stops being UTF-8, or nil.
func Validate(text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			return fmt.Errorf("the text is not valid UTF-8 at byte %d", i)
		}
		i += n
	}
	return nil
}

// Tokenize returns all tokens of a text, without begin and end tokens. The only error is that of Validate.
func (t *Tokenizer) Tokenize(text string) ([]Token, error) {
	if err := Validate(text); err != nil {
		return nil, err
	}
	return t.tokenize(text), nil
}

// Encode returns a text's ids between begin and end token, cut off and padded to MaxLength. The only error is that of Validate.
func (t *Tokenizer) Encode(text string) (Encoding, error) {
	pieces, err := t.Tokenize(text)
	if err != nil {
		return Encoding{}, err
	}
	kept := min(len(pieces), t.maxLength-2)
	ids := make([]int64, 0, t.maxLength)
	ids = append(ids, int64(t.begin))
	for _, p := range pieces[:kept] {
		ids = append(ids, int64(p.ID))
	}
	ids = append(ids, int64(t.end))
	for len(ids) < t.maxLength {
		ids = append(ids, int64(t.pad))
	}
	e := Encoding{IDs: ids, Tokens: kept + 2, Pieces: pieces}
	if removed := pieces[kept:]; len(removed) > 0 {
		start, end := removed[0].Start, removed[0].End
		for _, p := range removed {
			start, end = min(start, p.Start), max(end, p.End)
		}
		e.Removed = text[start:end]
	}
	return e, nil
}

func (t *Tokenizer) tokenize(text string) []Token {
	out := make([]Token, 0, 8+len(text)/4)
	word := mergers.Get().(*merger)
	defer word.release()
	found := func(id int32, chars []char) { out = append(out, span(id, chars)) }
	split := func(chars []char) {
		words(chars, func(chars []char) { out = word.merge(out, t.vocab, chars) })
	}
	t.raw.split(decode(text), t.added, found, func(chars []char) {
		t.normalized.split(normalize(chars), t.added, found, split)
	})
	return out
}

func span(id int32, chars []char) Token {
	tok := Token{ID: id, Start: chars[0].start, End: chars[0].end}
	for _, c := range chars {
		tok.Start, tok.End = min(tok.Start, c.start), max(tok.End, c.end)
	}
	return tok
}
