package prompt

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fields is a body and an outfit that have been read.
type Fields struct {
	Shot   string // a caption's phrase, or ""
	groups [groupCount]*described
}

// described is a group's phrase, or the attributes that it is made of.
type described struct {
	text   string
	values map[string]string // by attribute
}

// Note tells of a value that is taken as it is, though models have not been trained on it.
type Note struct {
	Field   string `json:"field"` // "outfit.top.color"
	Value   string `json:"value"`
	Message string `json:"message"`
}

// FieldError is what is wrong with a body or an outfit.
type FieldError struct {
	Field   string // "outfit.top.colour"
	Message string // names the field and what was expected
}

func (e *FieldError) Error() string { return e.Message }

func faultf(field, format string, args ...any) error {
	return &FieldError{Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
}

// Bounds of what fields may hold.
const (
	maxValue = 500 // characters of a value
	maxList  = 8   // values of a list
)

// bodyFields are the fields of a body, in a caption's order.
var bodyFields = []string{"shot", "country", "age", "gender", "shape", "hair", "background"}

// outfitFields returns the fields of an outfit, in a caption's order.
func outfitFields() (names []string) {
	for g := Special; g < groupCount; g++ {
		names = append(names, groupTable[g].field)
	}
	return names
}

// keyAliases are other names of attributes; a group takes those whose second name is one of its own.
// A space or a hyphen stands for an underscore as well, so that the captions' own names fit.
var keyAliases = map[string][]string{
	"length":         {"top_length", "coat_length", "boots_length"},
	"sleeve":         {"sleeve_length"},
	"sleeves":        {"sleeve_length"},
	"collar":         {"collar_shape"},
	"neckline":       {"collar_shape"},
	"shape":          {"bottom_shape"},
	"shoulder":       {"shoulder_exposure_level"},
	"hair_color":     {"color"},
	"hair_style":     {"style"},
	"hair_length":    {"length"},
	"body_shape":     {"shape"},
	"overall_style":  {"style"},
	"shoulder_level": {"shoulder_exposure_level"},
}

// ParseFields reads a body (shot, country, age, gender, shape, hair, background) and an
// outfit (special, one_piece, top, coat, bottom, shoes, bag, hat, belt, scarf, style,
// headband, headscarf, veil, socks, tie), JSON objects; either may be absent (nil or null).
//
// Hair and each garment is a string or an object of attributes (see [Vocabulary]); a value is
// a string or a list of strings, and null is as if it were not given. Unknown fields and
// attributes, duplicates, and values that are neither are refused by a [*FieldError]. Values
// may be any; for those that models have not been trained on there are notes.
func ParseFields(body, outfit json.RawMessage) (*Fields, []Note, error) {
	r := &fieldReader{fields: &Fields{}}
	if err := r.body(body); err != nil {
		return nil, nil, err
	}
	if err := r.outfit(outfit); err != nil {
		return nil, nil, err
	}
	return r.fields, r.notes, nil
}

type fieldReader struct {
	fields *Fields
	notes  []Note
}

func (r *fieldReader) body(data json.RawMessage) error {
	members, err := readObject("body", data, bodyFields)
	if err != nil {
		return err
	}
	for _, m := range members {
		name, err := resolve("body", m.name, bodyFields)
		if err != nil {
			return err
		}
		at := "body." + name
		switch name {
		case "shot":
			err = r.shot(at, m.value)
		case "country", "age", "gender":
			err = r.attribute(at, Face, name, m.value)
		case "shape":
			err = r.attribute(at, BodyShape, name, m.value)
		case "background":
			err = r.attribute(at, Background, name, m.value)
		case "hair":
			err = r.garment(at, Hair, m.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *fieldReader) outfit(data json.RawMessage) error {
	names := outfitFields()
	members, err := readObject("outfit", data, names)
	if err != nil {
		return err
	}
	for _, m := range members {
		name, err := resolve("outfit", m.name, names)
		if err != nil {
			return err
		}
		g := Special + Group(slices.Index(names, name))
		at := "outfit." + name
		if g == Style && !isObject(m.value) {
			err = r.attribute(at, Style, "style", m.value)
		} else {
			err = r.garment(at, g, m.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shot takes a shot by its name, by what captions say, or by other words.
func (r *fieldReader) shot(at string, value json.RawMessage) error {
	text, err := readValue(at, value)
	if err != nil || text == "" {
		return err
	}
	plain := func(s string) string {
		s = strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(s))
		s = strings.TrimPrefix(strings.TrimPrefix(s, "a "), "an ")
		return strings.TrimSuffix(strings.Join(strings.Fields(s), " "), " shot")
	}
	for _, s := range shots {
		if plain(text) == plain(s.name) || plain(text) == plain(s.phrase) {
			r.fields.Shot = s.phrase
			return nil
		}
	}
	names := make([]string, len(shots))
	for i, s := range shots {
		names[i] = s.name
	}
	r.note(at, text, names)
	r.fields.Shot = text
	return nil
}

// garment reads a group that is a string or an object of attributes.
func (r *fieldReader) garment(at string, g Group, value json.RawMessage) error {
	if !isObject(value) {
		if !isString(value) && string(value) != "null" {
			return faultf(at, "is %s, expected a string or an object of %s", kindOf(value), english(groupTable[g].keys))
		}
		text, err := readValue(at, value)
		if err != nil || text == "" {
			return err
		}
		r.fields.groups[g] = &described{text: withNoun(g, text)}
		return nil
	}
	keys := groupTable[g].keys
	members, err := readObject(at, value, keys)
	switch {
	case err != nil:
		return err
	case len(members) == 0:
		return faultf(at, "has no attributes, expected some of %s, or leave it out", english(keys))
	}
	given := map[string]string{}
	for _, m := range members {
		key, err := resolveKey(at, g, m.name)
		if err != nil {
			return err
		}
		if other, twice := given[key]; twice {
			return faultf(at+"."+shown(m.name), "and %s are two names of one attribute, give one", at+"."+shown(other))
		}
		given[key] = m.name
		if err := r.attribute(at+"."+key, g, key, m.value); err != nil {
			return err
		}
	}
	return nil
}

// attribute reads one attribute's value.
func (r *fieldReader) attribute(at string, g Group, key string, value json.RawMessage) error {
	texts, err := readValues(at, value)
	if err != nil || len(texts) == 0 {
		return err
	}
	if known := knownValues(g, key); known != nil {
		for _, text := range texts {
			if !knowsEach(known, text) {
				r.note(at, text, known)
			}
		}
	}
	text := english(texts)
	if r.fields.groups[g] == nil {
		r.fields.groups[g] = &described{values: map[string]string{}}
	}
	r.fields.groups[g].values[key] = text
	return nil
}

func (r *fieldReader) note(at, value string, known []string) {
	hint := ""
	if near := nearest(value, known); near != "" {
		hint = "; did you mean " + near + "?"
	}
	r.notes = append(r.notes, Note{Field: at, Value: value,
		Message: fmt.Sprintf("%s: %q is not among the values that models are known to have been trained on; it is taken as it is%s", at, shown(value), hint)})
}

// knows compares values as captions do, where hyphens come and go.
func knows(known []string, value string) bool {
	return slices.ContainsFunc(known, func(k string) bool { return sameValue(k, value) })
}

// knowsEach is knows for what may name several values, as captions do.
func knowsEach(known []string, value string) bool {
	if knows(known, value) {
		return true
	}
	values := strings.Split(strings.ReplaceAll(value, " and ", ", "), ", ")
	return len(values) > 1 && !slices.ContainsFunc(values, func(v string) bool { return !knows(known, v) })
}

func sameValue(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", " ")) }
	return plain(a) == plain(b)
}

// resolve finds a field by its name.
func resolve(at, name string, names []string) (string, error) {
	plain := underscored(name)
	if slices.Contains(names, plain) {
		return plain, nil
	}
	return "", unknown(at+"."+shown(name), name, names)
}

// resolveKey finds a group's attribute by one of its names.
func resolveKey(at string, g Group, name string) (string, error) {
	plain := underscored(name)
	if g.has(plain) {
		return plain, nil
	}
	for _, key := range keyAliases[plain] {
		if g.has(key) {
			return key, nil
		}
	}
	names := slices.Clone(groupTable[g].keys)
	for _, alias := range slices.Sorted(maps.Keys(keyAliases)) {
		if slices.ContainsFunc(keyAliases[alias], g.has) {
			names = append(names, alias)
		}
	}
	if near := nearest(name, names); near != "" {
		return "", faultf(at+"."+shown(name), "is unknown; did you mean %s?", near)
	}
	return "", faultf(at+"."+shown(name), "is unknown, expected %s", english(groupTable[g].keys))
}

func underscored(name string) string { return strings.NewReplacer(" ", "_", "-", "_").Replace(name) }

func unknown(at, name string, names []string) error {
	if near := nearest(name, names); near != "" {
		return faultf(at, "is unknown; did you mean %s?", near)
	}
	return faultf(at, "is unknown, expected %s", english(names))
}

// readValue reads a string or a list of strings as one text, "" for null.
func readValue(at string, value json.RawMessage) (string, error) {
	texts, err := readValues(at, value)
	return english(texts), err
}

// readValues reads a string or a list of strings, nothing for null.
func readValues(at string, value json.RawMessage) ([]string, error) {
	var texts []string
	switch {
	case string(value) == "null":
		return nil, nil
	case isString(value):
		texts = make([]string, 1)
		if err := json.Unmarshal(value, &texts[0]); err != nil {
			return nil, faultf(at, "is not a JSON string")
		}
	case value[0] == '[':
		var items []json.RawMessage
		if err := json.Unmarshal(value, &items); err != nil {
			return nil, faultf(at, "is not a JSON list")
		}
		if len(items) == 0 || len(items) > maxList {
			return nil, faultf(at, "has %d values, expected 1 to %d", len(items), maxList)
		}
		for i, item := range items {
			var text string
			if !isString(item) || json.Unmarshal(item, &text) != nil {
				return nil, faultf(fmt.Sprintf("%s[%d]", at, i), "is %s, expected a string", kindOf(item))
			}
			texts = append(texts, text)
		}
	default:
		return nil, faultf(at, "is %s, expected a string or a list of strings", kindOf(value))
	}
	for i, text := range texts {
		texts[i] = strings.Trim(strings.TrimSpace(text), ",")
		texts[i] = strings.TrimSpace(texts[i])
		switch {
		case texts[i] == "":
			return nil, faultf(at, "is empty, expected a value, or leave it out")
		case utf8.RuneCountInString(text) > maxValue:
			return nil, faultf(at, "has %d characters, expected at most %d", utf8.RuneCountInString(text), maxValue)
		case strings.ContainsFunc(text, unicode.IsControl):
			return nil, faultf(at, "has a control character")
		}
	}
	return texts, nil
}

// english joins words as a sentence lists them.
func english(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
