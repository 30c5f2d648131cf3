package queuetest

import (
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var idempotency = []testCase{
	{promise: "a hundred submissions with one key at once are one job", check: func(s *store) {
		var mu sync.Mutex
		ids := map[job.ID]int{}
		each(100, 100, func(int) {
			st, err := s.q.Submit(s.ctx, submission(keyed("k", "d"), tenant("t")))
			if err != nil {
				s.t.Errorf("submit: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[st.ID]++
		})
		if len(ids) != 1 {
			s.t.Errorf("%d jobs, expected 1", len(ids))
		}
		if st := s.stats(); st.Queued != 1 || st.Jobs != 1 {
			s.t.Errorf("%d images in %d jobs are queued, expected 1 in 1", st.Queued, st.Jobs)
		}
		s.one("w")
		s.none("w")
	}},
	{promise: "the same ID at once and again is one job", check: func(s *store) {
		sub := submission()
		each(20, 20, func(int) {
			if st, err := s.q.Submit(s.ctx, sub); err != nil || st.ID != sub.ID {
				s.t.Errorf("submit answers %s, %v", st.ID, err)
			}
		})
		s.finish(s.one("w").Ref)
		s.none("w")
		if st, err := s.q.Submit(s.ctx, sub); err != nil || st.State != job.Completed {
			s.t.Errorf("submitted again it is %s, %v, expected completed", st.State, err)
		}
		s.none("w")
	}},
	{promise: "a key answers the first job's present state", check: func(s *store) {
		first := s.submit(keyed("k", "d"))
		s.finish(s.one("w").Ref)
		again := s.submit(keyed("k", "d"))
		if again.ID != first.ID || again.State != job.Completed || again.Images[0].Result == nil {
			s.t.Errorf("answer is %+v, expected the first job, completed", again)
		}
	}},
	{promise: "names of tenants and keys that run into each other stay apart", check: func(s *store) {
		first := s.submit(tenant("a\x00b"), keyed("c", "d")).ID
		second := s.submit(tenant("a"), keyed("b\x00c", "d")).ID
		if first == second {
			s.t.Errorf("the keys of two tenants are one job, %s", first)
		}
	}},
	{promise: "a key with another digest is a conflict", check: func(s *store) {
		s.submit(keyed("k", "one"))
		_, err := s.q.Submit(s.ctx, submission(keyed("k", "two")))
		s.refused("submit", err, job.Conflict)
		if st := s.stats(); st.Jobs != 1 {
			s.t.Errorf("%d jobs, expected 1", st.Jobs)
		}
	}},
	{promise: "a key belongs to its tenant", check: func(s *store) {
		a := s.submit(keyed("k", "one"), tenant("a"))
		b := s.submit(keyed("k", "two"), tenant("b"))
		// Names that a store could glue together to the same thing.
		c := s.submit(keyed("b:k", "three"), tenant("a"))
		d := s.submit(keyed("k", "four"), tenant("a:b"))
		seen := map[job.ID]bool{a.ID: true, b.ID: true, c.ID: true, d.ID: true}
		if len(seen) != 4 {
			s.t.Error("two tenants share a job")
		}
	}},
	{promise: "a key is forgotten with its job", options: scheduler.Options{Retention: 200 * time.Millisecond}, check: func(s *store) {
		first := s.submit(keyed("k", "one"))
		s.finish(s.one("w").Ref)
		s.eventually(func() string {
			st, err := s.q.Submit(s.ctx, submission(keyed("k", "two")))
			if err == nil && st.ID != first.ID {
				return ""
			}
			if err != nil {
				s.refused("submit", err, job.Conflict)
			}
			return "the key is still taken"
		})
	}},
	{promise: "a key outlives retention while its job is not ended", options: scheduler.Options{Retention: 100 * time.Millisecond}, check: func(s *store) {
		first := s.submit(keyed("k", "d"), ofModel("other"))
		passing := s.submit().ID
		s.finish(s.one("w").Ref)
		s.eventually(func() string {
			if _, err := s.q.Get(s.ctx, passing); job.KindOf(err) != job.NotFound {
				return "the ended job is still kept"
			}
			return ""
		})
		if again := s.submit(keyed("k", "d"), ofModel("other")); again.ID != first.ID {
			s.t.Error("a second job entered with the key of one that waits")
		}
	}},
}
