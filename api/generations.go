package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// imagesResponse is OpenAI's.
type imagesResponse struct {
	Created int64       `json:"created"`
	Data    []imageData `json:"data"`
}

type imageData struct {
	B64JSON string `json:"b64_json"`
	Seed    uint64 `json:"seed"`
}

func (s *server) generations(c echo.Context) error {
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return err
	}
	r, err := decode(c.Response(), c.Request())
	if err != nil {
		return err
	}
	// The server's time-out for reading a request is over with its body; left on, it
	// would be taken for the client's leaving. Unsupported is as good as off.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	switch {
	case s.Queue == nil:
		return errNoModel
	case s.Stopping.Err() != nil:
		return errStopping
	}
	spec := r.spec()
	ctx := c.Request().Context()
	if err := s.Prepare(ctx, &spec); err != nil {
		return err
	}
	sub := job.Submission{ID: job.NewID(), Spec: spec, Key: key, Watcher: "http_" + strings.ToLower(rand.Text())}
	if key != "" {
		sub.Digest = r.digest()
	}
	done, err := s.result(ctx, sub)
	if err != nil {
		return err
	}
	out, err := s.response(ctx, done)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, out)
}

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

// result submits a job and waits for its images. With a key that was used before,
// the job is the one that was accepted then.
func (s *server) result(ctx context.Context, sub job.Submission) (job.Status, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // the watcher leaves
	defer context.AfterFunc(s.Stopped, func() { cancel(errStopping) })()

	accepted, err := s.Queue.Submit(ctx, sub)
	if err != nil {
		s.abandon(ctx, sub)
		return job.Status{}, because(ctx, err)
	}
	var updates <-chan job.Update
	err = bridged(ctx, func() (err error) {
		updates, err = s.Queue.Watch(ctx, accepted.ID, sub.Watcher)
		return err
	})
	if err != nil {
		s.abandon(ctx, sub)
		return job.Status{}, because(ctx, err)
	}
	last := accepted
	for u := range updates {
		last = u.Status
	}
	switch {
	case last.State == job.Completed:
		return last, nil
	case last.Error != nil:
		return last, last.Error
	case last.State == job.Cancelled && ctx.Err() == nil:
		return last, job.Errorf(job.Withdrawn, "the job was cancelled")
	case last.State == job.Expired:
		return last, job.Errorf(job.PastDue, "the job's deadline passed before it was started")
	}
	return last, because(ctx, job.Errorf(job.Unavailable, "the queue was closed while the job waited"))
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
}

func (s *server) response(ctx context.Context, done job.Status) (*imagesResponse, error) {
	out := &imagesResponse{Created: done.Ended.Unix()}
	for _, image := range done.Images {
		if image.Result == nil {
			return nil, errors.New("an image of a completed job has no result")
		}
		var data []byte
		err := bridged(ctx, func() (err error) {
			data, err = s.Artifacts.Get(ctx, image.Result.Artifact)
			return err
		})
		if job.KindOf(err) == job.NotFound {
			return nil, &apiError{status: http.StatusGone, kind: "invalid_request_error", code: "result_expired",
				message: "the images of this request have expired; send it with another Idempotency-Key"}
		}
		if err != nil {
			return nil, err
		}
		out.Data = append(out.Data, imageData{base64.StdEncoding.EncodeToString(data), image.Result.Seed})
	}
	return out, nil
}
