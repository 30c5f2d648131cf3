package prompt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cosmicman/tokenizer"
)

func layout(t testing.TB, text string, o Options) *Layout {
	t.Helper()
	l, err := Split(tokenizer.Default(), text, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// garments are phrases of 4 tokens each, the comma included.
func garments(n int) string {
	colors := []string{"red", "blue", "green", "white", "black"}
	out := make([]string, n)
	for i := range out {
		out[i] = colors[i%5] + " cotton shirt"
	}
	return strings.Join(out, ", ")
}

var texts = []string{
	"", " ", "a photo of a woman", garments(30), strings.Repeat("word ", 500), strings.Repeat("x", 3000), strings.Repeat("北京", 400),
	strings.Repeat("👩‍🚀", 90), "a (red:1.2) dress", strings.Repeat("(very ", 20) + strings.Repeat(")", 20), "a<|endoftext|>b, " + garments(20),
}

// TestTruncatedAsBefore: one window holds what the tokenizer's own encoding does.
func TestTruncatedAsBefore(t *testing.T) {
	for _, text := range texts {
		for _, o := range []Options{{}, {Chunk: true}} {
			l := layout(t, text, o)
			want, err := tokenizer.Default().Encode(text)
			if err != nil {
				t.Fatal(err)
			}
			if o.Chunk && want.Truncated() {
				continue
			}
			w := l.Windows[0]
			if len(l.Windows) != 1 || !slices.Equal(w.IDs, want.IDs) || w.Weights != nil || l.Tokens != want.Tokens-2 || l.Cut != want.Removed {
				t.Errorf("%.30q, %+v: %d windows, %d tokens, cut %.30q; expected one, %d, %.30q", text, o, len(l.Windows), l.Tokens, l.Cut, want.Tokens-2, want.Removed)
			}
		}
	}
}

// TestWindowsHoldEveryToken, in order, once, and what is not drawn is told.
func TestWindowsHoldEveryToken(t *testing.T) {
	for _, text := range texts {
		checkWindows(t, text, layout(t, text, Options{Chunk: true}))
	}
}

func checkWindows(t *testing.T, text string, l *Layout) {
	t.Helper()
	tok := tokenizer.Default()
	all, err := tok.Tokenize(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Windows) > MaxWindows || (l.Tokens < len(all)) != (l.Cut != "") {
		t.Fatalf("%.30q: %d windows, %d of %d tokens, cut %.30q", text, len(l.Windows), l.Tokens, len(all), l.Cut)
	}
	i := 0
	for k, w := range l.Windows {
		n := len(w.Spans)
		if len(w.IDs) != 77 || n > 75 || n == 0 && len(all) > 0 || w.IDs[0] != int64(tok.BeginID()) || w.IDs[n+1] != int64(tok.EndID()) {
			t.Fatalf("%.30q: window %d with %d tokens: %v", text, k, n, w.IDs)
		}
		for j, span := range w.Spans {
			if x := all[i]; w.IDs[1+j] != int64(x.ID) || span != [2]int{x.Start, x.End} {
				t.Fatalf("%.30q: token %d is %d at %v, expected %+v", text, i, w.IDs[1+j], span, x)
			}
			i++
		}
		for _, id := range w.IDs[n+2:] {
			if id != int64(tok.PadID()) {
				t.Fatalf("%.30q: window %d is padded with %d", text, k, id)
			}
		}
	}
	if i != l.Tokens || i < len(all) && !strings.HasPrefix(text[all[i].Start:], l.Cut) {
		t.Fatalf("%.30q: %d tokens, counted %d; cut %.30q", text, i, l.Tokens, l.Cut)
	}
}

// TestNoPhraseIsInTwoWindows where none is longer than a window.
func TestNoPhraseIsInTwoWindows(t *testing.T) {
	text := garments(30)
	l := layout(t, text, Options{Chunk: true})
	if len(l.Windows) != 2 || l.Cut != "" || l.Tokens != 30*4-1 {
		t.Fatalf("%d windows of %d tokens, cut %q", len(l.Windows), l.Tokens, l.Cut)
	}
	if n := len(l.Windows[0].Spans); n != 72 {
		t.Errorf("the first window has %d tokens, expected 18 phrases of 4", n)
	}
	second := text[l.Windows[1].Spans[0][0]:]
	if !strings.HasPrefix(second, "white cotton shirt, black") {
		t.Errorf("the second window begins with %.40q", second)
	}
}

// TestWordsAreWholeInWindows where a phrase is longer than a window.
func TestWordsAreWholeInWindows(t *testing.T) {
	text := strings.Repeat("flibbertigibbet ", 60) // of several tokens
	l := layout(t, text, Options{Chunk: true})
	if len(l.Windows) < 3 {
		t.Fatalf("%d windows", len(l.Windows))
	}
	for k, w := range l.Windows {
		if first := w.Spans[0][0]; first%16 != 0 {
			t.Errorf("window %d begins at %q", k, text[first:first+10])
		}
	}
}

// TestTheMostWindows: what is beyond is cut, at a phrase.
func TestTheMostWindows(t *testing.T) {
	text := garments(300)
	l := layout(t, text, Options{Chunk: true})
	checkWindows(t, text, l)
	if len(l.Windows) != MaxWindows || l.Tokens != 720 || !strings.HasPrefix(l.Cut, "red cotton shirt, blue") || !strings.HasSuffix(text, l.Cut) {
		t.Errorf("%d windows, %d tokens, cut %.40q", len(l.Windows), l.Tokens, l.Cut)
	}
}

func TestWeightsOfTokens(t *testing.T) {
	text := `a (red dress:1.3) and \(hat\), [shoes]`
	l := layout(t, text, Options{Weighted: true})
	got := ""
	w := l.Windows[0]
	for i, span := range w.Spans {
		got += fmt.Sprintf("%s=%.2f ", text[span[0]:span[1]], w.Weights[1+i])
	}
	const want = "a=1.00 red=1.30 dress=1.30 and=1.00 (=1.00 hat=1.00 ),=1.00 shoes=0.91 "
	if got != want || len(w.Weights) != 77 || w.Weights[0] != 1 || w.Weights[76] != 1 {
		t.Errorf("%s, expected %s", got, want)
	}
	bare, err := tokenizer.Default().Encode("a red dress and (hat), shoes")
	if err != nil || !slices.Equal(bare.IDs, w.IDs) {
		t.Errorf("ids %v, expected those of the text without signs, %v (%v)", w.IDs, bare.IDs, err)
	}
}

// TestWeightsAcrossWindows: the second window has its own.
func TestWeightsAcrossWindows(t *testing.T) {
	l := layout(t, garments(20)+", (gold crown, silver ring:1.5)", Options{Chunk: true, Weighted: true})
	if len(l.Windows) != 2 || l.Windows[0].Weights != nil || l.Windows[1].Weights == nil {
		t.Fatalf("%d windows, weights %v", len(l.Windows), l.Windows[0].Weights)
	}
}

func TestSplitErrors(t *testing.T) {
	if _, err := Split(tokenizer.Default(), "a\xff", Options{}); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("error %v", err)
	}
	if _, err := Split(tokenizer.Default(), "(a:b)", Options{Weighted: true}); err == nil || !strings.Contains(err.Error(), "byte 2") {
		t.Errorf("error %v", err)
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range texts {
		f.Add(text, true, false)
		f.Add(text, true, true)
	}
	f.Fuzz(func(t *testing.T, text string, chunk, weighted bool) {
		l, err := Split(tokenizer.Default(), text, Options{Chunk: chunk, Weighted: weighted})
		if err != nil {
			if !weighted && utf8.ValidString(text) {
				t.Fatal(err)
			}
			return
		}
		if chunk && !weighted {
			checkWindows(t, text, l)
		}
		for _, w := range l.Windows {
			for _, s := range w.Spans {
				if s[0] < 0 || s[0] >= s[1] || s[1] > len(text) {
					t.Fatalf("span %v of %d bytes", s, len(text))
				}
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	text := garments(120)
	for b.Loop() {
		if _, err := Split(tokenizer.Default(), text, Options{Chunk: true, Weighted: true}); err != nil {
			b.Fatal(err)
		}
	}
}
