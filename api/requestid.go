package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
)

const requestIDHeader = "X-Request-Id"

// saneID is what a client may call its request: it stands in answers and log lines.
var saneID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

type requestIDKey struct{}

// identified gives every request an ID, the client's where it has a sane one, and tells
// it in the answer. Log lines that the request causes carry it.
func (s *server) identified(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		id := requestID(r.Header)
		c.Response().Header().Set(requestIDHeader, id)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
		return next(c)
	}
}

func requestID(h http.Header) string {
	if given := h.Values(requestIDHeader); len(given) == 1 && saneID.MatchString(given[0]) {
		return given[0]
	}
	return "req_" + strings.ToLower(rand.Text())
}

// log is for what a request causes.
func (s *server) log(ctx context.Context) *slog.Logger {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		return s.Log.With("request", id)
	}
	return s.Log
}
