package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody is for bodies without pictures: both prompts at their longest fit in, even
// with every character escaped.
const maxBody = 1 << 20

// A client that is refused may go on sending for drainFor, if it does not pause for
// longer than drainPause.
const (
	drainFor   = time.Minute
	drainPause = 2 * time.Second
)

// readJSON reads a body strictly: JSON, UTF-8, one object of at most limit bytes,
// each field once. The fields are in the order in which they were given. all reads the
// body to its end, in whatever memory may be had.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, all func(io.Reader) ([]byte, error)) ([]member, error) {
	if mediaType(r) != "application/json" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "the Content-Type must be application/json, in UTF-8"}
	}
	if err := plainEncoding(r); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := all(http.MaxBytesReader(w, r.Body, limit))
	var own *apiError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return nil, err
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, invalid("", "the body could not be read")
	case !utf8.Valid(body):
		return nil, invalid("", "the body is not UTF-8")
	}
	return object(body)
}

// drain reads the rest of a body that was refused, up to the longest that is read from
// anybody: clients write it to its end before they read an answer, and would be told
// of a broken connection instead. Who waits for a word to go on is not given it. With
// more to come the connection is closed, lest it be read as the next request.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || r.Header.Get("Expect") != "" {
		return
	}
	control := http.NewResponseController(w)
	end := time.Now().Add(drainFor)
	for left := int64(maxForm); left > 0 && time.Now().Before(end); {
		_ = control.SetReadDeadline(time.Now().Add(drainPause)) // the server sets its own for the next request
		n, err := io.CopyN(io.Discard, r.Body, pieces)
		switch {
		case err == io.EOF:
			return
		case err != nil:
			left = 0
		}
		left -= n
	}
	panic(http.ErrAbortHandler)
}

// mediaType is the Content-Type without its parameters, "" for one that is none, or
// that says of text that it is not UTF-8.
func mediaType(r *http.Request) string {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || len(r.Header.Values("Content-Type")) > 1 || !isUTF8(params) {
		return ""
	}
	return kind
}

// isUTF8 looks at the parameters of a media type.
func isUTF8(params map[string]string) bool {
	charset, given := params["charset"]
	return !given || slices.Contains([]string{"utf-8", "utf8", "us-ascii"}, strings.ToLower(charset))
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
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, invalid("", "the body is empty, expected a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	bad := func() error { return wrongJSON(body, d.InputOffset()) }
	switch t, err := d.Token(); {
	case err != nil:
		return nil, bad()
	case t != json.Delim('{'):
		return nil, invalid("", "the body must be a JSON object, in braces")
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
		return nil, invalid("", "the body must be one JSON object, but something follows it")
	}
	return members, nil
}

// wrongJSON says where a body ceases to be JSON, which is not before its byte at near.
func wrongJSON(body []byte, near int64) error {
	var all json.RawMessage
	err := json.NewDecoder(bytes.NewReader(body)).Decode(&all)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid("", "the body is not JSON: after %d bytes it ends unfinished", len(body))
	}
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		near = wrong.Offset
	}
	return invalid("", "the body is not JSON: it is wrong at byte %d", near)
}

// shortened is the beginning of a name that a client made up.
func shortened(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}
