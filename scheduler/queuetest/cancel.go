package queuetest

import (
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var cancelling = []testCase{
	{promise: "a cancelled job is never started", check: func(s *store) {
		id := s.submit(count(3)).ID
		s.cancel(id)
		s.none("w")
		st := s.get(id)
		if st.State != job.Cancelled || st.Error == nil || st.Error.Kind != job.Withdrawn || st.Ended.IsZero() || !st.Started.IsZero() {
			s.t.Errorf("status is %+v, error %v", st, st.Error)
		}
		for i, im := range st.Images {
			if im.State != job.Cancelled {
				s.t.Errorf("image %d is %s", i, im.State)
			}
		}
		s.empty()
	}},
	{promise: "running work is revoked at once, and beat says so too", check: func(s *store) {
		id := s.submit(count(2)).ID
		revoked, err := s.q.Revocations(s.ctx, "w")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		l := s.one("w")
		s.cancel(id)
		told(s, revoked, l.Ref)
		if lost := s.beat(worker("w"), l.Ref); !slices.Equal(lost, []job.Ref{l.Ref}) {
			s.t.Errorf("beat lost %v, expected %v", lost, l.Ref)
		}
		s.refused("finish", s.q.Finish(s.ctx, l.Ref, result(l.Ref)), job.Fenced)
		s.refused("fail", s.q.Fail(s.ctx, l.Ref, reason(job.Engine)), job.Fenced)
		s.none("w")
		if st := s.get(id); st.State != job.Cancelled {
			s.t.Errorf("job is %s, expected cancelled", st.State)
		}
		s.empty()
	}},
	{promise: "images that were completed stay so", check: func(s *store) {
		id := s.submit(count(2)).ID
		s.finish(s.one("w").Ref)
		s.cancel(id)
		if st := s.get(id); st.State != job.Cancelled || st.Images[0].State != job.Completed || st.Images[0].Result == nil || st.Images[1].State != job.Cancelled {
			s.t.Errorf("status is %+v", st)
		}
	}},
	{promise: "a job that has ended stays as it is, without an error", check: func(s *store) {
		done := s.submit().ID
		s.finish(s.one("w").Ref)
		bad := s.submit().ID
		s.fail(s.one("w").Ref, job.Invalid)
		gone := s.submit().ID
		s.cancel(gone)
		for id, want := range map[job.ID]job.State{done: job.Completed, bad: job.Failed, gone: job.Cancelled} {
			s.cancel(id)
			if st := s.get(id); st.State != want {
				s.t.Errorf("job is %s, expected %s", st.State, want)
			}
		}
	}},
	{promise: "a worker's revocations are its own and end with their context", check: func(s *store) {
		s.submit()
		others, err := s.q.Revocations(s.ctx, "other")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		mine, err := s.q.Revocations(s.ctx, "w")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		l := s.one("w")
		s.cancel(l.Ref.Job)
		told(s, mine, l.Ref)
		select {
		case r := <-others:
			s.t.Errorf("another worker was told %v", r)
		default:
		}
	}},
	{promise: "cancelling while workers lease and finish leaves each job ended once", options: scheduler.Options{LeaseTTL: time.Minute}, check: func(s *store) {
		var ids []job.ID
		for range 60 {
			ids = append(ids, s.submit(count(2)).ID)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			each(4, len(ids), func(i int) {
				if err := s.q.Cancel(s.ctx, ids[len(ids)-1-i]); err != nil {
					s.t.Errorf("cancel: %v", err)
				}
			})
		}()
		for {
			l := s.now("w", 3)
			if len(l) == 0 {
				break
			}
			for _, l := range l {
				if err := s.q.Finish(s.ctx, l.Ref, result(l.Ref)); err != nil && job.KindOf(err) != job.Fenced {
					s.t.Errorf("finish: %v", err)
				}
			}
		}
		<-done
		for _, id := range ids {
			if st := s.get(id); st.State != job.Completed && st.State != job.Cancelled {
				s.t.Errorf("job is %s", st.State)
			}
		}
		s.empty()
	}},
}

var deadlines = []testCase{
	{promise: "what has passed its deadline in the queue is never started", check: func(s *store) {
		late := s.submit(due(-time.Second))
		s.none("w")
		if st := s.is(late.ID, job.Expired); st.Error == nil || st.Error.Kind != job.PastDue || st.Ended.IsZero() || st.Images[0].State != job.Expired {
			s.t.Errorf("status is %+v, error %v", st, st.Error)
		}
		s.empty()
	}},
	{promise: "a deadline passes though no worker asks, and the watcher is told", check: func(s *store) {
		id := s.submit(due(200*time.Millisecond), count(2)).ID
		updates, _ := s.watch(id, "someone")
		s.next(updates, in(job.Expired))
		closed(s, updates)
		s.none("w")
		s.empty()
	}},
	{promise: "a waiting worker is not given what has just expired", check: func(s *store) {
		for i := range 5 {
			s.submit(due(time.Duration(i) * 30 * time.Millisecond))
		}
		last := s.submit(due(time.Hour)).ID
		for {
			l := s.one("w")
			if !l.Spec.Deadline.After(l.Accepted) {
				s.t.Errorf("%v was given after its deadline", l.Ref)
			}
			s.finish(l.Ref)
			if l.Ref.Job == last {
				break
			}
		}
	}},
	{promise: "a job of which an image was started does not expire", check: func(s *store) {
		id := s.submit(due(300*time.Millisecond), count(2)).ID
		first := s.one("w")
		// One that expires later shows that the time has passed.
		other := s.submit(due(400*time.Millisecond), ofModel("other")).ID
		s.is(other, job.Expired)
		second := s.one("w")
		if second.Ref.Job != id {
			s.t.Fatalf("lease gave %v", second.Ref)
		}
		s.finish(first.Ref)
		s.finish(second.Ref)
		s.is(id, job.Completed)
	}},
	{promise: "a job with time left is drawn", check: func(s *store) {
		id := s.submit(due(time.Hour)).ID
		s.finish(s.one("w").Ref)
		if st := s.get(id); st.State != job.Completed || st.Spec.Deadline.IsZero() {
			s.t.Errorf("status is %+v", st)
		}
	}},
}
