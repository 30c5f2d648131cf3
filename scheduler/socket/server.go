package socket

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// goodbye is how long calls that are under way may take when serving ends.
const goodbye = 2 * time.Second

// Serve answers clients from q until ctx ends, and closes l. Calls that wait end
// then, others are brought to their end, and no goroutine of Serve is left. Watches
// of q that were made for clients last until q is closed, so that a restart is not
// taken for a watcher that left.
func Serve(ctx context.Context, l net.Listener, q scheduler.Queue) error {
	s := &server{closing: ctx, q: q, calls: map[string]context.CancelFunc{}}
	h := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ConnState: s.count}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	var err error
	select {
	case err = <-failed:
		failed <- err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if h.Shutdown(grace) != nil {
		_ = h.Close()
	}
	<-failed
	s.connections.Wait()
	if err != nil {
		return &job.Error{Kind: job.Unavailable, Message: "the queue's socket failed", Cause: err}
	}
	return nil
}

// server answers calls.
type server struct {
	closing context.Context // ends when serving does
	q       scheduler.Queue

	connections sync.WaitGroup

	mu    sync.Mutex
	calls map[string]context.CancelFunc // leases that wait, by the names that their callers gave
}

func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
	case http.StateClosed:
		s.connections.Done()
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(protocolHeader, strconv.Itoa(Protocol))
	if theirs := r.Header.Get(protocolHeader); theirs != strconv.Itoa(Protocol) {
		refuse(w, http.StatusUpgradeRequired, job.Errorf(job.TooNew, "the client speaks protocol %.20q and the serving process %d: use one release of cosmicman for both", theirs, Protocol))
		return
	}
	name, found := strings.CutPrefix(r.URL.Path, prefix)
	method, known := methods[name]
	switch {
	case !found || !known:
		refuse(w, http.StatusNotFound, &job.Error{Kind: job.Invalid, Field: "method", Message: "the queue has no method " + strconv.Quote(r.URL.Path)})
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, &job.Error{Kind: job.Invalid, Field: "method", Message: "methods are called with POST, not " + strconv.Quote(r.Method)})
	default:
		method(s, w, r)
	}
}

// method answers one call.
type method func(s *server, w http.ResponseWriter, r *http.Request)

var methods = map[string]method{
	"submit": call(func(ctx context.Context, q scheduler.Queue, a job.Submission) (job.Status, error) {
		return q.Submit(ctx, a)
	}),
	"get": call(func(ctx context.Context, q scheduler.Queue, id job.ID) (job.Status, error) { return q.Get(ctx, id) }),
	"cancel": call(func(ctx context.Context, q scheduler.Queue, id job.ID) (none, error) {
		return none{}, q.Cancel(ctx, id)
	}),
	"beat": call(func(ctx context.Context, q scheduler.Queue, a beatArgs) ([]job.Ref, error) {
		return q.Beat(ctx, a.Worker, a.Leases)
	}),
	"progress": call(func(ctx context.Context, q scheduler.Queue, a progressArgs) (none, error) {
		return none{}, q.Progress(ctx, a.Ref, a.Progress, a.Preview)
	}),
	"finish": call(func(ctx context.Context, q scheduler.Queue, a finishArgs) (none, error) {
		return none{}, q.Finish(ctx, a.Ref, a.Result)
	}),
	"fail": call(func(ctx context.Context, q scheduler.Queue, a failArgs) (none, error) {
		return none{}, q.Fail(ctx, a.Ref, a.Reason)
	}),
	"release": call(func(ctx context.Context, q scheduler.Queue, refs []job.Ref) (none, error) {
		return none{}, q.Release(ctx, refs...)
	}),
	"leave": call(func(ctx context.Context, q scheduler.Queue, worker string) (none, error) {
		return none{}, q.Leave(ctx, worker)
	}),
	"stats": call(func(ctx context.Context, q scheduler.Queue, _ none) (scheduler.Stats, error) { return q.Stats(ctx) }),
	"dead":  call(func(ctx context.Context, q scheduler.Queue, n int) ([]job.Status, error) { return q.Dead(ctx, n) }),
	"retry": call(func(ctx context.Context, q scheduler.Queue, id job.ID) (none, error) { return none{}, q.Retry(ctx, id) }),
	"drop":  call(func(ctx context.Context, q scheduler.Queue, id job.ID) (none, error) { return none{}, q.Drop(ctx, id) }),

	"lease":       (*server).lease,
	"end":         (*server).end,
	"watch":       (*server).watch,
	"revocations": (*server).revocations,
}

// call makes a method of a call that answers soon.
func call[In, Out any](do func(context.Context, scheduler.Queue, In) (Out, error)) method {
	return func(s *server, w http.ResponseWriter, r *http.Request) {
		in, ok := arguments[In](w, r)
		if !ok {
			return
		}
		out, err := do(r.Context(), s.q, in)
		if err != nil {
			refuse(w, http.StatusBadRequest, public(err))
			return
		}
		_ = answer(w, out) // the caller has gone: it will ask again or not care
	}
}

// arguments reads what a call was given; it has answered when it returns false.
func arguments[In any](w http.ResponseWriter, r *http.Request) (in In, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if tooLarge, is := errors.AsType[*http.MaxBytesError](err); is {
		refuse(w, http.StatusRequestEntityTooLarge, job.Errorf(job.Invalid, "the request is larger than %d bytes", tooLarge.Limit))
		return in, false
	}
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, job.Errorf(job.Invalid, "the request cannot be read: %v", err))
		return in, false
	}
	return in, true
}

func refuse(w http.ResponseWriter, status int, e *job.Error) {
	b, err := encode(e)
	if err != nil {
		status, b = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func answer(w http.ResponseWriter, v any) error {
	b, err := encode(v)
	if err != nil {
		e := job.Errorf(job.Unavailable, "the answer cannot be written: %v", err)
		refuse(w, http.StatusInternalServerError, e)
		return e
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
