package tokenizer

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// maxContext bounds model_max_length: published models have 77.
const maxContext = 1 << 16

// A settings is tokenizer_config.json with what older folders keep in files beside it.
type settings struct {
	values map[string]setting
	listed map[int]tokenValue // added tokens by the id they are listed under
}

// A setting is a value and the file it came from.
type setting struct {
	file  string
	value json.RawMessage
}

func (s setting) given() bool { return s.value != nil && !isNull(s.value) }

func (s *settings) fail(key, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", s.values[key].file, key, fmt.Errorf(format, args...))
}

func readSettings(dir fs.FS, whole *aboutWhole) (*settings, error) {
	s := &settings{values: map[string]setting{}, listed: map[int]tokenValue{}}
	data, err := readFile(dir, configFile)
	if err != nil {
		return nil, err
	}
	members, err := object(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	for _, m := range members {
		s.values[m.key] = setting{configFile, m.value}
	}
	if err := s.refuse(); err != nil {
		return nil, err
	}
	if old, ok := s.values["additional_special_tokens"]; ok && s.emptyExtra() {
		s.values["extra_special_tokens"] = old
	}
	delete(s.values, "additional_special_tokens")

	if list, ok := s.values["added_tokens_decoder"]; ok {
		return s, s.readDecoder(list.value)
	}
	// Only folders without added_tokens_decoder have the rest counted.
	if err := s.readSpecials(dir); err != nil {
		return nil, err
	}
	if err := s.refuse(); err != nil {
		return nil, err
	}
	if err := s.readLegacyAdded(dir); err != nil {
		return nil, err
	}
	return s, s.readWholeAdded(whole)
}

// emptyExtra reports whether extra_special_tokens is missing or has nothing in it.
func (s *settings) emptyExtra() bool {
	extra := s.values["extra_special_tokens"]
	return !extra.given() || string(extra.value) == "[]" || string(extra.value) == "{}"
}

// refuse names a setting that would change the result and is not supported.
func (s *settings) refuse() error {
	if class := s.values["tokenizer_class"]; class.given() {
		if name, ok := text(class.value); !ok || name != "CLIPTokenizer" && name != "CLIPTokenizerFast" {
			return s.fail("tokenizer_class", "%s, expected \"CLIPTokenizer\"", excerpt(class.value))
		}
	}
	for _, key := range []string{"padding_side", "truncation_side"} {
		if side, ok := s.values[key]; ok && string(side.value) != `"right"` {
			return s.fail(key, "%s is not supported, expected \"right\"", excerpt(side.value))
		}
	}
	if split := s.values["split_special_tokens"]; split.given() && string(split.value) != "false" {
		return s.fail("split_special_tokens", "%s is not supported, expected false", excerpt(split.value))
	}
	if inputs := s.values["init_inputs"]; inputs.given() && string(inputs.value) != "[]" {
		return s.fail("init_inputs", "%s is not supported", excerpt(inputs.value))
	}
	if extra := s.values["extra_special_tokens"]; extra.given() && kindOfJSON(extra.value) == "an object" && string(extra.value) != "{}" {
		return s.fail("extra_special_tokens", "an object is not supported, expected a list")
	}
	var keys []string
	for key, v := range s.values {
		kind := kindOfJSON(v.value)
		otherRole := strings.HasSuffix(key, "_token") && (kind == "a string" || kind == "an object") && !slices.Contains(roles, key)
		if otherRole || key == "vocab" || key == "merges" || key == "model_specific_special_tokens" || key == "fast_tokenizer_files" {
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		key := slices.Min(keys)
		return fmt.Errorf("%s: %s: not supported", s.values[key].file, quote(key))
	}
	return nil
}

func (s *settings) readDecoder(list json.RawMessage) error {
	members, err := object(list)
	if err != nil {
		return s.fail("added_tokens_decoder", "%w", err)
	}
	for _, m := range members {
		id, err := strconv.Atoi(m.key)
		if err != nil || id < 0 {
			return s.fail("added_tokens_decoder", "%s: expected an id", quote(m.key))
		}
		if kind := kindOfJSON(m.value); kind != "an object" {
			return s.fail("added_tokens_decoder", "%d: %s, expected an object", id, kind)
		}
		if s.listed[id], err = parseTokenObject(m.value); err != nil {
			return s.fail("added_tokens_decoder", "%d: %w", id, err)
		}
	}
	return nil
}

// readSpecials lets special_tokens_map.json override the config. Its objects are special tokens, whatever they say.
func (s *settings) readSpecials(dir fs.FS) error {
	data, err := readOptional(dir, specialsFile)
	if data == nil {
		return err
	}
	members, err := object(data)
	if err != nil {
		return fmt.Errorf("%s: %w", specialsFile, err)
	}
	for _, m := range members {
		switch m.key {
		case "additional_special_tokens":
			if _, ok := s.values["extra_special_tokens"]; ok {
				continue
			}
			m.key = "extra_special_tokens"
		case "extra_special_tokens":
			var have, more []json.RawMessage
			if json.Unmarshal(orNull(s.values[m.key].value), &have) != nil || json.Unmarshal(m.value, &more) != nil {
				return fmt.Errorf("%s: %s: %s, expected a list", specialsFile, m.key, kindOfJSON(m.value))
			}
			if m.value, err = json.Marshal(append(have, more...)); err != nil {
				return fmt.Errorf("%s: %s: %w", specialsFile, m.key, err)
			}
		}
		s.values[m.key] = setting{specialsFile, m.value}
	}
	return nil
}

// readLegacyAdded reads added_tokens.json, an object of content -> id.
func (s *settings) readLegacyAdded(dir fs.FS) error {
	data, err := readOptional(dir, addedFile)
	if data == nil {
		return err
	}
	members, err := object(data)
	if err != nil {
		return fmt.Errorf("%s: %w", addedFile, err)
	}
	special := map[string]bool{}
	for _, role := range roles {
		t, ok, err := s.role(role)
		if err != nil {
			return err
		}
		special[t.content] = ok
	}
	extra, err := s.extra()
	if err != nil {
		return err
	}
	for _, t := range extra {
		special[t.content] = true
	}
	for _, m := range members {
		id, err := strconv.Atoi(string(m.value))
		if err != nil || id < 0 {
			return fmt.Errorf("%s: %s: %s, expected an id", addedFile, quote(m.key), excerpt(m.value))
		}
		normalized := !special[m.key]
		t := tokenValue{content: m.key, normalized: &normalized, special: special[m.key]}
		if err := t.check(); err != nil {
			return fmt.Errorf("%s: %s: %w", addedFile, quote(m.key), err)
		}
		s.listed[id] = t
	}
	return nil
}

func (s *settings) readWholeAdded(whole *aboutWhole) error {
	if whole == nil {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(orNull(whole.added), &list); err != nil || list == nil {
		return fmt.Errorf("%s: added_tokens: expected a list", wholeFile)
	}
	for i, value := range list {
		about, err := fields(value)
		if err != nil {
			return fmt.Errorf("%s: added_tokens[%d]: %w", wholeFile, i, err)
		}
		id, err := strconv.Atoi(string(about["id"]))
		if err != nil || id < 0 {
			return fmt.Errorf("%s: added_tokens[%d]: id: %s, expected an id", wholeFile, i, excerpt(about["id"]))
		}
		if s.listed[id], err = parseTokenObject(value); err != nil {
			return fmt.Errorf("%s: added_tokens[%d]: %w", wholeFile, i, err)
		}
	}
	return nil
}

func (s *settings) maxLength() (int, error) {
	const expected = "expected how many ids the text encoder takes (77)"
	key := "model_max_length"
	if _, ok := s.values[key]; !ok {
		if _, ok := s.values["max_len"]; !ok {
			return 0, fmt.Errorf("%s: %s: missing, %s", configFile, key, expected)
		}
		key = "max_len"
	}
	n, err := strconv.Atoi(string(s.values[key].value))
	if err != nil || n < 2 || n > maxContext {
		return 0, s.fail(key, "%s, %s", excerpt(s.values[key].value), expected)
	}
	return n, nil
}
