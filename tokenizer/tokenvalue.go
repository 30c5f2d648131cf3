package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxContent bounds an added token, in bytes.
const maxContent = 512

// A tokenValue is a token as the JSON files give it: a string, or an object with flags.
type tokenValue struct {
	content string
	plain   bool // a string

	normalized              *bool // nil if not said
	lstrip, rstrip, special bool
}

// added resolves the flags: unless the file says otherwise, a special token matches the text as it is and another one the normalized text.
func (t tokenValue) added() addedToken {
	normalized := !t.special
	if t.normalized != nil {
		normalized = *t.normalized
	}
	return addedToken{content: t.content, normalized: normalized, lstrip: t.lstrip, rstrip: t.rstrip, special: t.special}
}

func (t tokenValue) same(u tokenValue) bool {
	return t.plain == u.plain && t.added() == u.added()
}

// parseToken reads a string, or an object with content and flags.
func parseToken(value json.RawMessage) (tokenValue, error) {
	if s, ok := text(value); ok {
		t := tokenValue{content: s, plain: true}
		return t, t.check()
	}
	if kind := kindOfJSON(value); kind != "an object" {
		return tokenValue{}, fmt.Errorf("%s, expected a string or an object with content", kind)
	}
	return parseTokenObject(value)
}

func parseTokenObject(value json.RawMessage) (tokenValue, error) {
	f, err := fields(value)
	if err != nil {
		return tokenValue{}, err
	}
	content, ok := text(f["content"])
	if !ok {
		return tokenValue{}, fmt.Errorf("content: %s, expected a string", kindOfJSON(f["content"]))
	}
	t := tokenValue{content: content}
	var normalized, singleWord bool
	for _, flag := range []struct {
		key string
		to  *bool
	}{{"normalized", &normalized}, {"lstrip", &t.lstrip}, {"rstrip", &t.rstrip}, {"special", &t.special}, {"single_word", &singleWord}} {
		switch value, given := f[flag.key]; {
		case !given:
			continue
		case string(value) == "true":
			*flag.to = true
		case string(value) != "false":
			return t, fmt.Errorf("%s: %s, expected true or false", flag.key, excerpt(value))
		}
		if flag.key == "normalized" {
			t.normalized = &normalized
		}
	}
	if singleWord {
		return t, errors.New("single_word: true is not supported")
	}
	return t, t.check()
}

func (t tokenValue) check() error {
	if t.content == "" {
		return errors.New("an empty token")
	}
	if len(t.content) > maxContent {
		return fmt.Errorf("a token of %d bytes, expected at most %d", len(t.content), maxContent)
	}
	return nil
}
