package queuetest

import (
	"slices"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// durableCase is a promise that outlives the store's process.
type durableCase struct {
	promise string
	options scheduler.Options
	check   func(s *store, restart func())
}

// Durable checks what a store promises across its own end and return. fresh makes a
// new place for a store; the function that it returns opens the store that is there,
// which Durable closes before it opens it again.
func Durable(t *testing.T, fresh func(t *testing.T) (open func(o scheduler.Options) scheduler.Queue)) {
	for _, c := range durables {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			open := fresh(t)
			s := newStore(t, open(c.options))
			shut := func() {
				if err := s.q.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			defer func() { shut() }()
			c.check(s, func() {
				shut()
				s.q = open(c.options)
			})
		})
	}
}

var durables = []durableCase{
	{promise: "what was accepted, started, finished, failed and cancelled is there again, as it was", check: func(s *store, restart func()) {
		queued := s.submit(keyed("k", "d"), ofModel("other"), count(2))
		running := s.submit(count(2))
		l := s.one("w")
		half := s.one("w")
		s.finish(half.Ref)
		done := s.submit()
		s.finish(s.one("w").Ref)
		bad := s.submit()
		s.fail(s.one("w").Ref, job.Invalid)
		gone := s.submit()
		s.cancel(gone.ID)
		ids := []job.ID{queued.ID, running.ID, done.ID, bad.ID, gone.ID}
		var before []job.Status
		for _, id := range ids {
			before = append(before, s.get(id))
		}
		counted := s.stats()
		for range 2 {
			restart()
			for i, id := range ids {
				same(s, s.get(id), before[i])
			}
			if now := s.stats(); now.Queued != counted.Queued || now.Running != counted.Running || now.Jobs != counted.Jobs || now.Dead != counted.Dead || now.Seconds != counted.Seconds {
				s.t.Errorf("stats are %+v, expected %+v", now, counted)
			}
			s.none("w")
			if again := s.submit(keyed("k", "d"), ofModel("other"), count(2)); again.ID != queued.ID {
				s.t.Error("the key was forgotten")
			}
			_, err := s.q.Submit(s.ctx, submission(keyed("k", "another")))
			s.refused("another request with the key", err, job.Conflict)
		}
		s.finish(half.Ref)
		s.finish(l.Ref)
		s.is(running.ID, job.Completed)
		if d, err := s.q.Dead(s.ctx, 5); err != nil || len(d) != 1 || d[0].ID != bad.ID {
			s.t.Errorf("dead letters are %v, %v", d, err)
		}
	}},
	{promise: "the order stays, what came back first", check: func(s *store, restart func()) {
		var ids []job.ID
		for i := range 9 {
			ids = append(ids, s.submit(tenant("t"), priority(job.Priority(i%3-1)), count(2)).ID)
		}
		first := s.lease("w", 1)[0].Ref
		second := s.lease("w", 1)[0].Ref
		s.release(second, first)
		restart()
		var want []job.ID
		for class := range 3 {
			for i := class; i < len(ids); i += 3 {
				want = append(want, ids[i], ids[i])
			}
		}
		if got := jobs(s.all("w")); !slices.Equal(got, want) {
			s.t.Errorf("order is\n%v, expected\n%v", got, want)
		}
	}},
	{promise: "tokens go on rising, and attempts are kept", options: scheduler.Options{MaxAttempts: 3}, check: func(s *store, restart func()) {
		id := s.submit().ID
		var old job.Ref
		for attempt := 1; attempt <= 3; attempt++ {
			l := s.one("w")
			if l.Attempt != attempt || l.Ref.Token <= old.Token {
				s.t.Fatalf("lease is %+v after %v, expected attempt %d", l, old, attempt)
			}
			if attempt > 1 {
				s.refused("finish of an old start", s.q.Finish(s.ctx, old, result(old)), job.Fenced)
			}
			old = l.Ref
			s.fail(l.Ref, job.Engine)
			restart()
		}
		s.is(id, job.Failed)
	}},
	{promise: "the lease of a worker in another process lives on, and runs out", options: scheduler.Options{LeaseTTL: 1500 * time.Millisecond}, check: func(s *store, restart func()) {
		id := s.submit().ID
		l := s.one("w")
		restart()
		s.none("other")
		if lost := s.beat(worker("w"), l.Ref); len(lost) != 0 {
			s.t.Errorf("beat lost %v", lost)
		}
		if again := s.one("other"); again.Ref.Job != id || again.Attempt != 2 {
			s.t.Errorf("lease is %+v, expected the second attempt", again)
		}
	}},
	{promise: "deadlines pass and retention ends after a restart as before", options: scheduler.Options{Retention: 400 * time.Millisecond}, check: func(s *store, restart func()) {
		late := s.submit(due(300 * time.Millisecond)).ID
		other := s.submit(ofModel("other")).ID
		s.finish(s.one("w", offering(scheduler.Offer{Model: "other"})).Ref)
		restart()
		for _, id := range []job.ID{other, late} {
			s.eventually(func() string {
				if _, err := s.q.Get(s.ctx, id); job.KindOf(err) != job.NotFound {
					return "the job is still kept"
				}
				return ""
			})
		}
		s.none("w")
		s.empty()
	}},
	{promise: "a watcher that does not come back after a restart has left", options: brief, check: func(s *store, restart func()) {
		alone := s.submit(watchedBy("a")).ID
		kept := s.submit(watchedBy("a"), keyed("k", "d")).ID
		restart()
		s.is(alone, job.Cancelled)
		if st := s.get(kept); st.State != job.Queued {
			s.t.Errorf("the keyed job is %s", st.State)
		}
	}},
	{promise: "closing the store is no watcher that leaves", options: scheduler.Options{WatchTTL: 2 * time.Second}, check: func(s *store, restart func()) {
		id := s.submit(watchedBy("a")).ID
		updates, _ := s.watch(id, "a")
		s.next(updates, in(job.Queued))
		restart()
		for range updates {
		}
		if st := s.get(id); st.State != job.Queued {
			s.t.Errorf("job is %s, expected queued", st.State)
		}
		updates, leave := s.watch(id, "a")
		s.next(updates, in(job.Queued))
		leave()
		s.is(id, job.Cancelled)
	}},
	{promise: "a retried dead letter is queued again after a restart", options: scheduler.Options{MaxAttempts: 1}, check: func(s *store, restart func()) {
		id := s.submit(count(2)).ID
		s.fail(s.one("w").Ref, job.Engine)
		restart()
		if err := s.q.Retry(s.ctx, id); err != nil {
			s.t.Fatalf("retry: %v", err)
		}
		restart()
		got := s.all("w")
		if len(got) != 2 {
			s.t.Fatalf("%d images are given, expected 2", len(got))
		}
		for _, l := range got {
			s.finish(l.Ref)
		}
		restart()
		s.is(id, job.Completed)
		s.empty()
	}},
	{promise: "what was dropped stays away", check: func(s *store, restart func()) {
		id := s.submit(count(3), keyed("k", "d")).ID
		s.one("w")
		if err := s.q.Drop(s.ctx, id); err != nil {
			s.t.Fatalf("drop: %v", err)
		}
		restart()
		_, err := s.q.Get(s.ctx, id)
		s.refused("get", err, job.NotFound)
		s.none("w")
		s.empty()
		if st := s.submit(keyed("k", "another")); st.State != job.Queued {
			s.t.Errorf("the key answers %s", st.State)
		}
	}},
	{promise: "admission counts what was there", options: scheduler.Options{MaxJobs: 2}, check: func(s *store, restart func()) {
		s.submit()
		s.submit()
		s.finish(s.one("w").Ref)
		restart()
		s.submit()
		_, err := s.q.Submit(s.ctx, submission())
		s.refused("submit", err, job.Overloaded)
	}},
}

// same checks that a job is as it was.
func same(s *store, now, before job.Status) {
	s.t.Helper()
	if now.State != before.State || now.Revision != before.Revision || !now.Created.Equal(before.Created) || !now.Started.Equal(before.Started) ||
		!now.Ended.Equal(before.Ended) || len(now.Images) != len(before.Images) || encoded(s, now.Spec) != encoded(s, before.Spec) ||
		(now.Error == nil) != (before.Error == nil) || now.Error != nil && (now.Error.Kind != before.Error.Kind || now.Error.Message != before.Error.Message) {
		s.t.Fatalf("job is\n%+v, expected\n%+v", now, before)
	}
	for i, im := range now.Images {
		was := before.Images[i]
		if im.State != was.State || im.Token != was.Token || im.Attempts != was.Attempts || im.Worker != was.Worker || im.Fingerprint != was.Fingerprint ||
			(im.Result == nil) != (was.Result == nil) || im.Result != nil && *im.Result != *was.Result {
			s.t.Errorf("image %d is %+v, expected %+v", i, im, was)
		}
	}
}
