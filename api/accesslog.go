package api

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// statusGone is nginx's number for a client that went before it was answered. Nobody
// reads it but the log and the metrics.
const statusGone = 499

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}

// logged writes a line for every request once it is answered: of what clients choose
// there is nothing in it but the method and a sane ID, so no prompt, key, query or name
// of an image. What probes ask all the time, and the page's many files, are for those who debug.
func (s *server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begun := time.Now()
		defer func() { s.logRequest(c, time.Since(begun)) }() // of one that is cut off too
		if err := next(c); err != nil {
			c.Error(err) // now, so that the status is known
		}
		w := c.Response()
		if !w.Committed && c.Request().Context().Err() != nil {
			w.Status = statusGone
		}
		return nil
	}
}

func (s *server) logRequest(c echo.Context, took time.Duration) {
	r, w := c.Request(), c.Response()
	method, route, level := r.Method, s.route(c), slog.LevelInfo
	if !slices.Contains(methods, method) {
		method = "other"
	}
	switch route {
	case "/healthz", "/readyz", "/metrics", assetRoute:
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("route", route), slog.Int("status", w.Status),
		slog.Int64("bytes", w.Size), slog.Duration("took", took.Round(time.Microsecond)),
	}
	if name := tenant(c); name != "" {
		attrs = append(attrs, slog.String("tenant", name))
	}
	if id, ok := c.Get(jobKey).(job.ID); ok {
		attrs = append(attrs, slog.String("job", string(id)))
	}
	s.log(r.Context()).LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// route is the pattern that a request matched, "" for none: then the client has chosen
// what the context says.
func (s *server) route(c echo.Context) string {
	if s.routes[c.Path()] {
		return c.Path()
	}
	return ""
}

// fault logs an error that is this side's.
func (s *server) fault(c echo.Context, what string, err error) {
	s.log(c.Request().Context()).Error(what, "method", c.Request().Method, "route", s.route(c), "error", err)
}
