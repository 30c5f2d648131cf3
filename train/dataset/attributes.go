package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cosmicman/prompt"
)

// described is what is known of one group: what stands before the noun, in the
// captions' order, and the noun, either of which may be absent.
type described struct {
	adjectives []string
	noun       string
}

// maxJSON bounds what one image's attributes take, in bytes.
const maxJSON = 1 << 16

// parseAttributes reads CosmicMan-HQ's aa_text: a list with, for each group, null or an
// object of attributes. A value is a string, a list of them, a number or null. A group
// of which nothing is said is nil.
func parseAttributes(text string) (out [groups]*described, err error) {
	if len(text) > maxJSON {
		return out, fmt.Errorf("aa_text has %d bytes, expected at most %d", len(text), maxJSON)
	}
	var list []map[string]any
	if err := decodeJSON(text, &list); err != nil {
		return out, fmt.Errorf("aa_text is no list of null and objects: %w", err)
	}
	if len(list) > int(groups) {
		return out, fmt.Errorf("aa_text has %d groups, expected at most %d", len(list), groups)
	}
	for i, attributes := range list {
		g := prompt.Group(i)
		values := map[string][]string{}
		// Two spellings of one name come in the same order every time.
		for _, key := range sortedKeys(attributes) {
			all, err := valuesOf(attributes[key])
			if err != nil {
				return out, fmt.Errorf("aa_text: group %d (%s): %q: %w", i, g, key, err)
			}
			values[canonical(g, key)] = append(values[canonical(g, key)], all...)
		}
		out[i] = describe(g, values)
	}
	return out, nil
}

// parseLabels reads aa_ids: a list with, for each group, null or a list of labels.
func (t *LabelTable) parseLabels(text string) (out [groups][]uint8, err error) {
	if text == "" {
		return out, nil
	}
	if len(text) > maxJSON {
		return out, fmt.Errorf("aa_ids has %d bytes, expected at most %d", len(text), maxJSON)
	}
	var list [][]int
	if err := decodeJSON(text, &list); err != nil {
		return out, fmt.Errorf("aa_ids is no list of null and lists of labels: %w", err)
	}
	if len(list) > int(groups) {
		return out, fmt.Errorf("aa_ids has %d groups, expected at most %d", len(list), groups)
	}
	for i, labels := range list {
		for _, l := range labels {
			if l < 0 || l > 255 || t.find(uint8(l)) == nil {
				return out, fmt.Errorf("aa_ids: group %d (%s) has label %d, which the table (%s) does not have", i, prompt.Group(i), l, t.Name)
			}
			if !slices.Contains(out[i], uint8(l)) {
				out[i] = append(out[i], uint8(l))
			}
		}
	}
	return out, nil
}

// decodeJSON reads one value and nothing behind it.
func decodeJSON(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more follows at byte %d", d.InputOffset())
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

func valuesOf(value any) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		if v = strings.Join(strings.Fields(v), " "); v == "" {
			return nil, nil
		}
		return []string{v}, nil
	case json.Number:
		return []string{v.String()}, nil
	case []any:
		var out []string
		for _, each := range v {
			if _, list := each.([]any); list {
				return nil, fmt.Errorf("a list in a list, expected strings")
			}
			all, err := valuesOf(each)
			if err != nil {
				return nil, err
			}
			out = append(out, all...)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v is no string", value)
}

// order is, for each group, its attributes as package prompt has them in captions.
var order = func() (out [groups][]string) {
	for _, g := range prompt.Vocabulary().Groups {
		for _, a := range g.Attributes {
			out[g.Index] = append(out[g.Index], a.Name)
		}
	}
	return out
}()

// nouns are of the groups whose captions have no other.
var nouns = map[prompt.Group]string{
	prompt.Hair:      "hair",
	prompt.Belt:      "belt",
	prompt.Scarf:     "scarf",
	prompt.Headband:  "headband",
	prompt.Headscarf: "headscarf",
	prompt.Veil:      "veil",
	prompt.Socks:     "socks",
	prompt.Ties:      "ties",
}

// canonical is package prompt's name for an attribute of aa_text.
func canonical(g prompt.Group, key string) string {
	key = strings.Join(strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "_")
	key = strings.ReplaceAll(key, "colour", "color")
	switch {
	case g == prompt.Hair:
		key = strings.TrimPrefix(key, "hair_")
	case g == prompt.BodyShape && key == "body_shape":
		key = "shape"
	case g == prompt.Style && key == "overall_style":
		key = "style"
	case g == prompt.Top && key == "length":
		key = "top_length"
	case g == prompt.Coat && key == "length":
		key = "coat_length"
	case g == prompt.Shoes && key == "length":
		key = "boots_length"
	}
	return key
}

// describe puts a group's values in order.
func describe(g prompt.Group, values map[string][]string) *described {
	d := &described{noun: nouns[g]}
	nounKey := "type"
	if g == prompt.Face {
		nounKey = "gender"
	}
	said := len(values[nounKey]) > 0
	if said {
		d.noun = strings.Join(values[nounKey], " ")
	}
	add := func(key string) {
		for _, v := range values[key] {
			if said = true; d.noun != "" && g >= prompt.Special {
				v = withoutNoun(v, d.noun)
			}
			if v != "" && !slices.Contains(d.adjectives, v) {
				d.adjectives = append(d.adjectives, v)
			}
		}
		delete(values, key)
	}
	delete(values, nounKey)
	for _, key := range order[g] {
		add(key)
	}
	for _, key := range sortedKeys(values) {
		add(key)
	}
	if !said {
		return nil
	}
	return d
}

// withoutNoun takes a noun off a value that ends with it: "ankle boots" before "boots".
func withoutNoun(value, noun string) string {
	if strings.EqualFold(value, noun) {
		return ""
	}
	if head := len(value) - len(noun); head > 0 && value[head-1] == ' ' && strings.EqualFold(value[head:], noun) {
		return strings.TrimSpace(value[:head])
	}
	return value
}

// shots are the captions' phrases for person_type.
var shots = map[string]string{
	"full_body":        "a full-body shot",
	"nearly_full_body": "a nearly full-body shot",
	"upper_body":       "a upper body shot",
	"portrait":         "a close up portrait shot",
	"headshot":         "a headshot",
}

// shotPhrase is the phrase for a person_type; "" if it is no shot.
func shotPhrase(kind string) string {
	key := strings.Join(strings.FieldsFunc(strings.ToLower(kind), func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "_")
	if key == "head_shot" {
		key = "headshot"
	}
	return shots[key]
}
