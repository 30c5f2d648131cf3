package prompt

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// drawn is a body and an outfit whose values are drawn from the vocabulary.
type drawn map[Group]map[string]string

func draw(r *rand.Rand) drawn {
	d := drawn{}
	for g := range Group(groupCount) {
		if r.IntN(4) == 0 {
			continue
		}
		values := map[string]string{}
		for _, key := range groupTable[g].keys {
			known := knownValues(g, key)
			if g == Background {
				known = []string{"a brick wall", "small road with trees", "outdoor", "a city street at night"}
			}
			if len(known) > 0 && r.IntN(3) > 0 {
				values[key] = known[r.IntN(len(known))]
			}
		}
		need := "type"
		switch {
		case g == Face:
			need = "gender"
		case g == Hair:
			need = "color"
		case !g.has("type"):
			need = groupTable[g].keys[0]
		}
		if known := knownValues(g, need); values[need] == "" && known != nil {
			values[need] = known[r.IntN(len(known))]
		}
		if values["pattern"] == "graphic" && values["graphic"] != "" {
			delete(values, "graphic") // one word for both
		}
		if g == Shoes && values["boots_length"] != "" {
			values["type"] = "boots" // only they have it
		}
		if len(values) > 0 {
			d[g] = values
		}
	}
	return d
}

// fields are the JSON that asks for it.
func (d drawn) fields() (body, outfit json.RawMessage) {
	b, o := map[string]any{}, map[string]any{}
	for g, values := range d {
		switch {
		case g == Hair:
			b["hair"] = values
		case g < Hair:
			for k, v := range values {
				b[k] = v
			}
		default:
			o[groupTable[g].field] = values
		}
	}
	body, _ = json.Marshal(b)
	outfit, _ = json.Marshal(o)
	return body, outfit
}

// shuffled is a caption as the authors train on it: adjectives in any order before the noun, phrases from
// the fourth on in any order.
func (d drawn) shuffled(r *rand.Rand) (caption string, phrases map[Group]string) {
	phrases = map[Group]string{}
	var rest []string
	var first []string
	for g := range Group(groupCount) {
		values, ok := d[g]
		if !ok {
			continue
		}
		noun := ""
		var adjectives []string
		for k, v := range values {
			if k == "type" || k == "gender" {
				noun = v
			} else {
				adjectives = append(adjectives, v)
			}
		}
		if noun == "" && g != BodyShape && g != Background && g != Style {
			noun = groupTable[g].noun
		}
		slices.Sort(adjectives)
		r.Shuffle(len(adjectives), func(i, j int) { adjectives[i], adjectives[j] = adjectives[j], adjectives[i] })
		p := strings.TrimSpace(strings.Join(adjectives, " ") + " " + noun)
		if g == Face {
			p = "a " + p
		}
		phrases[g] = p
		if g < Hair {
			first = append(first, p)
		} else {
			rest = append(rest, p)
		}
	}
	r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return strings.Join(append(append([]string{shots[r.IntN(len(shots))].phrase}, first...), rest...), ", "), phrases
}

// TestRoundTrip holds that what fields say is found again in their caption, each attribute in its group,
// and that nothing else is.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := draw(r)
		f, notes, err := ParseFields(d.fields())
		switch {
		case err != nil:
			t.Fatal(err)
		case len(notes) > 0 && !strings.Contains(notes[0].Field, "background"):
			t.Fatalf("notes about known values: %+v", notes)
		}
		d.check(t, f.Caption(""), nil)
		if t.Failed() {
			return
		}
	}
}

// TestShuffledCaptions holds it for the authors' own order of words.
func TestShuffledCaptions(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := draw(r)
		caption, phrases := d.shuffled(r)
		d.check(t, caption, phrases)
		if t.Failed() {
			return
		}
	}
}

func (d drawn) check(t *testing.T, caption string, phrases map[Group]string) {
	t.Helper()
	p := verify(t, caption)
	got := drawn{}
	for _, q := range p.Groups {
		if got[q.Group] == nil {
			got[q.Group] = map[string]string{}
		}
		maps.Copy(got[q.Group], q.Attributes)
		if want, ok := phrases[q.Group]; ok && q.Text != want {
			t.Errorf("the phrase of %s is %q, want %q: %q", q.Group, q.Text, want, caption)
		}
	}
	if len(p.Unassigned) > 0 {
		t.Errorf("unassigned %+v: %q", p.Unassigned, caption)
	}
	for g := range Group(groupCount) {
		want, have := d[g], got[g]
		if (want == nil) != (have == nil) {
			t.Errorf("%s is there: %t, want %t: %q", g, have != nil, want != nil, caption)
			continue
		}
		for k, v := range want {
			if k == "type" && groupTable[g].fixed && sameNoun(v, groupTable[g].noun) {
				continue
			}
			if v == "graphic" && k == "pattern" && have["graphic"] == v {
				continue // of the two attributes that have this value the nearer one
			}
			if !sameValue(have[k], v) {
				t.Errorf("%s of %s is %q, want %q: %q", k, g, have[k], v, caption)
			}
		}
		for k, v := range have {
			if want[k] == "" && k != "type" && k != "gender" && !(k == "graphic" && want["pattern"] == v) {
				t.Errorf("%s has %s %q, which nobody gave: %q", g, k, v, caption)
			}
		}
	}
}

func TestCaption(t *testing.T) {
	for _, c := range []struct{ body, outfit, text, want string }{
		{`{"shot":"full_body","country":"Asian","age":"adult","gender":"female","shape":"fit","background":"small road with trees","hair":{"style":"straight","color":"red","length":"above chest"}}`,
			`{"top":{"type":"shirt","color":"white","material":"cotton","sleeve_length":"long sleeve"},"bottom":"short plaid skirt","socks":"socks","shoes":{"type":"oxford shoes","color":"black","material":"leather"},"bag":{"type":"backpack","material":"cotton"}}`, " at dusk ",
			"a full-body shot, an Asian adult female, fit, small road with trees, above chest straight red hair, long sleeve white cotton shirt, short plaid skirt, black leather oxford shoes, cotton backpack, socks, at dusk"},
		{`{"gender":"male"}`, `null`, "", "a male"},
		{`{"age":"elderly"}`, ``, "", "an elderly person"},
		{`{"hair":"long red"}`, ``, "", "long red hair"},
		{`{"hair":"a blonde ponytail"}`, ``, "", "a blonde ponytail"},
		{`{"hair":{"style":"bald"}}`, ``, "", "bald hair"},
		{``, `{"belt":"brown leather","tie":{"type":"bow tie","color":["white","blue"]}}`, "x", "brown leather belt, white and blue bow tie, x"},
		{``, `{"shoes":{"type":"boots","boots_length":"ankle boots","color":"black"}}`, "", "black ankle boots"},
		{``, `{"top":{"Length":"x"}}`, "", "outfit.top.Length is unknown; did you mean length?"},
		{``, `{"top":{"sleeve length":"sleeveless","length":"normal"}}`, "", "normal sleeveless top"},
		{`{"shot":"Full-body shot"}`, ``, "", "a full-body shot"},
		{`{"shot":"from behind"}`, ``, "", "from behind"},
		{``, `{"style":"casual","one_piece":{"color":null}}`, "", "casual"},
		{``, ``, "only text", "only text"},
	} {
		r, err := Compose(json.RawMessage(c.body), json.RawMessage(c.outfit), c.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = r.Caption
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.body, c.outfit, got, c.want)
		}
	}
}
