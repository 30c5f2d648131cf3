package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// beatEvery is how often a stream with nothing to tell sends a comment, so that
// nobody between here and the client takes it for dead.
const beatEvery = 15 * time.Second

// errUnread is why a stream ends whose client has gone, or does not read.
var errUnread = errors.New("the client does not read")

// eventStream is an answer of server-sent events. A client that does not read is given
// up by the writer below it, see impatient: then every method answers errUnread. It
// belongs to one goroutine.
type eventStream struct {
	w *echo.Response
}

// events begins an answer of server-sent events; from here on errors are events too.
func events(c echo.Context) *eventStream {
	w := c.Response()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	return &eventStream{w}
}

// send writes one event, whose data is v as JSON, and sends it.
func (e *eventStream) send(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, data))
}

// sendLast is send with an id, which a client that comes again tells as Last-Event-ID.
// write writes the text; after an event that it has not finished there is no other.
func (e *eventStream) sendLast(id uint64, name string, v any, write func(io.Writer, []byte) error) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.sent(write(e.w, fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, name, data)))
}

// beat sends a comment.
func (e *eventStream) beat() error { return e.write([]byte(": keep-alive\n\n")) }

func (e *eventStream) write(b []byte) error {
	_, err := e.w.Write(b)
	return e.sent(err)
}

// sent sends what was written.
func (e *eventStream) sent(err error) error {
	if err == nil {
		err = http.NewResponseController(e.w).Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	return nil
}
