package prompt

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// verify holds what is true of any text's Parsed.
func verify(t *testing.T, text string) *Parsed {
	t.Helper()
	p := Parse(text)
	within := func(what string, span [2]int, part string) {
		switch {
		case span[0] < 0 || span[0] > span[1] || span[1] > len(text):
			t.Fatalf("%s: span %v of %d bytes", what, span, len(text))
		case text[span[0]:span[1]] != part:
			t.Fatalf("%s: the span is %q, the text %q", what, text[span[0]:span[1]], part)
		}
		for _, at := range span {
			if utf8.ValidString(text) && at < len(text) && !utf8.RuneStart(text[at]) {
				t.Fatalf("%s: span %v cuts a character", what, span)
			}
		}
	}
	within("shot", p.ShotSpan, p.Shot)
	for i, q := range p.Groups {
		within(q.Group.String(), q.Span, q.Text)
		if q.Text == "" || !q.Group.valid() || q.Attributes == nil {
			t.Fatalf("%q: a phrase without text, group or attributes: %+v", text, q)
		}
		for k, v := range q.Attributes {
			if !q.Group.has(k) || v == "" {
				t.Fatalf("%q: %s has attribute %q = %q", text, q.Group, k, v)
			}
		}
		if i == 0 {
			continue
		}
		before := p.Groups[i-1]
		if q.Span[0] < before.Span[0] || q.Span[0] < before.Span[1] && q.Span[1] > before.Span[1] {
			t.Fatalf("%q: %q and %q overlap or are out of order", text, before.Text, q.Text)
		}
	}
	for i, q := range p.Unassigned {
		within("unassigned", q.Span, q.Text)
		if q.Text == "" || i > 0 && q.Span[0] < p.Unassigned[i-1].Span[1] {
			t.Fatalf("%q: unassigned pieces %+v", text, p.Unassigned)
		}
		for _, g := range p.Groups {
			if overlap(g.Span, q.Span) > 0 {
				t.Fatalf("%q: %q is in %s and unassigned", text, q.Text, g.Group)
			}
		}
	}
	for i, at := range p.Breaks() {
		if at <= 0 || at >= len(text) || i > 0 && at <= p.Breaks()[i-1] {
			t.Fatalf("%q: breaks %v", text, p.Breaks())
		}
		for _, g := range p.Groups {
			if g.Span[0] < at && at < g.Span[1] {
				t.Fatalf("%q: a break at %d within %q", text, at, g.Text)
			}
		}
	}
	return p
}

func TestAnyText(t *testing.T) {
	for _, text := range []string{
		"", " ", ",", ",,,;;;...", "a", "the", "and", "with", "of of of", "\x00", "\xff\xfe", "red \xff dress", "a red\x00dress", "red dress\xe2\x82",
		"امرأة ترتدي فستانا أحمر", "一个穿红色连衣裙的女人，站在桥上。", "\u202ered dress\u202c, boots", "👗 red dress 👠👠", "ﬁt", "İ hair", "red-", "-red", "--", "t--shirt",
		"'s dress", "woman's", "n't", "in", "in a", "holding", "a a a a dress", "red and", "and red", "red, and", "year-old", "40", "40-year-old",
		"hair hair hair", "-haired", "colored", "sleeves", "shape", "above", "(red dress:1.3), [blue hat]", "a/b/c", "white/blue dress", "\"red\" dress",
	} {
		verify(t, text)
	}
}

// TestLongTexts holds that the time is linear: a quarter of a megabyte of anything is parsed in a moment.
func TestLongTexts(t *testing.T) {
	for _, unit := range []string{
		"x", "red dress, ", "red ", "and ", "a long, ", "sleeveless, ", "with long sleeves ", "red hair ", "in a park ", "a young slim woman ", "\x00", "\xff",
		"дама ", "word ", "in ", "the ", ". ", "40 ", "top ", "full-", "shoulder-", "holding ", "above chest ", "woman and ",
	} {
		text := strings.Repeat(unit, 1<<18/len(unit))
		start := time.Now()
		Parse(text)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%q of 256 KB took %s", unit, d)
		}
	}
}

func TestBreaks(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // what stands between breaks
	}{
		{"A headshot, an adult male, fit, white cotton shirt", []string{"A headshot, ", "an adult male, ", "fit, ", "white cotton shirt"}},
		{"a woman in a denim jacket over a white t-shirt on a bridge at sunset",
			[]string{"a woman ", "in a denim jacket ", "over a white t-shirt ", "on a bridge at sunset"}},
		{"a dress with long sleeves, normal-length, white shirt, masterpiece", []string{"a dress with long sleeves, ", "normal-length, white shirt, ", "masterpiece"}},
		{"a young slim woman", []string{"a young slim woman"}},
	} {
		p := verify(t, c.text)
		var got []string
		from := 0
		for _, at := range append(slices.Clone(p.Breaks()), len(c.text)) {
			got = append(got, c.text[from:at])
			from = at
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: split into %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, normal-length, white and long sleeve cotton shirt",
		"A young woman with curly red hair in a denim jacket over a white t-shirt on a bridge at sunset", "a young slim woman, in red, with sunglasses",
		"\xff, \x00 red", "一个穿红色连衣裙的女人", "a long, flowing, red-haired dress with sleeves of silk, sleeveless, boots",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { verify(t, text) })
}

// BenchmarkParse holds to the promise of a prompt's time: below a millisecond.
func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"caption", "A full-body shot, an Asian adult female, fit, small road with trees, straight red above-chest hair, normal-length, white and long sleeve cotton shirt, short plaid skirt in pleated shape, cotton backpack, socks, black leather oxford shoes."},
		{"sentence", "A young woman with curly red hair in a denim jacket over a white t-shirt on a bridge at sunset"},
		{"long", strings.Repeat("A young woman with curly red hair in a denim jacket over a white t-shirt on a bridge at sunset. ", 340)},
	} {
		b.Run(c.name, func(b *testing.B) {
			Parse("") // reads the lexicon
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				Parse(c.text)
			}
		})
	}
}

// TestRandomWords verifies texts of the lexicon's words in any order.
func TestRandomWords(t *testing.T) {
	var entries []string
	var walk func(n *node, path []string)
	walk = func(n *node, path []string) {
		if n.senses != nil {
			entries = append(entries, strings.Join(path, " "))
		}
		for _, word := range slices.Sorted(maps.Keys(n.next)) {
			walk(n.next[word], append(path[:len(path):len(path)], word))
		}
	}
	walk(lexicon(), nil)
	if len(entries) < 4000 {
		t.Fatalf("%d entries", len(entries))
	}
	between := []string{" ", " ", " ", " ", ", ", " and ", " with ", " in a ", "-", ". ", " the ", " of ", " zyx ", " is ", " wearing ", ", a ", " on the "}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var b strings.Builder
		for range 1 + r.IntN(14) {
			b.WriteString(entries[r.IntN(len(entries))])
			b.WriteString(between[r.IntN(len(between))])
		}
		verify(t, b.String())
	}
}
