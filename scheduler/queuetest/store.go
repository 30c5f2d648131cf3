package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// store is a queue under test. Its methods end the test where the queue refuses
// what it must do.
type store struct {
	t   *testing.T
	q   scheduler.Queue
	ctx context.Context
}

const model = "sd"

// submission is a job of one image, changed as a case needs it.
func submission(changes ...func(*job.Submission)) job.Submission {
	s := job.Submission{ID: job.NewID(), Spec: job.Spec{
		Needs: 1, Model: model, Count: 1, Seconds: 1,
		Drawing: job.Drawing{Prompt: "a person in a red coat", Sampler: "euler", Steps: 20, GuidanceScale: 7.5, Seed: 42, Width: 512, Height: 512},
	}}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func count(n int) func(*job.Submission) { return func(s *job.Submission) { s.Spec.Count = n } }

func tenant(name string) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Tenant = name }
}

func priority(p job.Priority) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Priority = p }
}

func ofModel(name string) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Model = name }
}

func needs(version int) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Needs = version }
}

func seconds(v float64) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Seconds = v }
}

func due(in time.Duration) func(*job.Submission) {
	return func(s *job.Submission) { s.Spec.Deadline = time.Now().Add(in) }
}

func watchedBy(name string) func(*job.Submission) {
	return func(s *job.Submission) { s.Watcher = name }
}

func keyed(key, digest string) func(*job.Submission) {
	return func(s *job.Submission) { s.Key, s.Digest = key, digest }
}

func detached(s *job.Submission) { s.Spec.Detached = true }

func (s *store) submit(changes ...func(*job.Submission)) job.Status {
	s.t.Helper()
	st, err := s.q.Submit(s.ctx, submission(changes...))
	if err != nil {
		s.t.Fatalf("submit: %v", err)
	}
	return st
}

