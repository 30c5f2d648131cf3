package redisq

import (
	"context"
	"crypto/rand"
	"encoding/json"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
	"cosmicman/scheduler"
)

const (
	// maxVersion bounds versions: they are four digits in the keys.
	maxVersion = 9999
	// maxLease bounds what one Lease gives, so that its script stays short.
	maxLease = 256
	// askAgain is how long a Lease waits for a hint before it asks anyway; up to as
	// much again is added, so that processes do not ask in step.
	askAgain = time.Second
)

// Lease is that of [scheduler.Source].
func (s *Store) Lease(ctx context.Context, r scheduler.LeaseRequest) ([]scheduler.Lease, error) {
	for {
		rung := s.bell.wait()
		leases, later, err := s.leaseNow(ctx, r)
		if err != nil || len(leases) > 0 || r.NoWait {
			return leases, err
		}
		wait := askAgain + mathrand.N(askAgain)
		if later >= 0 {
			wait = min(wait, later)
		}
		timer := time.NewTimer(wait)
		select {
		case <-rung:
		case <-timer.C:
		case <-ctx.Done():
		case <-s.life.Done():
		}
		timer.Stop()
	}
}

// leaseNow asks once. later is after which time another answer may come of itself,
// negative when it cannot.
func (s *Store) leaseNow(ctx context.Context, r scheduler.LeaseRequest) (leases []scheduler.Lease, later time.Duration, err error) {
	worker, request := escape(r.Worker), rand.Text()
	process := s.process
	if r.NoWait {
		process = ""
	}
	args := []any{worker, escape(r.Fingerprint), min(max(r.Version, 0), maxVersion), min(max(r.Max, 0), maxLease), request, process, s.o.Ageing.Milliseconds()}
	for i, o := range r.Offers {
		if slices.ContainsFunc(r.Offers[:i], func(before scheduler.Offer) bool { return before.Model == o.Model }) {
			continue
		}
		args = append(args, escape(o.Model), int64(min(max(o.LoadSeconds, 0), 1e9)*1000))
	}
	answer, err := s.call(ctx, s.scripts.lease, func(_ reply, err error) { s.orphan(worker, request) }, args...)
	if err != nil {
		if job.KindOf(err) == job.Unavailable {
			s.orphan(worker, request) // it may have been done, and only the answer lost
		}
		return nil, -1, err
	}
	later = time.Duration(answer.int(2)) * time.Millisecond
	list := answer.list(3)
	for i := 0; i+6 < len(list); i += 7 {
		l := scheduler.Lease{
			Ref:     job.Ref{Job: job.ID(list.str(i)), Image: int(list.int(i + 1)), Token: uint64(list.int(i + 2))},
			Attempt: int(list.int(i + 3)), Fingerprint: unescape(list.str(i + 4)), Accepted: at(list.int(i + 5)),
		}
		if err := json.Unmarshal([]byte(list.str(i+6)), &l.Spec); err != nil {
			s.orphan(worker, request)
			return nil, -1, &job.Error{Kind: job.Unavailable, Message: "the record of the job " + string(l.Ref.Job) + " cannot be read", Cause: err}
		}
		leases = append(leases, l)
	}
	return leases, later, nil
}

// orphans are requests for work whose answers reached nobody. What they were given is
// given back.
type orphans struct {
	mu   sync.Mutex
	list []orphan
}

type orphan struct{ worker, request string }

// maxOrphans bounds what is remembered while Redis is away; leases end by themselves.
const maxOrphans = 1000

// orphan gives back what a request was given, now or when Redis is reached again.
func (s *Store) orphan(worker, request string) {
	s.orphans.mu.Lock()
	if len(s.orphans.list) < maxOrphans {
		s.orphans.list = append(s.orphans.list, orphan{worker, request})
	}
	s.orphans.mu.Unlock()
	select {
	case s.bell.tidy <- struct{}{}:
	default:
	}
}

// giveBack tries once for each.
func (o *orphans) giveBack(s *Store) {
	o.mu.Lock()
	list := o.list
	o.list = nil
	o.mu.Unlock()
	for i, x := range list {
		if _, err := s.run(s.scripts.leave, x.worker, x.request); err != nil {
			o.mu.Lock()
			o.list = append(o.list, list[i:]...)
			o.mu.Unlock()
			return
		}
	}
}

