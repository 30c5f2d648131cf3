package dolls

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"

	"cosmicman/prompt"
	"cosmicman/tokenizer"
)

// TestSameEverywhere holds people, images and maps to bytes that were seen once, on one machine.
func TestSameEverywhere(t *testing.T) {
	h := sha256.New()
	for i := range uint64(120) {
		p := Draw(17, i)
		h.Write([]byte(p.Caption()))
		for _, c := range []struct {
			style         Style
			width, height int
		}{{Shaded, 96, 96}, {Shaded, 61, 130}, {Pixel, 64, 64}, {Pixel, 100, 75}} {
			d, err := p.Render(c.style, c.width, c.height)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(d.Image.Pix)
			h.Write(d.Map.Pix)
		}
	}
	const want = "3ccf5ba948ae6ecf37247f2370aa45666c5fb283a361099d723c26eb185ccb16"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("captions, images and maps hash to %s, want %s: what a seed draws has changed", got, want)
	}
}

// TestCaptionsAreUnderstood holds that package prompt finds in a caption what was drawn, each
// attribute in its group, and nothing else.
func TestCaptionsAreUnderstood(t *testing.T) {
	tok := tokenizer.Default()
	long := 0
	for i := range uint64(1000) {
		p := Draw(5, i)
		caption := p.Caption()
		parsed := prompt.Parse(caption)
		if len(parsed.Unassigned) > 0 || parsed.Shot == "" {
			t.Errorf("%q: unassigned %v, shot %q", caption, parsed.Unassigned, parsed.Shot)
		}
		if tokens, err := tok.Tokenize(caption); err != nil {
			t.Fatal(err)
		} else if len(tokens) > 75 {
			long++
		}
		got := map[prompt.Group]map[string]string{}
		for _, q := range parsed.Groups {
			if got[q.Group] == nil {
				got[q.Group] = map[string]string{}
			}
			maps.Copy(got[q.Group], q.Attributes)
		}
		for g, want := range p.Attributes() {
			have := slices.Collect(maps.Values(got[prompt.Group(g)]))
			for key, value := range want {
				same := func(v string) bool {
					return strings.EqualFold(strings.ReplaceAll(v, "-", " "), strings.ReplaceAll(value, "-", " "))
				}
				noun := key == "type" && (value == strings.TrimSuffix(prompt.Group(g).String(), "s") || value == "socks")
				if !noun && !slices.ContainsFunc(have, same) {
					t.Errorf("%s %q of %s is not found in %q: %v", key, value, prompt.Group(g), caption, have)
				}
			}
			if want == nil && len(have) > 0 {
				t.Errorf("%q: %s was not drawn", caption, prompt.Group(g))
			}
		}
		if t.Failed() && i > 20 {
			return
		}
	}
	t.Logf("%d of 1000 captions have over 77 tokens", long)
}

// TestSimplePeopleAreFewKinds holds what DrawSimple promises, that all of it occurs, and that it is
// seen and understood.
func TestSimplePeopleAreFewKinds(t *testing.T) {
	seen := map[string]map[string]bool{}
	note := func(key, value string) {
		if seen[key] == nil {
			seen[key] = map[string]bool{}
		}
		seen[key][value] = true
	}
	for i := range uint64(600) {
		p := DrawSimple(7, i)
		note("shot", p.Shot)
		note("age", p.Age)
		note("background", p.Background)
		for g, w := range p.Worn {
			if w.Pattern != "" && w.Pattern != "solid color" || w.Material == "denim" {
				t.Errorf("person %d: %s: %+v", i, g, w)
			}
			if g == prompt.Coat || g >= prompt.Bag && g != prompt.Hat && g != prompt.Headband && g != prompt.Headscarf && g != prompt.Socks {
				t.Errorf("person %d has %s: %s", i, g, p.Caption())
			}
			note("color", w.Color)
			d := render(t, p, Pixel, 64, 64)
			if pixels, wrong := d.shown(p, g); !slices.Contains(pixels, palette[w.Color]) || wrong > 0 {
				t.Errorf("person %d: %s has no pixel of its colour, or %d of another label: %s", i, g, wrong, p.Caption())
			}
		}
		if parsed := prompt.Parse(p.Caption()); len(parsed.Unassigned) > 0 {
			t.Errorf("%q: unassigned %v", p.Caption(), parsed.Unassigned)
		}
	}
	for key, n := range map[string]int{"shot": 2, "age": 1, "background": 3, "color": 6} {
		if len(seen[key]) != n {
			t.Errorf("%d values of %s, want %d: %v", len(seen[key]), key, n, seen[key])
		}
	}
}
