package prompt

import (
	"bytes"
	"encoding/json"
)

// Request is a prompt that may have structured parts, composed.
type Request struct {
	Caption  string // what is drawn
	Composed bool   // a body or an outfit has made it
	Notes    []Note
}

// Compose makes one caption of a body, an outfit and a text, each of which may be empty. Its
// errors are those of ParseFields.
func Compose(body, outfit json.RawMessage, text string) (*Request, error) {
	f, notes, err := ParseFields(body, outfit)
	if err != nil {
		return nil, err
	}
	if f.Empty() {
		return &Request{Caption: text}, nil
	}
	return &Request{Caption: f.Caption(text), Composed: true, Notes: notes}, nil
}

var requestFields = []string{"prompt", "body", "outfit"}

// ParseRequest reads a JSON object of prompt, body and outfit as strictly as ParseFields reads
// the latter two.
func ParseRequest(data []byte) (*Request, error) {
	members, err := readObject("the request", data, requestFields)
	if err != nil {
		return nil, err
	}
	if members == nil && !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, faultf("the request", "is empty, expected an object of %s", english(requestFields))
	}
	var body, outfit json.RawMessage
	text := ""
	for _, m := range members {
		switch m.name {
		case "prompt":
			if string(m.value) == "null" {
				continue
			}
			if !isString(m.value) || json.Unmarshal(m.value, &text) != nil {
				return nil, faultf("prompt", "is %s, expected a string", kindOf(m.value))
			}
		case "body":
			body = m.value
		case "outfit":
			outfit = m.value
		default:
			return nil, unknown(shown(m.name), m.name, requestFields)
		}
	}
	return Compose(body, outfit, text)
}
