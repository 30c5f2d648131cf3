package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody is for bodies without pictures: both prompts at their longest fit in, even
// with every character escaped.
const maxBody = 1 << 20

// drainFor is how long a client that is refused may go on sending.
const drainFor = 20 * time.Second

// readJSON reads a body strictly: JSON, UTF-8, one object of at most limit bytes,
// each field once. The fields are in the order in which they were given.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]member, error) {
	if mediaType(r) != "application/json" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "the Content-Type must be application/json"}
	}
	if err := plainEncoding(r); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, invalid("", "the body could not be read")
	case !utf8.Valid(body):
		return nil, invalid("", "the body is not UTF-8")
	}
	return object(body)
}

// drain reads the rest of a body that is refused, up to the longest that is read from
// anybody: clients write it to its end before they read an answer, and would be told
// of a broken connection instead. Who waits for a word to go on is not given it.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainFor)) // the server sets its own for the next request
	_, _ = io.CopyN(io.Discard, r.Body, maxForm)
}

// mediaType is the Content-Type without its parameters, "" for one that is none.
func mediaType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || len(r.Header.Values("Content-Type")) > 1 {
		return ""
	}
	return kind
}

// plainEncoding refuses what grows when it is read.
func plainEncoding(r *http.Request) error {
	for _, enc := range r.Header.Values("Content-Encoding") {
		if enc != "" && !strings.EqualFold(enc, "identity") {
			return &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "a Content-Encoding is not accepted"}
		}
	}
	return nil
}

// object splits a JSON object into its fields and refuses duplicates and
// anything after it.
func object(body []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	bad := func() error { return invalid("", "the body must be one JSON object") }
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad()
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, bad()
		}
		if seen[name] {
			return nil, invalid(shortened(name), "the field %.60q is given twice", name)
		}
		seen[name] = true
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, bad()
		}
		members = append(members, member{name, value{raw: raw}})
	}
	if _, err := d.Token(); err != nil {
		return nil, bad()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad()
	}
	return members, nil
}

// shortened is the beginning of a name that a client made up.
func shortened(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}
