package queuetest

import (
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

var operating = []testCase{
	{promise: "stats count images, jobs, seconds, models, workers and dead letters", check: func(s *store) {
		if st := s.stats(); st.Queued != 0 || st.Running != 0 || st.Jobs != 0 || st.Dead != 0 || !st.Oldest.IsZero() || len(st.Workers) != 0 {
			s.t.Errorf("an empty store has %+v", st)
		}
		first := s.submit(count(3), seconds(2))
		s.submit(ofModel("other"), seconds(0.5))
		s.beat(worker("w"))
		s.one("w")
		st := s.stats()
		if st.Queued != 3 || st.Running != 1 || st.Jobs != 2 || st.Dead != 0 || st.Models[model] != 2 || st.Models["other"] != 1 || st.Seconds < 6.49 || st.Seconds > 6.51 {
			s.t.Errorf("stats are %+v", st)
		}
		if st.Oldest.Sub(first.Created).Abs() > time.Second {
			s.t.Errorf("the oldest is of %v, expected %v", st.Oldest, first.Created)
		}
		if len(st.Workers) != 1 || st.Workers[0].ID != "w" || st.Workers[0].Seen.IsZero() || st.Workers[0].Device != "a CPU" || st.Workers[0].Host != "host" {
			s.t.Errorf("workers are %+v", st.Workers)
		}
		s.cancel(first.ID)
		s.fail(s.one("w", offering(scheduler.Offer{Model: "other"})).Ref, job.Invalid)
		s.empty()
		if st := s.stats(); st.Dead != 1 {
			s.t.Errorf("%d dead letters, expected 1", st.Dead)
		}
	}},
	{promise: "what a worker tells of itself is kept whole", check: func(s *store) {
		w := worker("w", scheduler.Offer{Model: model}, scheduler.Offer{Model: "cold", LoadSeconds: 2.5})
		w.Active, w.Rows, w.Costs, w.Broken = 5, 8, map[string]float64{model: 1e-7}, map[string]string{"x": "no such file"}
		s.beat(w)
		got := s.stats().Workers
		if len(got) != 1 || got[0].Active != 5 || got[0].Rows != 8 || got[0].Costs[model] != 1e-7 || got[0].Broken["x"] != "no such file" ||
			!slices.Equal(got[0].Models, w.Models) || got[0].PID != 7 || !got[0].Started.Equal(w.Started) {
			s.t.Errorf("workers are %+v, expected %+v", got, w)
		}
	}},
	{promise: "a worker that is silent is no longer listed", options: quick, check: func(s *store) {
		s.beat(worker("w"))
		s.eventually(func() string {
			if n := len(s.stats().Workers); n != 0 {
				return "the silent worker is still listed"
			}
			return ""
		})
	}},
	{promise: "a worker that leaves is off the list, and what it held is released", check: func(s *store) {
		id := s.submit(count(2)).ID
		s.beat(worker("w"))
		got := s.all("w")
		if err := s.q.Leave(s.ctx, "w"); err != nil {
			s.t.Fatalf("leave: %v", err)
		}
		if st := s.stats(); len(st.Workers) != 0 || st.Running != 0 || st.Queued != 2 {
			s.t.Errorf("stats are %+v", st)
		}
		for _, im := range s.get(id).Images {
			if im.State != job.Queued || im.Attempts != 0 {
				s.t.Errorf("image is %+v", im)
			}
		}
		s.refused("finish after leaving", s.q.Finish(s.ctx, got[0].Ref, result(got[0].Ref)), job.Fenced)
		if l := s.one("w"); l.Ref.Job != id || l.Attempt != 1 {
			s.t.Errorf("lease is %+v", l)
		}
		if err := s.q.Leave(s.ctx, "never came"); err != nil {
			s.t.Errorf("leave of a worker that never came: %v", err)
		}
	}},
	{promise: "dead letters are listed, newest first, at most as many as asked for", check: func(s *store) {
		if d, err := s.q.Dead(s.ctx, 10); err != nil || len(d) != 0 {
			s.t.Errorf("an empty store has %v, %v", d, err)
		}
		var ids []job.ID
		for range 3 {
			ids = append(ids, s.submit().ID)
			s.fail(s.one("w").Ref, job.Invalid)
			tick := time.Now()
			s.eventually(func() string { // two never in one millisecond
				if time.Since(tick) < 2*time.Millisecond {
					return "no time has passed"
				}
				return ""
			})
		}
		s.cancel(s.submit().ID)
		slices.Reverse(ids)
		for n, want := range map[int][]job.ID{10: ids, 2: ids[:2], 0: nil} {
			d, err := s.q.Dead(s.ctx, n)
			if err != nil {
				s.t.Fatalf("dead: %v", err)
			}
			var got []job.ID
			for _, st := range d {
				got = append(got, st.ID)
				if st.State != job.Failed || st.Error == nil {
					s.t.Errorf("dead letter is %+v", st)
				}
			}
			if !slices.Equal(got, want) {
				s.t.Errorf("at most %d: %v, expected %v", n, got, want)
			}
		}
	}},
	{promise: "retry puts the unfinished images back, attempts at 0", options: scheduler.Options{MaxAttempts: 2}, check: func(s *store) {
		id := s.submit(count(3)).ID
		done := s.one("w")
		s.finish(done.Ref)
		s.fail(s.one("w").Ref, job.Engine)
		old := s.one("w").Ref
		s.fail(old, job.Engine)
		s.is(id, job.Failed)
		if err := s.q.Retry(s.ctx, id); err != nil {
			s.t.Fatalf("retry: %v", err)
		}
		st := s.get(id)
		if st.State.Terminal() || st.Error != nil || !st.Ended.IsZero() || st.Images[0].State != job.Completed || st.Images[1].State != job.Queued || st.Images[1].Attempts != 0 || st.Images[2].State != job.Queued {
			s.t.Errorf("after retry: %+v", st)
		}
		if stats := s.stats(); stats.Dead != 0 || stats.Queued != 2 || stats.Jobs != 1 {
			s.t.Errorf("stats are %+v", stats)
		}
		s.refused("finish of an old start", s.q.Finish(s.ctx, old, result(old)), job.Fenced)
		again := s.all("w")
		if len(again) != 2 || again[0].Ref.Image != 1 || again[0].Attempt != 1 || again[0].Ref.Token <= old.Token || again[1].Ref.Image != 2 {
			s.t.Fatalf("leases are %+v", again)
		}
		for _, l := range again {
			s.finish(l.Ref)
		}
		st = s.get(id)
		if st.State != job.Completed || *st.Images[0].Result != result(done.Ref) {
			s.t.Errorf("at the end: %+v", st)
		}
		s.empty()
	}},
	{promise: "a dead letter that is retried lives on without its watchers", options: brief, check: func(s *store) {
		id := s.submit(watchedBy("never comes")).ID
		s.fail(s.one("w").Ref, job.Invalid)
		if err := s.q.Retry(s.ctx, id); err != nil {
			s.t.Fatalf("retry: %v", err)
		}
		time.Sleep(2 * brief.WatchTTL)
		s.is(id, job.InProgress)
		s.finish(s.one("w").Ref)
		s.is(id, job.Completed)
	}},
	{promise: "retry of what is no dead letter changes nothing", check: func(s *store) {
		id := s.submit().ID
		_ = s.q.Retry(s.ctx, id)
		l := s.one("w")
		_ = s.q.Retry(s.ctx, id)
		s.finish(l.Ref)
		_ = s.q.Retry(s.ctx, id)
		if st := s.get(id); st.State != job.Completed {
			s.t.Errorf("job is %s, expected completed", st.State)
		}
		s.none("w")
		s.empty()
	}},
	{promise: "drop removes a job whatever its state, and revokes", check: func(s *store) {
		queued := s.submit(ofModel("other")).ID
		running := s.submit(count(2)).ID
		revoked, err := s.q.Revocations(s.ctx, "w")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		l := s.one("w")
		done := s.submit(ofModel("third")).ID
		s.finish(s.one("w", offering(scheduler.Offer{Model: "third"})).Ref)
		dead := s.submit(ofModel("third")).ID
		s.fail(s.one("w", offering(scheduler.Offer{Model: "third"})).Ref, job.Invalid)
		for _, id := range []job.ID{queued, running, done, dead} {
			if err := s.q.Drop(s.ctx, id); err != nil {
				s.t.Fatalf("drop: %v", err)
			}
			_, err := s.q.Get(s.ctx, id)
			s.refused("get", err, job.NotFound)
		}
		told(s, revoked, l.Ref)
		if lost := s.beat(worker("w"), l.Ref); !slices.Equal(lost, []job.Ref{l.Ref}) {
			s.t.Errorf("beat lost %v", lost)
		}
		s.refused("finish", s.q.Finish(s.ctx, l.Ref, result(l.Ref)), job.NotFound, job.Fenced)
		s.none("w")
		s.none("w", offering(scheduler.Offer{Model: "other"}))
		s.empty()
		if st := s.stats(); st.Dead != 0 {
			s.t.Errorf("%d dead letters, expected none", st.Dead)
		}
	}},
	{promise: "a dropped job's key is free", check: func(s *store) {
		first := s.submit(keyed("k", "one")).ID
		if err := s.q.Drop(s.ctx, first); err != nil {
			s.t.Fatalf("drop: %v", err)
		}
		if st := s.submit(keyed("k", "two")); st.ID == first || st.State != job.Queued {
			s.t.Errorf("the key answers %s, %s", st.ID, st.State)
		}
	}},
	{promise: "dead letters outlive the retention of other jobs, and are dropped in the end", options: scheduler.Options{Retention: 100 * time.Millisecond, DeadFor: 1500 * time.Millisecond}, check: func(s *store) {
		bad := s.submit().ID
		s.fail(s.one("w").Ref, job.Invalid)
		done := s.submit().ID
		s.finish(s.one("w").Ref)
		gone := func(id job.ID) func() string {
			return func() string {
				if _, err := s.q.Get(s.ctx, id); job.KindOf(err) != job.NotFound {
					return "the job is still kept"
				}
				return ""
			}
		}
		s.eventually(gone(done))
		s.eventually(gone(bad))
		if d, err := s.q.Dead(s.ctx, 10); err != nil || len(d) != 0 || s.stats().Dead != 0 {
			s.t.Errorf("dead letters are %v, %v", d, err)
		}
	}},
	{promise: "a dead letter is kept when other jobs are dropped", options: scheduler.Options{Retention: 100 * time.Millisecond}, check: func(s *store) {
		bad := s.submit(keyed("k", "d")).ID
		s.fail(s.one("w").Ref, job.Invalid)
		done := s.submit().ID
		s.finish(s.one("w").Ref)
		s.eventually(func() string {
			if _, err := s.q.Get(s.ctx, done); job.KindOf(err) != job.NotFound {
				return "the job is still kept"
			}
			return ""
		})
		if st := s.get(bad); st.State != job.Failed {
			s.t.Errorf("the dead letter is %s", st.State)
		}
	}},
}
