package api

import (
	"errors"
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
		defer w.allow() // what the server itself sends at the end
		return next(c)
	}
}

type impatientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// allow gives what is written next its time.
func (w *impatientWriter) allow() { _ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) }

func (w *impatientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write is in pieces, each with its time. Where the connection knows no deadlines,
// as in tests without one, there are none.
func (w *impatientWriter) Write(b []byte) (n int, err error) {
	for {
		w.allow()
		piece := b[n:min(n+pieces, len(b))]
		written, err := w.ResponseWriter.Write(piece)
		n += written
		if err != nil || n >= len(b) {
			return n, err
		}
	}
}

// FlushError sends what was written, in the time of one more piece. Until the next one
// there is no deadline: HTTP/2 would end the answer at it, whether or not anything waits.
func (w *impatientWriter) FlushError() error {
	w.allow()
	err := w.control.Flush()
	if err == nil {
		err = w.control.SetWriteDeadline(time.Time{})
		if errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	return err
}

// Flush is for those that know no errors.
func (w *impatientWriter) Flush() { _ = w.FlushError() }
