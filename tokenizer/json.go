package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A member is one key of a JSON object with its value.
type member struct {
	key   string
	value json.RawMessage
}

// object reads a JSON object as its members in their order. It is stricter than encoding/json: keys are exact, none comes twice, nothing
// follows, and the text is UTF-8.
func object(data []byte) ([]member, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := openObject(d, data); err != nil {
		return nil, err
	}
	var out []member
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		m := member{key: key.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s: %w", quote(m.key), notJSON(err))
		}
		if seen[m.key] {
			return nil, fmt.Errorf("%s: comes twice", quote(m.key))
		}
		seen[m.key] = true
		out = append(out, m)
	}
	return out, closeObject(d, data)
}

var errNotUTF8 = errors.New("not valid UTF-8")

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not JSON: it ends too early")
	}
	return fmt.Errorf("not JSON: %w", err)
}

func openObject(d *json.Decoder, data []byte) error {
	open, err := d.Token()
	if err != nil {
		return notJSON(err)
	}
	if open != json.Delim('{') {
		return fmt.Errorf("%s, expected an object", kindOfJSON(data))
	}
	return nil
}

func closeObject(d *json.Decoder, data []byte) error {
	if _, err := d.Token(); err != nil {
		return notJSON(err)
	}
	if rest := bytes.TrimSpace(data[d.InputOffset():]); len(rest) > 0 {
		return errors.New("not JSON: text behind the object")
	}
	return nil
}

// fields reads a JSON object as a map.
func fields(data []byte) (map[string]json.RawMessage, error) {
	members, err := object(data)
	if err != nil {
		return nil, err
	}
	m := make(map[string]json.RawMessage, len(members))
	for _, f := range members {
		m[f.key] = f.value
	}
	return m, nil
}

// text reads a JSON string.
func text(value json.RawMessage) (string, bool) {
	var s string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return "", false
	}
	return s, true
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// kindOfJSON names what a JSON value is, for messages.
func kindOfJSON(value []byte) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "nothing"
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// excerpt shows a JSON value in a message, cut short.
func excerpt(value json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return kindOfJSON(value)
	}
	return shorten(b.String())
}

// quote shows text from a file in a message, on one line and cut short.
func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}
