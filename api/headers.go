package api

import (
	"net/http"
	"strings"
)

// idempotencyKey reads the header Idempotency-Key; "" means none.
func idempotencyKey(h http.Header) (string, error) {
	const name = "Idempotency-Key"
	values := h.Values(name)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	printable := strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	if len(values) > 1 || key == "" || len(key) > 255 || !printable {
		return "", &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", code: "invalid_idempotency_key",
			message: "the header Idempotency-Key must be given once and hold 1 to 255 printable ASCII characters"}
	}
	return key, nil
}

// prefersAsync reports whether a client would rather be told of a job than wait for
// it: Prefer: respond-async, RFC 7240.
func prefersAsync(h http.Header) bool {
	for _, line := range h.Values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			token, _, _ := strings.Cut(p, ";")
			if strings.EqualFold(strings.TrimSpace(token), "respond-async") {
				return true
			}
		}
	}
	return false
}

// base is what the URLs in answers begin with.
func (s *server) base(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host
}
