package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// jobEvent is what a stream of a job tells: the whole object each time, so that an
// event that was missed does not matter.
type jobEvent struct {
	Type string `json:"type"` // the event's name
	*jobObject
	Preview *preview `json:"preview,omitempty"`
}

// preview is what an unfinished image looks like.
type preview struct {
	ImageIndex int             `json:"image_index"`
	Kind       job.PreviewKind `json:"kind"`  // sketch: small; partial: in the image's size
	Index      int             `json:"index"` // of its kind, from 0 on
	MediaType  string          `json:"media_type"`
	B64JSON    []byte          `json:"b64_json" format:"base64"`
}

// jobEvents tells a job's present state and then what changes, until it has ended:
// queued, progress, preview, and at the end completed, failed, cancelled or expired.
// The last has an id; a client that tells it when it comes again is answered 204,
// which ends the reconnecting of browsers. Whoever reads here
// watches beside those that wait, so that its leaving ends no job.
//
//	@Summary	Follow a job
//	@Description	Server-sent events queued, progress, preview, and at the end completed, failed, cancelled or expired; each holds the whole job.
//	@Tags	jobs
//	@Produce text/event-stream
//	@Param id path string true "of the job"
//	@Param Last-Event-ID header string false "of the last event that was read"
//	@Success 200 {object} jobEvent "events"
//	@Success 204 {string} string "the job's end was told already"
//	@Failure 401,403,404,429,500,503 {object} errorAnswer "there is none"
//	@Router	/v1/jobs/{id}/events [get]
func (s *server) jobEvents(c echo.Context) error {
	st, err := s.job(c)
	if err != nil {
		return err
	}
	if st.State.Terminal() && c.Request().Header.Get("Last-Event-ID") == strconv.FormatUint(st.Revision, 10) {
		return c.NoContent(http.StatusNoContent)
	}
	// See open.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	ctx, cancel := s.waiting(c.Request().Context())
	defer cancel()
	var updates <-chan job.Update
	err = bridged(ctx, func() (err error) {
		updates, err = s.Queue.Watch(ctx, st.ID, newWatcher())
		return err
	})
	if err != nil {
		return because(ctx, unknown(err))
	}
	out := events(c)
	err = s.follow(ctx, out, st, updates)
	if err != nil && !errors.Is(err, errUnread) && c.Request().Context().Err() == nil {
		s.streamFailed(c, out, err)
	}
	cancel()
	for range updates { // never mind what may still come
	}
	return nil
}

// follow tells updates until there are no more.
func (s *server) follow(ctx context.Context, out *eventStream, last job.Status, updates <-chan job.Update) error {
	beat := time.NewTicker(s.beat)
	defer beat.Stop()
	for {
		select {
		case u, more := <-updates:
			if !more {
				if last.State.Terminal() {
					return nil
				}
				return outcome(ctx, last)
			}
			last = u.Status
			if last.Error != nil && !last.State.Terminal() {
				return unknown(last.Error)
			}
			if err := s.tell(ctx, out, u); err != nil {
				return err
			}
		case <-beat.C:
			if err := out.beat(); err != nil {
				return err
			}
		}
	}
}

func (s *server) tell(ctx context.Context, out *eventStream, u job.Update) error {
	o, err := s.object(ctx, u.Status)
	if err != nil {
		return err
	}
	e := jobEvent{Type: string(o.Status), jobObject: o}
	switch p := u.Preview; {
	case u.Status.State.Terminal():
		s.settled(ctx, u.Status)
		return out.sendLast(u.Status.Revision, e.Type, e, func(w io.Writer, text []byte) error { return o.files().write(ctx, s, w, text) })
	case p != nil:
		e.Type, e.Preview = "preview", &preview{p.Image, p.Kind, p.Index, p.Type, p.Data}
	case o.Status == job.InProgress:
		e.Type = "progress"
	}
	return out.send(e.Type, e)
}
