package prompt

import (
	"slices"
	"strings"

	"cosmicman/tokenizer"
)

// MaxWindows is how many windows of the text encoder a prompt may fill: 750 tokens of CLIP.
// What is beyond is cut off and reported; the UNet's time grows with the tokens.
const MaxWindows = 10

// Options say how a text becomes windows. The zero value is diffusers' way.
type Options struct {
	Chunk    bool // text beyond a window goes on in more of them, up to MaxWindows; else it is cut off
	Weighted bool // brackets are emphasis; else they are text
}

// Layout is a text as a text encoder takes it.
type Layout struct {
	Windows []Window // at least one
	Tokens  int      // of the text that are drawn, without begin, end and padding
	Cut     string   // the end of the text that is not drawn, "" if all is
}

// Window is one input of the text encoder.
type Window struct {
	IDs     []int64   // MaxLength of the tokenizer, 77: begin, up to 75 tokens, end, padding
	Weights []float32 // of the IDs; nil if all are 1
	Spans   [][2]int  // the bytes of the text, half-open, that IDs[1], IDs[2], ... came from
}

// token is one of a prompt.
type token struct {
	tokenizer.Token // spans are in the text without the syntax's signs
	span            [2]int
	weight          float32
	joined          bool // to the token before, without a space between
	inside          bool // it begins within a character that the token before has begun
}

// Split lays a text out in windows. One window is filled as transformers' tokenizer does it.
// Where there are more, they are cut where a phrase begins, so that nothing that is worn is
// in two of them; a phrase longer than a window is cut at a word, or else at a token.
//
// The error is that of tokenizer.Validate, or a *SyntaxError.
func Split(tok *tokenizer.Tokenizer, text string, o Options) (*Layout, error) {
	if err := tokenizer.Validate(text); err != nil {
		return nil, err
	}
	parts := plain(text)
	if o.Weighted {
		var err error
		if parts, err = parseWeights(text); err != nil {
			return nil, err
		}
	}
	tokens, bare, err := tokenize(tok, parts)
	if err != nil {
		return nil, err
	}
	room := tok.MaxLength() - 2
	var windows [][]token
	switch {
	case len(tokens) <= room:
		windows = [][]token{tokens}
	case !o.Chunk || room < 1:
		windows = [][]token{tokens[:room]}
	default:
		windows = pack(tokens, borders(bare, tokens), room)
	}
	l := &Layout{}
	for _, w := range windows {
		l.Tokens += len(w)
		l.Windows = append(l.Windows, window(tok, w))
	}
	if rest := tokens[l.Tokens:]; len(rest) > 0 {
		first, last := rest[0].span[0], rest[0].span[1]
		for _, t := range rest {
			first, last = min(first, t.span[0]), max(last, t.span[1])
		}
		l.Cut = text[first:last]
	}
	return l, nil
}

// tokenize returns the tokens of all parts, each of which is tokenized by itself as in the
// web UI, and the text without the syntax's signs.
func tokenize(tok *tokenizer.Tokenizer, parts []weighted) (tokens []token, bare string, err error) {
	var b strings.Builder
	end := 0 // of the token before, in the bare text
	for _, p := range parts {
		pieces, err := tok.Tokenize(p.text)
		if err != nil {
			return nil, "", err
		}
		for _, t := range pieces {
			x := token{Token: t, weight: float32(p.weight), span: [2]int{p.at[t.Start], p.at[t.End-1] + 1}}
			x.Start, x.End = b.Len()+t.Start, b.Len()+t.End
			x.joined, x.inside = x.Start <= end, x.Start < end
			end = max(end, x.End)
			tokens = append(tokens, x)
		}
		b.WriteString(p.text)
	}
	return tokens, b.String(), nil
}

// borders returns the indexes of tokens, ascending, before which a window may end.
func borders(bare string, tokens []token) []int {
	var out []int
	for _, at := range Parse(bare).Breaks() {
		i, _ := slices.BinarySearchFunc(tokens, at, func(t token, at int) int { return t.Start - at })
		if i > 0 && i < len(tokens) && (len(out) == 0 || out[len(out)-1] < i) {
			out = append(out, i)
		}
	}
	return out
}

// pack fills windows with phrases, each of which goes into the present window if it fits,
// else into the next. What does not fit into MaxWindows is left out.
func pack(tokens []token, borders []int, room int) (windows [][]token) {
	var now []token // the present window
	for start := 0; start < len(tokens); {
		end := len(tokens)
		if len(borders) > 0 {
			end = borders[0]
			borders = borders[1:]
		}
		for start < end {
			if n := end - start; len(now)+n <= room {
				now = tokens[start-len(now) : end]
				start = end
				break
			}
			if len(now) == 0 { // longer than a window
				cut := start + wordBefore(tokens[start:], room)
				now = tokens[start:cut]
				start = cut
			}
			if windows = append(windows, now); len(windows) == MaxWindows {
				return windows
			}
			now = nil
		}
	}
	return append(windows, now)
}

// wordBefore returns how many tokens, at most n, to take so that no word is cut, or else no
// character.
func wordBefore(tokens []token, n int) int {
	for k := n; k > 0; k-- {
		if !tokens[k].joined {
			return k
		}
	}
	for k := n; k > 0; k-- {
		if !tokens[k].inside {
			return k
		}
	}
	return n
}

// window puts tokens between begin and end.
func window(tok *tokenizer.Tokenizer, tokens []token) Window {
	w := Window{IDs: make([]int64, 0, tok.MaxLength()), Spans: make([][2]int, len(tokens))}
	w.IDs = append(w.IDs, int64(tok.BeginID()))
	for i, t := range tokens {
		w.IDs = append(w.IDs, int64(t.ID))
		w.Spans[i] = t.span
		if t.weight != 1 && w.Weights == nil {
			w.Weights = slices.Repeat([]float32{1}, tok.MaxLength())
		}
		if w.Weights != nil {
			w.Weights[1+i] = t.weight
		}
	}
	w.IDs = append(w.IDs, int64(tok.EndID()))
	for len(w.IDs) < tok.MaxLength() {
		w.IDs = append(w.IDs, int64(tok.PadID()))
	}
	return w
}
