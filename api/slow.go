package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// writeFor is how long a client may take to read a piece of an answer. The server
// has no time-out for whole answers: images are large, and streams last.
const (
	writeFor = 30 * time.Second
	pieces   = 64 << 10
)

// impatient gives up on clients that stop reading, so that they cannot keep an answer,
// or whoever makes it, for longer than a piece of it takes.
func (s *server) impatient(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		w := &impatientWriter{ResponseWriter: c.Response().Writer, patience: s.patience}
		w.control = http.NewResponseController(w.ResponseWriter)
		// What is left of the last answer on this connection must not end this one.
		_ = w.control.SetWriteDeadline(time.Time{})
		c.Response().Writer = w
		return next(c)
	}
}

type impatientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (w *impatientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write is in pieces, each with its time. Where the connection knows no deadlines,
// as in tests without one, there are none.
func (w *impatientWriter) Write(b []byte) (n int, err error) {
	for {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
		piece := b[n:min(n+pieces, len(b))]
		written, err := w.ResponseWriter.Write(piece)
		n += written
		if err != nil || n >= len(b) {
			return n, err
		}
	}
}

// FlushError sends what was written, in the time of one more piece.
func (w *impatientWriter) FlushError() error {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
	return w.control.Flush()
}

// Flush is for those that know no errors.
func (w *impatientWriter) Flush() { _ = w.FlushError() }
