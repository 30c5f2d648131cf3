package queuetest

import (
	"sync/atomic"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var admission = []testCase{
	{promise: "of many at once exactly as many as fit are accepted", options: scheduler.Options{MaxJobs: 40}, check: func(s *store) {
		var accepted atomic.Int64
		each(32, 150, func(int) {
			_, err := s.q.Submit(s.ctx, submission())
			if err == nil {
				accepted.Add(1)
				return
			}
			if e, ok := err.(*job.Error); job.KindOf(err) != job.Overloaded || ok && e.RetryAfter <= 0 {
				s.t.Errorf("refusal is %#v, expected overloaded with a time", err)
			}
		})
		if n := accepted.Load(); n != 40 {
			s.t.Errorf("%d were accepted, expected 40", n)
		}
		if n := len(s.all("w")); n != 40 {
			s.t.Errorf("%d were given, expected 40", n)
		}
	}},
	{promise: "a place is free again when a job ends, however it ends", options: scheduler.Options{MaxJobs: 2}, check: func(s *store) {
		s.submit(ofModel("other"))
		full := func() {
			s.t.Helper()
			_, err := s.q.Submit(s.ctx, submission())
			if e := s.refused("submit", err, job.Overloaded); e.RetryAfter <= 0 {
				s.t.Errorf("retry after is %v", e.RetryAfter)
			}
		}
		s.submit()
		full()
		s.finish(s.one("w").Ref)
		s.submit()
		full()
		s.fail(s.one("w").Ref, job.Invalid)
		id := s.submit().ID
		full()
		s.cancel(id)
		id = s.submit().ID
		full()
		if err := s.q.Drop(s.ctx, id); err != nil {
			s.t.Fatalf("drop: %v", err)
		}
		s.submit()
		full()
	}},
	{promise: "a repetition is answered though the queue is full", options: scheduler.Options{MaxJobs: 1}, check: func(s *store) {
		sub := submission(keyed("k", "d"))
		if _, err := s.q.Submit(s.ctx, sub); err != nil {
			s.t.Fatalf("submit: %v", err)
		}
		if st, err := s.q.Submit(s.ctx, sub); err != nil || st.ID != sub.ID {
			s.t.Errorf("the same ID answers %s, %v", st.ID, err)
		}
		if st, err := s.q.Submit(s.ctx, submission(keyed("k", "d"))); err != nil || st.ID != sub.ID {
			s.t.Errorf("the same key answers %s, %v", st.ID, err)
		}
	}},
	{promise: "estimated device seconds are bounded, for each live worker", options: scheduler.Options{MaxSeconds: 10}, check: func(s *store) {
		s.beat(worker("a"))
		fill := func() (n int) {
			for {
				_, err := s.q.Submit(s.ctx, submission(seconds(2), count(2)))
				if err != nil {
					if e := s.refused("submit", err, job.Overloaded); e.RetryAfter <= 0 {
						s.t.Errorf("retry after is %v", e.RetryAfter)
					}
					return n
				}
				n++
				if n > 100 {
					s.t.Fatal("nothing is refused")
				}
			}
		}
		// Jobs of 4 seconds into 10: two, or three if the last may reach beyond.
		if n := fill(); n != 2 && n != 3 {
			s.t.Errorf("%d jobs were accepted for one worker", n)
		}
		s.beat(worker("b"))
		if n := fill(); n != 2 && n != 3 {
			s.t.Errorf("%d more jobs were accepted for a second worker", n)
		}
		for _, l := range s.all("a") {
			s.finish(l.Ref)
		}
		if n := fill(); n < 4 {
			s.t.Errorf("%d jobs were accepted after all were drawn", n)
		}
	}},
}