// Beat is that of [scheduler.Source].
func (s *Store) Beat(ctx context.Context, w scheduler.Worker, leases []job.Ref) (lost []job.Ref, err error) {
	description, err := json.Marshal(w)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Field: "worker", Message: "the worker cannot be written as JSON", Cause: err}
	}
	offers := []string{}
	for _, o := range w.Models {
		if o.LoadSeconds <= 0 {
			offers = append(offers, "L\x00"+escape(o.Model))
		}
		offers = append(offers, "F\x00"+escape(o.Model)+"\x00"+escape(w.Fingerprint))
	}
	list, err := json.Marshal(offers)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Field: "worker", Message: "the worker's models cannot be written as JSON", Cause: err}
	}
	args := []any{escape(w.ID), description, list}
	for _, r := range leases {
		args = append(args, string(r.Job), r.Image+1, r.Token)
	}
	r, err := s.call(ctx, s.scripts.beat, nil, args...)
	if err != nil {
		return nil, err
	}
	numbers := r.list(2)
	for i := range numbers {
		if n := numbers.int(i); n >= 0 && n < int64(len(leases)) {
			lost = append(lost, leases[n])
		}
	}
	return lost, nil
}

// Finish is that of [scheduler.Source].
func (s *Store) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	text, err := json.Marshal(result)
	if err != nil {
		return &job.Error{Kind: job.Invalid, Field: "result", Message: "the result cannot be written as JSON", Cause: err}
	}
	return s.write(ctx, s.scripts.finish, r, text)
}

// Fail is that of [scheduler.Source].
func (s *Store) Fail(ctx context.Context, r job.Ref, reason *job.Error) error {
	if reason == nil {
		reason = job.Errorf(job.Engine, "drawing failed for no stated reason")
	}
	text, err := json.Marshal(reason)
	if err != nil {
		return &job.Error{Kind: job.Invalid, Field: "reason", Message: "the reason cannot be written as JSON", Cause: err}
	}
	again := 0
	if reason.Kind == job.Engine || reason.Kind == job.Crashed {
		again = 1
	}
	return s.write(ctx, s.scripts.fail, r, text, again)
}

// Progress is that of [scheduler.Source].
func (s *Store) Progress(ctx context.Context, r job.Ref, p job.Progress, preview *job.Preview) error {
	var text []byte
	if preview != nil {
		var err error
		if text, err = json.Marshal(preview); err != nil {
			return &job.Error{Kind: job.Invalid, Field: "preview", Message: "the preview cannot be written as JSON", Cause: err}
		}
	}
	return s.write(ctx, s.scripts.progress, r, p.Done, p.All, text)
}

// write is a worker's write for one start.
func (s *Store) write(ctx context.Context, script *redis.Script, r job.Ref, args ...any) error {
	answer, err := s.call(ctx, script, nil, append([]any{string(r.Job), r.Image + 1, r.Token}, args...)...)
	if err != nil {
		return err
	}
	switch answer.str(0) {
	case "ok":
		return nil
	case "missing":
		return missing(r.Job)
	case "image":
		return job.Errorf(job.NotFound, "the job %s has %d images, there is no image %d", r.Job, answer.int(2), r.Image)
	case "fenced":
		return job.Errorf(job.Fenced, "%v may no longer be written: the last start of the image is %d, and it is %s", r, answer.int(2), states[answer.str(3)])
	}
	return strange(answer)
}

// Release is that of [scheduler.Source].
func (s *Store) Release(ctx context.Context, refs ...job.Ref) error {
	if len(refs) == 0 {
		return ctx.Err()
	}
	var args []any
	for _, r := range refs {
		args = append(args, string(r.Job), r.Image+1, r.Token)
	}
	_, err := s.call(ctx, s.scripts.release, nil, args...)
	return err
}

// Leave is that of [scheduler.Source].
func (s *Store) Leave(ctx context.Context, worker string) error {
	_, err := s.call(ctx, s.scripts.leave, nil, escape(worker), "")
	return err
}
