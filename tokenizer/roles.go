package tokenizer

import (
	"encoding/json"
	"maps"
	"slices"
)

// The roles a token can have, in the order in which transformers goes through them.
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// What plays the roles that CLIP needs where the files are silent.
var defaultRoles = map[string]string{"bos_token": startOfText, "eos_token": endOfText, "unk_token": endOfText, "pad_token": endOfText}

// role returns the token that the files give a role, and whether they give one.
func (s *settings) role(name string) (tokenValue, bool, error) {
	v, ok := s.values[name]
	if !ok {
		return tokenValue{}, false, nil
	}
	if isNull(v.value) {
		if _, needed := defaultRoles[name]; needed {
			return tokenValue{}, false, s.fail(name, "null, expected a token")
		}
		return tokenValue{}, false, nil
	}
	t, err := parseToken(v.value)
	if err != nil {
		return t, false, s.fail(name, "%w", err)
	}
	t.special = t.special || v.file == specialsFile && !t.plain
	return t, true, nil
}

// extra returns the special tokens without a role.
func (s *settings) extra() ([]tokenValue, error) {
	const key = "extra_special_tokens"
	if !s.values[key].given() || s.emptyExtra() {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(s.values[key].value, &list); err != nil {
		return nil, s.fail(key, "%s, expected a list", kindOfJSON(s.values[key].value))
	}
	var out []tokenValue
	for i, v := range list {
		t, err := parseToken(v)
		if err != nil {
			return nil, s.fail(key, "[%d]: %w", i, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// resolve brings the tokens into the order and gives them the flags that they have in transformers. The listed added tokens come first, by
// id. Then follows each role's token that is not listed, as the string or the object that the file has: a string makes a token that
// matches the text as it is. If the same content comes twice, as with the padding token that is also the end token, the later flags hold.
func (s *settings) resolve() (specials, []addedToken, error) {
	byContent, list := map[string]tokenValue{}, []tokenValue{}
	for _, id := range slices.Sorted(maps.Keys(s.listed)) {
		byContent[s.listed[id].content] = s.listed[id]
		list = append(list, s.listed[id])
	}

	names, named := map[string]string{}, map[string]bool{}
	var want []tokenValue
	for _, role := range roles {
		t, given, err := s.role(role)
		if err != nil {
			return specials{}, nil, err
		}
		if listed, ok := byContent[t.content]; given && ok {
			t = listed
		}
		if fallback, needed := defaultRoles[role]; !given && needed {
			t = tokenValue{content: fallback, plain: true}
		} else if !given {
			continue
		}
		names[role] = t.content
		named[t.content] = true
		want = append(want, t)
	}
	extra, err := s.extra()
	if err != nil {
		return specials{}, nil, err
	}
	for _, t := range append(want, extra...) {
		if _, listed := byContent[t.content]; !listed && !slices.ContainsFunc(list, t.same) {
			list = append(list, t)
		}
	}

	added := make([]addedToken, len(list))
	for i, t := range list {
		t.special = t.special || t.plain || named[t.content]
		added[i] = t.added()
	}
	return specials{begin: names["bos_token"], end: names["eos_token"], unknown: names["unk_token"], pad: names["pad_token"]}, added, nil
}