// submitMany submits n jobs from several goroutines.
func (s *store) submitMany(n int, changes ...func(*job.Submission)) {
	s.t.Helper()
	each(16, n, func(int) {
		if _, err := s.q.Submit(s.ctx, submission(changes...)); err != nil {
			s.t.Errorf("submit: %v", err)
		}
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
}

func (s *store) get(id job.ID) job.Status {
	s.t.Helper()
	st, err := s.q.Get(s.ctx, id)
	if err != nil {
		s.t.Fatalf("get: %v", err)
	}
	if st.ID != id {
		s.t.Fatalf("get %s answers %s", id, st.ID)
	}
	return st
}

// is waits until a job is in a state, and returns its status.
func (s *store) is(id job.ID, want job.State) (st job.Status) {
	s.t.Helper()
	s.eventually(func() string {
		if st = s.get(id); st.State != want {
			return fmt.Sprintf("job is %s, expected %s", st.State, want)
		}
		return ""
	})
	return st
}

func request(worker string, most int, changes ...func(*scheduler.LeaseRequest)) scheduler.LeaseRequest {
	r := scheduler.LeaseRequest{Worker: worker, Fingerprint: "cpu", Offers: []scheduler.Offer{{Model: model}}, Max: most, Version: job.Version}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func offering(offers ...scheduler.Offer) func(*scheduler.LeaseRequest) {
	return func(r *scheduler.LeaseRequest) { r.Offers = offers }
}

func version(v int) func(*scheduler.LeaseRequest) {
	return func(r *scheduler.LeaseRequest) { r.Version = v }
}

func fingerprint(f string) func(*scheduler.LeaseRequest) {
	return func(r *scheduler.LeaseRequest) { r.Fingerprint = f }
}

// lease waits for images, at most most.
func (s *store) lease(worker string, most int, changes ...func(*scheduler.LeaseRequest)) []scheduler.Lease {
	s.t.Helper()
	l, err := s.q.Lease(s.ctx, request(worker, most, changes...))
	if err != nil {
		s.t.Fatalf("lease: %v", err)
	}
	if len(l) == 0 || len(l) > most {
		s.t.Fatalf("lease gave %d images, expected 1 to %d", len(l), most)
	}
	return l
}

// one waits for one image.
func (s *store) one(worker string, changes ...func(*scheduler.LeaseRequest)) scheduler.Lease {
	s.t.Helper()
	return s.lease(worker, 1, changes...)[0]
}

// all takes what can be had now, one image at a time.
func (s *store) all(worker string, changes ...func(*scheduler.LeaseRequest)) (got []scheduler.Lease) {
	s.t.Helper()
	for {
		l := s.now(worker, 1, changes...)
		if len(l) == 0 {
			return got
		}
		got = append(got, l...)
	}
}

// now leases without waiting.
func (s *store) now(worker string, most int, changes ...func(*scheduler.LeaseRequest)) []scheduler.Lease {
	s.t.Helper()
	r := request(worker, most, changes...)
	r.NoWait = true
	l, err := s.q.Lease(s.ctx, r)
	if err != nil {
		s.t.Fatalf("lease without waiting: %v", err)
	}
	if len(l) > most {
		s.t.Fatalf("lease gave %d images, expected at most %d", len(l), most)
	}
	return l
}

// none checks that nothing is to be had.
func (s *store) none(worker string, changes ...func(*scheduler.LeaseRequest)) {
	s.t.Helper()
	if l := s.now(worker, 10, changes...); len(l) != 0 {
		s.t.Fatalf("lease gave %v, expected nothing", l[0].Ref)
	}
}

func result(r job.Ref) job.Result {
	return job.Result{
		Artifact: fmt.Sprintf("%s-%d-%d.png", r.Job, r.Image, r.Token), Bytes: 4321, Seed: 42 + uint64(r.Image),
		Width: 512, Height: 512, Fingerprint: "cpu", Seconds: 1.25, Tokens: 7,
	}
}

func (s *store) finish(r job.Ref) {
	s.t.Helper()
	if err := s.q.Finish(s.ctx, r, result(r)); err != nil {
		s.t.Fatalf("finish %v: %v", r, err)
	}
}

func reason(kind job.Kind) *job.Error {
	return &job.Error{Kind: kind, Field: "prompt", Message: "drawing did not work: " + string(kind)}
}

func (s *store) fail(r job.Ref, kind job.Kind) {
	s.t.Helper()
	if err := s.q.Fail(s.ctx, r, reason(kind)); err != nil {
		s.t.Fatalf("fail %v: %v", r, err)
	}
}

func (s *store) release(refs ...job.Ref) {
	s.t.Helper()
	if err := s.q.Release(s.ctx, refs...); err != nil {
		s.t.Fatalf("release: %v", err)
	}
}

func (s *store) cancel(id job.ID) {
	s.t.Helper()
	if err := s.q.Cancel(s.ctx, id); err != nil {
		s.t.Fatalf("cancel: %v", err)
	}
}

func worker(id string, models ...scheduler.Offer) scheduler.Worker {
	if models == nil {
		models = []scheduler.Offer{{Model: model}}
	}
	return scheduler.Worker{ID: id, Host: "host", PID: 7, Version: job.Version, Started: time.Now(), Fingerprint: "cpu", Device: "a CPU", Models: models}
}

// beat returns what a worker lost.
func (s *store) beat(w scheduler.Worker, refs ...job.Ref) []job.Ref {
	s.t.Helper()
	lost, err := s.q.Beat(s.ctx, w, refs)
	if err != nil {
		s.t.Fatalf("beat: %v", err)
	}
	return lost
}

// keepAlive beats for a worker until the returned function is called.
func (s *store) keepAlive(w scheduler.Worker, every time.Duration, refs ...job.Ref) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if _, err := s.q.Beat(ctx, w, refs); err != nil && ctx.Err() == nil {
				s.t.Errorf("beat: %v", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *store) stats() scheduler.Stats {
	s.t.Helper()
	st, err := s.q.Stats(s.ctx)
	if err != nil {
		s.t.Fatalf("stats: %v", err)
	}
	return st
}

// empty waits until every counter is back at zero.
func (s *store) empty() {
	s.t.Helper()
	s.eventually(func() string {
		st := s.stats()
		left := 0
		for _, n := range st.Models {
			left += n
		}
		if st.Queued != 0 || st.Running != 0 || st.Jobs != 0 || left != 0 || st.Seconds > 1e-6 || st.Seconds < -1e-6 {
			return fmt.Sprintf("%d queued, %d running, %d jobs, %d by model, %g seconds; expected none", st.Queued, st.Running, st.Jobs, left, st.Seconds)
		}
		return ""
	})
}

// watch returns a job's updates and what makes the watcher leave.
func (s *store) watch(id job.ID, name string) (<-chan job.Update, context.CancelFunc) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	s.t.Cleanup(cancel)
	updates, err := s.q.Watch(ctx, id, name)
	if err != nil {
		s.t.Fatalf("watch: %v", err)
	}
	return updates, cancel
}

// next waits for an update that a case is looking for.
func (s *store) next(updates <-chan job.Update, wanted func(job.Update) bool) job.Update {
	s.t.Helper()
	var last job.Update
	for {
		select {
		case u, open := <-updates:
			if !open {
				s.t.Fatalf("the channel was closed before the update came; the last was %s", last.Status.State)
			}
			if wanted(u) {
				return u
			}
			last = u
		case <-s.ctx.Done():
			s.t.Fatalf("the update did not come; the last was %s", last.Status.State)
		}
	}
}

func in(want job.State) func(job.Update) bool {
	return func(u job.Update) bool { return u.Status.State == want }
}

// closed waits until a channel is closed and returns what came before.
func closed[T any](s *store, c <-chan T) (before []T) {
	s.t.Helper()
	for {
		select {
		case v, open := <-c:
			if !open {
				return before
			}
			before = append(before, v)
		case <-s.ctx.Done():
			s.t.Fatal("the channel was not closed")
		}
	}
}

// told waits for a value that a channel must bring.
func told[T comparable](s *store, c <-chan T, want T) {
	s.t.Helper()
	for {
		select {
		case v, open := <-c:
			if !open {
				s.t.Fatalf("the channel was closed before it brought %v", want)
			}
			if v == want {
				return
			}
		case <-s.ctx.Done():
			s.t.Fatalf("the channel did not bring %v", want)
		}
	}
}

// eventually waits until fault returns "".
func (s *store) eventually(fault func() string) {
	s.t.Helper()
	wait := time.Millisecond
	for {
		f := fault()
		if f == "" {
			return
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatal(f)
		case <-time.After(wait):
			wait = min(2*wait, 20*time.Millisecond)
		}
	}
}

// refused checks that an error has one of some kinds.
func (s *store) refused(what string, err error, kinds ...job.Kind) *job.Error {
	s.t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || !slices.Contains(kinds, e.Kind) {
		s.t.Fatalf("%s: error is %v (%q), expected one of kind %q", what, err, job.KindOf(err), kinds)
	}
	if e.Message == "" {
		s.t.Errorf("%s: the %s error has no message", what, e.Kind)
	}
	return e
}

// each calls do for 0..n-1 on several goroutines and waits for them.
func each(goroutines, n int, do func(i int)) {
	next := make(chan int)
	done := make(chan struct{})
	for range goroutines {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range next {
				do(i)
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range goroutines {
		<-done
	}
}
