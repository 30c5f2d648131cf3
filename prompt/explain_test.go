package prompt

import (
	"strings"
	"testing"

	"cosmicman/tokenizer"
)

// TestExplain holds that the tokens of a phrase are those of its text.
func TestExplain(t *testing.T) {
	tok := tokenizer.Default()
	for _, text := range []string{
		"A young woman with curly red hair in a denim jacket over a white t-shirt on a bridge at sunset",
		"A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, masterpiece, 8k",
		"", "зонт, red dress", "👗, red dress 👠",
	} {
		e, err := Explain(tok, text, Options{Chunk: true})
		if err != nil {
			t.Fatal(err)
		}
		if e.Caption != text || e.Tokens.Count != len(e.Tokens.IDs) || e.Tokens.Chunks != 1 || e.Tokens.Cut != "" {
			t.Errorf("%q: %+v", text, e)
		}
		same := func(part string, span [2]int) {
			alone, err := tok.Tokenize(part)
			if err != nil {
				t.Fatal(err)
			}
			got := e.Tokens.IDs[span[0]:span[1]]
			if len(got) != len(alone) {
				t.Fatalf("%q: %q has tokens %v, want %d", text, part, span, len(alone))
			}
			for i, x := range alone {
				if got[i] != x.ID {
					t.Errorf("%q: %q has tokens %v, want those of the text alone", text, part, got)
				}
			}
		}
		for _, p := range e.Groups {
			same(p.Text, p.Tokens)
			if p.Name != Group(p.Index).String() {
				t.Errorf("group %d is called %s", p.Index, p.Name)
			}
		}
		for _, p := range e.Unassigned {
			same(p.Text, p.Tokens)
		}
	}
}

// TestExplainLong holds that what does not fit is told, and that no garment is in two windows.
func TestExplainLong(t *testing.T) {
	tok := tokenizer.Default()
	text := strings.Repeat("a woman in a long red silk dress with long puffy sleeves and black leather ankle boots, ", 12)
	cut, err := Explain(tok, text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if cut.Tokens.Chunks != 1 || cut.Tokens.Cut == "" || !strings.HasSuffix(strings.TrimSpace(text), cut.Tokens.Cut) {
		t.Errorf("cut %q in %d chunks", cut.Tokens.Cut, cut.Tokens.Chunks)
	}
	whole, err := Explain(tok, text, Options{Chunk: true})
	if err != nil {
		t.Fatal(err)
	}
	if whole.Tokens.Chunks < 3 || whole.Tokens.Cut != "" {
		t.Errorf("cut %q in %d chunks", whole.Tokens.Cut, whole.Tokens.Chunks)
	}
	layout, err := Split(tok, text, Options{Chunk: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range whole.Groups {
		in := 0
		for _, w := range layout.Windows {
			if len(w.Spans) > 0 && overlap(p.Span, [2]int{w.Spans[0][0], w.Spans[len(w.Spans)-1][1]}) > 0 {
				in++
			}
		}
		if in != 1 {
			t.Errorf("%q at %v is in %d windows", p.Text, p.Span, in)
		}
	}
}
