package queuetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var life = []testCase{
	{promise: "a job is queued, in progress, completed, and its result is kept", check: func(s *store) {
		st := s.submit()
		if st.State != job.Queued || st.Created.IsZero() || !st.Started.IsZero() || !st.Ended.IsZero() || st.Error != nil ||
			len(st.Images) != 1 || st.Images[0].State != job.Queued || st.Images[0].Token != 0 {
			s.t.Errorf("after submit: %+v", st)
		}
		l := s.one("w")
		if l.Ref != (job.Ref{Job: st.ID, Image: 0, Token: 1}) || l.Attempt != 1 || l.Fingerprint != "" || l.Accepted.IsZero() || !reflect.DeepEqual(l.Spec.Drawing, st.Spec.Drawing) {
			s.t.Errorf("lease: %+v", l)
		}
		running := s.get(st.ID)
		if im := running.Images[0]; running.State != job.InProgress || running.Started.IsZero() || im.State != job.InProgress ||
			im.Token != 1 || im.Worker != "w" || im.Fingerprint != "cpu" || im.Attempts != 0 {
			s.t.Errorf("when leased: %+v", running)
		}
		s.finish(l.Ref)
		ended := s.get(st.ID)
		if im := ended.Images[0]; ended.State != job.Completed || ended.Ended.IsZero() || im.State != job.Completed ||
			im.Result == nil || *im.Result != result(l.Ref) || ended.Error != nil {
			s.t.Errorf("when finished: %+v", ended)
		}
		if st.Revision >= running.Revision || running.Revision >= ended.Revision {
			s.t.Errorf("revisions are %d, %d, %d, expected them to rise", st.Revision, running.Revision, ended.Revision)
		}
		s.none("w")
		s.empty()
	}},
	{promise: "lease waits until work arrives", check: func(s *store) {
		got := make(chan []scheduler.Lease)
		go func() {
			l, err := s.q.Lease(s.ctx, request("w", 5))
			if err != nil {
				s.t.Errorf("lease: %v", err)
			}
			got <- l
		}()
		st := s.submit()
		if l := <-got; len(l) != 1 || l[0].Ref.Job != st.ID {
			s.t.Errorf("lease gave %v, expected %s", l, st.ID)
		}
	}},
	{promise: "every waiting worker gets work that arrives at once", check: func(s *store) {
		const n = 12
		got := make(chan job.Ref, n)
		for i := range n {
			go func() {
				l, err := s.q.Lease(s.ctx, request(string(rune('a'+i)), 1))
				if err != nil || len(l) != 1 {
					s.t.Errorf("lease: %d images, %v", len(l), err)
					got <- job.Ref{}
					return
				}
				got <- l[0].Ref
			}()
		}
		s.submit(count(n))
		seen := map[job.Ref]bool{}
		for range n {
			r := <-got
			if seen[r] {
				s.t.Errorf("%v was given twice", r)
			}
			seen[r] = true
		}
	}},
	{promise: "lease ends with its context", check: func(s *store) {
		ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
		defer cancel()
		if l, err := s.q.Lease(ctx, request("w", 1)); len(l) != 0 || !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("lease answers %v, %v, expected the context's error", l, err)
		}
	}},
	{promise: "a lease that was given up takes nothing with it", check: func(s *store) {
		for range 20 {
			ctx, cancel := context.WithCancel(s.ctx)
			done := make(chan []scheduler.Lease)
			go func() {
				l, _ := s.q.Lease(ctx, request("gone", 1))
				done <- l
			}()
			id := s.submit().ID
			cancel()
			for _, l := range <-done {
				s.release(l.Ref)
			}
			if l := s.one("w"); l.Ref.Job != id || l.Attempt != 1 {
				s.t.Fatalf("lease gave %v at attempt %d, expected %s at attempt 1", l.Ref, l.Attempt, id)
			} else {
				s.finish(l.Ref)
			}
		}
	}},
	{promise: "without waiting, lease answers none", check: func(s *store) {
		s.none("w")
		s.none("w", offering())
	}},
	{promise: "lease gives no more than was asked for", check: func(s *store) {
		s.submit(count(5))
		got := s.lease("w", 3)
		got = append(got, s.lease("w", 3)...)
		for len(got) < 5 {
			got = append(got, s.lease("w", 3)...)
		}
		var images []int
		for _, l := range got {
			images = append(images, l.Ref.Image)
		}
		if !slices.Equal(images, []int{0, 1, 2, 3, 4}) {
			s.t.Errorf("images are %v, expected 0 to 4", images)
		}
		s.none("w")
	}},
	{promise: "position counts the images before the first queued one", check: func(s *store) {
		a, b, c := s.submit(count(2)), s.submit(), s.submit()
		if p := []int{s.get(a.ID).Position, s.get(b.ID).Position, s.get(c.ID).Position}; !slices.Equal(p, []int{0, 2, 3}) {
			s.t.Errorf("positions are %v, expected 0, 2, 3", p)
		}
		s.lease("w", 1)
		if p := []int{s.get(a.ID).Position, s.get(b.ID).Position, s.get(c.ID).Position}; !slices.Equal(p, []int{0, 1, 2}) {
			s.t.Errorf("after a start positions are %v, expected 0, 1, 2", p)
		}
	}},
	{promise: "progress is seen by who asks", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		if err := s.q.Progress(s.ctx, l.Ref, job.Progress{Done: 3, All: 20}, nil); err != nil {
			s.t.Errorf("progress nobody listens to: %v", err)
		}
		updates, _ := s.watch(id, "someone")
		s.next(updates, in(job.InProgress))
		stop := repeat(s, func() { _ = s.q.Progress(s.ctx, l.Ref, job.Progress{Done: 4, All: 20}, nil) })
		defer stop()
		s.next(updates, func(u job.Update) bool { return u.Status.Images[0].Progress == job.Progress{Done: 4, All: 20} })
	}},
}

// repeat calls do now and then until the returned function is called: what is a
// hint may be missed, but not always.
func repeat(s *store, do func()) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			do()
			select {
			case <-ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done }
}
