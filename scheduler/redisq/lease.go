package redisq

import (
	"context"
	"crypto/rand"
	"encoding/json"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

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
	var models []string
	var offers []any
	for _, o := range r.Offers {
		if model := escape(o.Model); !slices.Contains(models, model) {
			models = append(models, model)
			offers = append(offers, model, int64(min(max(o.LoadSeconds, 0), 1e9)*1000))
		}
	}
	w := s.bell.enter(models)
	defer func() {
		for _, model := range s.bell.leave(w) {
			s.passOn(model)
		}
	}()
	for {
		s.bell.asks(w)
		leases, later, err := s.leaseNow(ctx, r, offers)
		if err != nil || len(leases) > 0 || r.NoWait {
			return leases, err
		}
		wait := askAgain + mathrand.N(askAgain)
		if later >= 0 {
			wait = min(wait, later)
		}
		timer := time.NewTimer(wait)
		select {
		case <-w.rung:
		case <-timer.C:
		case <-ctx.Done():
		case <-s.life.Done():
		}
		timer.Stop()
	}
}

// passOn tells another process that there is work, when this one was told and has
// nobody who waits for it.
func (s *Store) passOn(model string) {
	if !s.enter() {
		return
	}
	go func() {
		defer s.calls.Done()
		_, _ = s.run(s.scripts.wake, model) // a hint; whoever waits asks again anyway
	}()
}

// leaseNow asks once. later is after which time another answer may come of itself,
// negative when it cannot.
func (s *Store) leaseNow(ctx context.Context, r scheduler.LeaseRequest, offers []any) (leases []scheduler.Lease, later time.Duration, err error) {
	worker, request := escape(r.Worker), rand.Text()
	process := s.process
	if r.NoWait {
		process = ""
	}
	args := append([]any{
		worker, escape(r.Fingerprint), min(max(r.Version, 0), maxVersion), min(max(r.Max, 0), maxLease), request, process, s.o.Ageing.Milliseconds(),
	}, offers...)
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
