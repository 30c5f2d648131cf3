package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"image"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// draw makes a checked request a job, and answers with its images, with a stream, or
// with the job alone, as was asked for. in is nil without pictures to begin from.
func (s *server) draw(c echo.Context, r *request, in *inputs) error {
	ctx := c.Request().Context()
	sub, err := s.submission(c, r, in)
	if err != nil {
		s.discard(ctx, in.names()...)
		return err
	}
	switch {
	case sub.Spec.Detached:
		return s.detach(c, sub)
	case *r.Stream:
		return s.stream(c, sub)
	}
	return s.wait(c, sub)
}

// submission is the job, complete: nothing but the queue itself can refuse it.
func (s *server) submission(c echo.Context, r *request, in *inputs) (job.Submission, error) {
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return job.Submission{}, err
	}
	if err := s.open(c); err != nil {
		return job.Submission{}, err
	}
	spec := r.spec()
	m := r.meta(s.base(c.Request()))
	var like image.Point
	if in != nil {
		like = in.apply(&spec)
		m.Uploads = in.names()
	}
	if err := s.Prepare(c.Request().Context(), &spec, like); err != nil {
		return job.Submission{}, err
	}
	// Whoever has a key may come for what is stored already.
	if s.Room != nil && key == "" {
		if err := s.Room(c.Request().Context(), likelyBytes(&spec.Drawing)); err != nil {
			return job.Submission{}, err
		}
	}
	if spec.Meta, err = json.Marshal(m); err != nil {
		return job.Submission{}, err
	}
	spec.Needs, spec.Tenant, spec.Trace = spec.Drawing.Needs(), tenant(c), traceparent(c)
	spec.Detached = prefersAsync(c.Request().Header)
	// Whoever can come back for the job may look at it meanwhile.
	spec.Drawing.Sketches = key != "" || spec.Detached
	sub := job.Submission{ID: job.NewID(), Spec: spec, Key: key}
	if key != "" {
		sub.Digest = r.digest()
	}
	if !spec.Detached {
		sub.Watcher = newWatcher()
	}
	return sub, nil
}

// likelyBytes is about what the file of an image takes: two bytes a pixel as a PNG.
func likelyBytes(d *job.Drawing) int64 {
	pixels := int64(d.Width) * int64(d.Height)
	if d.Format != "" {
		return pixels/2 + 1<<10
	}
	return 2*pixels + 1<<10
}

// detach answers with the job, for which nobody waits.
func (s *server) detach(c echo.Context, sub job.Submission) error {
	st, err := s.accept(c.Request().Context(), sub)
	if err != nil {
		return err
	}
	lasts(c, sub, st)
	return s.accepted(c, st)
}

// open refuses where nothing can be drawn any more, or ever.
func (s *server) open(c echo.Context) error {
	// The server's time-out for reading a request is over with its body; left on, it
	// would be taken for the client's leaving. Unsupported is as good as off.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	switch {
	case s.Queue == nil:
		return errNoModel
	case s.Stopping.Err() != nil:
		return errStopping
	}
	return nil
}

// newWatcher names one who watches a job, among all processes.
func newWatcher() string { return "http_" + strings.ToLower(rand.Text()) }

// wait answers with the images.
func (s *server) wait(c echo.Context, sub job.Submission) error {
	ctx, cancel := s.waiting(c.Request().Context())
	defer cancel()
	last, updates, err := s.submit(ctx, sub)
	if err != nil {
		return err
	}
	concerns(c, last)
	defer func() { lasts(c, sub, last) }()
	for u := range updates {
		last = u.Status
	}
	s.settle(ctx, sub, last)
	if err := outcome(ctx, last); err != nil {
		return err
	}
	out, err := s.response(ctx, last)
	if err != nil {
		return err
	}
	return s.answer(c, http.StatusOK, out, &out.files)
}

// waiting is a request's context while it waits for its job; it ends too when the
// server lets go. Its end is the watcher's leaving.
func (s *server) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	released := context.AfterFunc(s.Stopped, func() { cancel(errStopping) })
	return ctx, func() {
		released()
		cancel(nil)
	}
}

// submit has a job accepted and watches it until ctx ends. With a key that was used
// before, the job is the one that was accepted then.
func (s *server) submit(ctx context.Context, sub job.Submission) (job.Status, <-chan job.Update, error) {
	accepted, err := s.accept(ctx, sub)
	if err != nil {
		return job.Status{}, nil, err
	}
	var updates <-chan job.Update
	err = bridged(ctx, func() (err error) {
		updates, err = s.Queue.Watch(ctx, accepted.ID, sub.Watcher)
		return err
	})
	if err != nil {
		s.abandon(ctx, sub)
		return job.Status{}, nil, because(ctx, err)
	}
	return accepted, updates, nil
}

// accept is the queue's Submit. Pictures of a job that was not accepted, or that is
// there already with its own, are removed.
func (s *server) accept(ctx context.Context, sub job.Submission) (job.Status, error) {
	accepted, err := s.Queue.Submit(ctx, sub)
	if err != nil {
		s.abandon(ctx, sub)
		switch job.KindOf(err) {
		case job.Conflict, job.Overloaded, job.Invalid, job.NoModel: // it was not accepted for sure
			s.discard(ctx, uploadsOf(&sub.Spec)...)
		}
		return job.Status{}, because(ctx, err)
	}
	if accepted.ID != sub.ID {
		s.discard(ctx, uploadsOf(&sub.Spec)...)
	}
	return accepted, nil
}

// outcome is why a job has no images.
func outcome(ctx context.Context, last job.Status) error {
	switch {
	case last.State == job.Completed:
		return nil
	case last.Error != nil:
		return last.Error
	case last.State == job.Cancelled && ctx.Err() == nil:
		return job.Errorf(job.Withdrawn, "the job was cancelled")
	case last.State == job.Expired:
		return job.Errorf(job.PastDue, "the job's deadline passed before it was started")
	}
	return because(ctx, job.Errorf(job.Unavailable, "the queue was closed while the job waited"))
}

// bridged makes a call for a job that is accepted again while the store cannot be
// reached, for ten seconds: a store that is started anew costs nobody an answer.
func bridged(ctx context.Context, call func() error) error {
	for end := time.Now().Add(10 * time.Second); ; {
		err := call()
		if job.KindOf(err) != job.Unavailable || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// because is why a wait ended: that the server stops, that the client has gone, or
// else err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// abandon withdraws a job that may have been accepted and that nobody will watch. A
// keyed one is left for whoever comes again.
func (s *server) abandon(ctx context.Context, sub job.Submission) {
	if sub.Key != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	// If this fails too, the queue finds out that its watcher never came.
	_ = s.Queue.Cancel(ctx, sub.ID)
	s.discard(ctx, uploadsOf(&sub.Spec)...)
}
