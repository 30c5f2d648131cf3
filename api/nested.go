package api

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxNesting is how deep body and outfit go: outfit[top][color].
const maxNesting = 2

// outermost is the name of the field that a part such as body[hair][color] belongs to.
func outermost(name string) string {
	if field, _, is := strings.Cut(name, "["); is && (field == "body" || field == "outfit" || field == "lora") {
		return field
	}
	return name
}

// ofList reports whether a part is one element of a list: body[age][], lora[][name].
func ofList(name string) bool {
	return outermost(name) != name && (strings.HasSuffix(name, "][]") || strings.HasPrefix(name, "lora[]["))
}

// nested gathers parts such as body[age], body[hair][color], body[age][] and lora[][name]
// into the objects that they are of: OpenAI's libraries write objects into forms in this way.
func nested(members []member) ([]member, error) {
	var out []member
	objects := map[string]map[string]any{}
	var loras formLoRAs
	for _, m := range members {
		field := outermost(m.name)
		if field == m.name {
			out = append(out, m)
			continue
		}
		if field == "lora" {
			if err := loras.add(m); err != nil {
				return nil, err
			}
			continue
		}
		inside := m.name[len(field)+1:]
		if ofList(m.name) {
			inside = strings.TrimSuffix(inside, "[]")
		}
		path := strings.Split(strings.TrimSuffix(inside, "]"), "][")
		if !strings.HasSuffix(m.name, "]") || len(path) > maxNesting || slices.Contains(path, "") || strings.ContainsAny(strings.Join(path, ""), "[]") {
			return nil, invalid(shortened(m.name), "the field %.60q cannot be read, expected %s[name] or %s[name][attribute]", m.name, field, field)
		}
		text, err := plainText(shortened(m.name), m.value)
		if err != nil {
			return nil, err
		}
		at := objects[field]
		if at == nil {
			at = map[string]any{}
			objects[field] = at
		}
		for _, key := range path[:len(path)-1] {
			inner, is := at[key].(map[string]any)
			if !is && at[key] != nil {
				return nil, invalid(shortened(m.name), "%s[%s] is both text and an object", field, shortened(key))
			}
			if !is {
				inner = map[string]any{}
				at[key] = inner
			}
			at = inner
		}
		last := path[len(path)-1]
		list, is := at[last].([]any)
		switch {
		case at[last] != nil && (!is || !ofList(m.name)):
			return nil, invalid(shortened(m.name), "the field %.60q is given twice", m.name)
		case ofList(m.name):
			at[last] = append(list, text)
		default:
			at[last] = text
		}
	}
	if list, err := loras.member(); err != nil {
		return nil, err
	} else if list != nil {
		if slices.ContainsFunc(out, func(m member) bool { return m.name == "lora" }) {
			return nil, invalid("lora", "lora and lora[...] are both given")
		}
		out = append(out, *list)
	}
	for _, field := range []string{"body", "outfit"} {
		if objects[field] == nil {
			continue
		}
		for _, m := range out {
			if m.name == field {
				return nil, invalid(field, "%s and %s[...] are both given", field, field)
			}
		}
		raw, err := json.Marshal(objects[field])
		if err != nil {
			return nil, err
		}
		out = append(out, member{field, value{raw: raw, form: true}})
	}
	return out, nil
}
