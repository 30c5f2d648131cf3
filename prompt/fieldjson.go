package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"cosmicman/internal/spelling"
)

// member is one field of an object, as it was given.
type member struct {
	name  string
	value json.RawMessage
}

// maxFields bounds the size of a body or an outfit.
const maxFields = 64 << 10

// readObject splits a JSON object into its members and refuses duplicates. nil and null have none.
func readObject(at string, data json.RawMessage, names []string) ([]member, error) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		return nil, nil
	case len(data) > maxFields:
		return nil, faultf(at, "has %d bytes, expected at most %d", len(data), maxFields)
	case !utf8.Valid(data):
		return nil, faultf(at, "is not UTF-8")
	case data[0] != '{':
		return nil, faultf(at, "is %s, expected an object of %s", kindOf(data), english(names))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	bad := func() ([]member, error) { return nil, faultf(at, "is not a JSON object") }
	if _, err := d.Token(); err != nil {
		return bad()
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return bad()
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return bad()
		}
		if seen[name] {
			return nil, faultf(at+"."+shown(name), "is given twice")
		}
		seen[name] = true
		members = append(members, member{name, raw})
	}
	if _, err := d.Token(); err != nil {
		return bad()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad()
	}
	return members, nil
}

func isObject(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte("{")) }
func isString(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte(`"`)) }

// kindOf says what a JSON value is.
func kindOf(value json.RawMessage) string {
	if len(value) == 0 {
		return "empty"
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a flag"
	case 'n':
		return "null"
	}
	return "a number"
}

// shown is the beginning of what a client made up, on one line.
func shown(name string) string {
	const most = 60
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, name)
}

// nearest is the name that is spelled most like another, "" if none is like it.
func nearest(name string, names []string) string {
	name = strings.ToLower(shown(name))
	best, distance := "", max(2, len(name)/3)+1
	for _, n := range names {
		d := spelling.Distance(name, n)
		if strings.HasPrefix(n, name) && len(name) >= 3 || strings.HasPrefix(name, n) && len(n) >= 3 {
			d = min(d, 2)
		}
		if d < distance && d < max(len(name), len(n)) {
			best, distance = n, d
		}
	}
	return best
}
