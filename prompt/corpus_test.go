package prompt

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// example is a text with what is to be found in it.
type example struct {
	where   string
	text    string
	shot    string
	phrases []expected
}

type expected struct {
	group      Group
	span       [2]int
	attributes map[string]string
}

// readCorpus reads a file of examples. An example is a text after "> ", a line for the shot
// where it has one, and a line for each phrase: "tops: white shirt | color=white; type=shirt".
func readCorpus(t *testing.T, file string) (out []example) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]Group{}
	for g := range Group(groupCount) {
		names[g.String()] = g
		if f := groupTable[g].field; f != "" {
			names[f] = g
		}
	}
	line := 0
	for l := range strings.Lines(string(data)) {
		line++
		l = strings.TrimSpace(l)
		where := fmt.Sprintf("%s:%d", file, line)
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
			continue
		case strings.HasPrefix(l, "> "):
			out = append(out, example{where: where, text: l[2:]})
			continue
		}
		name, rest, ok := strings.Cut(l, ": ")
		x := &out[len(out)-1]
		phrase, attributes, _ := strings.Cut(rest, " | ")
		at := strings.Index(x.text, phrase)
		g, known := names[name]
		switch {
		case !ok || at < 0:
			t.Fatalf("%s: %q is not a phrase of the text", where, l)
		case name == "shot":
			x.shot = phrase
			continue
		case !known:
			t.Fatalf("%s: no group %q", where, name)
		}
		e := expected{group: g, span: [2]int{at, at + len(phrase)}, attributes: map[string]string{}}
		for pair := range strings.SplitSeq(attributes, ";") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				k = strings.TrimSpace(k)
				if !g.has(k) {
					t.Fatalf("%s: %s has no attribute %q", where, g, k)
				}
				e.attributes[k] = strings.TrimSpace(v)
			}
		}
		x.phrases = append(x.phrases, e)
	}
	return out
}

// score counts what Parse got right.
type score struct {
	phrases, right    int
	made, wanted      int // phrases that Parse made, and those of them that were expected
	attributes, equal int
}

func overlap(a, b [2]int) int { return max(0, min(a[1], b[1])-max(a[0], b[0])) }

func (x *example) check(t *testing.T, s *score) {
	p := Parse(x.text)
	if p.Shot != x.shot && !strings.EqualFold(p.Shot, x.shot) {
		s.phrases++
		t.Logf("%s: shot %q, want %q", x.where, p.Shot, x.shot)
	} else if x.shot != "" {
		s.phrases++
		s.right++
	}
	for _, e := range x.phrases {
		s.phrases++
		covered := 0
		got := map[string]string{}
		for _, q := range p.Groups {
			if n := overlap(q.Span, e.span); n > 0 && q.Group == e.group {
				covered += n
				maps.Copy(got, q.Attributes)
			}
		}
		if covered*2 < e.span[1]-e.span[0] {
			t.Logf("%s: %q is not in %s: %s", x.where, x.text[e.span[0]:e.span[1]], e.group, p.summary())
			continue
		}
		s.right++
		for k, v := range e.attributes {
			s.attributes++
			if sameValue(got[k], v) {
				s.equal++
			} else {
				t.Logf("%s: %q has %s %q, want %q", x.where, x.text[e.span[0]:e.span[1]], k, got[k], v)
			}
		}
	}
	for _, q := range p.Groups {
		s.made++
		if slices.ContainsFunc(x.phrases, func(e expected) bool { return e.group == q.Group && overlap(e.span, q.Span) > 0 }) {
			s.wanted++
		} else {
			t.Logf("%s: %q is taken for %s", x.where, q.Text, q.Group)
		}
	}
}

func (p *Parsed) summary() string {
	var parts []string
	for _, q := range p.Groups {
		parts = append(parts, fmt.Sprintf("%s %q", q.Group, q.Text))
	}
	for _, q := range p.Unassigned {
		parts = append(parts, fmt.Sprintf("- %q", q.Text))
	}
	return strings.Join(parts, ", ")
}

// TestCorpora holds how many phrases are put into the right group, how many of those found were
// to be found, and how many attributes are right. What was found for the first time in the files
// named held, written before the rules had seen them, is what other texts may expect: 98.9 % of
// the phrases of captions and 96.0 % of those of sentences.
func TestCorpora(t *testing.T) {
	for _, c := range []struct {
		file                         string
		groups, precision, attribute float64
	}{
		{"captions.txt", 0.99, 0.98, 0.97},
		{"sentences.txt", 0.95, 0.94, 0.92},
		{"held_captions.txt", 0.99, 0.98, 0.97},
		{"held_sentences.txt", 0.97, 0.96, 0.95},
		{"reviewed.txt", 0.99, 0.99, 0.99},
	} {
		t.Run(c.file, func(t *testing.T) {
			var s score
			for _, x := range readCorpus(t, "testdata/"+c.file) {
				x.check(t, &s)
			}
			for _, r := range []struct {
				what    string
				of, all int
				least   float64
			}{{"phrases in their group", s.right, s.phrases, c.groups}, {"groups that are there", s.wanted, s.made, c.precision}, {"attributes", s.equal, s.attributes, c.attribute}} {
				share := float64(r.of) / float64(r.all)
				t.Logf("%s: %d of %d, %.1f %%", r.what, r.of, r.all, 100*share)
				if !(share >= r.least) {
					t.Errorf("%s: %.1f %%, want at least %.1f %%", r.what, 100*share, 100*r.least)
				}
			}
		})
	}
}

// TestBackgrounds holds that captions' backgrounds, which are free text, are taken whole, whichever of the
// groups before them are there.
func TestBackgrounds(t *testing.T) {
	data, err := os.ReadFile("testdata/backgrounds.txt")
	if err != nil {
		t.Fatal(err)
	}
	right, all := 0, 0
	for background := range strings.Lines(string(data)) {
		background = strings.TrimSpace(background)
		if strings.HasPrefix(background, "#") {
			continue
		}
		for _, before := range []string{
			"a full-body shot, an Asian adult female, fit, ", "a Caucasian adult male, fit, ", "a headshot, an elderly Indian male, ", "a upper body shot, ", "a portrait, slim, ",
		} {
			p := verify(t, before+background+", long wavy brown hair, white cotton shirt, black leather belt")
			var groups []Group
			for _, q := range p.Groups {
				if q.Span[0] >= len(before) {
					groups = append(groups, q.Group)
				}
				if q.Group == Background && q.Text == background {
					right++
				}
			}
			all++
			if !slices.Equal(groups, []Group{Background, Hair, Top, Belt}) {
				t.Logf("%s%s: %s", before, background, p.summary())
			}
		}
	}
	t.Logf("%d of %d", right, all)
	if all < 500 || right*100 < all*97 {
		t.Errorf("%d of %d backgrounds are right", right, all)
	}
}
