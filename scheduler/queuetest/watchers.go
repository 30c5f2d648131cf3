package queuetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// brief is for cases in which a watcher's process falls silent.
var brief = scheduler.Options{WatchTTL: time.Second}

var watchers = []testCase{
	{promise: "a job is cancelled when its last watcher leaves", check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		a, leaveA := s.watch(id, "a")
		b, leaveB := s.watch(id, "b")
		s.next(a, in(job.Queued))
		s.next(b, in(job.Queued))
		leaveA()
		closed(s, a)
		l := s.one("w")
		s.next(b, in(job.InProgress))
		revoked, err := s.q.Revocations(s.ctx, "w")
		if err != nil {
			s.t.Fatalf("revocations: %v", err)
		}
		leaveB()
		if st := s.is(id, job.Cancelled); st.Error == nil || st.Error.Kind != job.Withdrawn {
			s.t.Errorf("error is %v", st.Error)
		}
		told(s, revoked, l.Ref)
		if lost := s.beat(worker("w"), l.Ref); !slices.Equal(lost, []job.Ref{l.Ref}) {
			s.t.Errorf("beat lost %v", lost)
		}
		s.empty()
	}},
	{promise: "a queued job is cancelled when its only watcher leaves", check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		_, leave := s.watch(id, "a")
		leave()
		s.is(id, job.Cancelled)
		s.none("w")
	}},
	{promise: "with a key or detached it lives on", check: func(s *store) {
		kept, other := s.submit(keyed("k", "d"), watchedBy("a")).ID, s.submit(detached, watchedBy("a")).ID
		marker := s.submit(watchedBy("a")).ID
		for _, id := range []job.ID{kept, other, marker} {
			updates, leave := s.watch(id, "a")
			leave()
			closed(s, updates)
		}
		s.is(marker, job.Cancelled)
		for range 2 {
			s.finish(s.one("w").Ref)
		}
		s.is(kept, job.Completed)
		s.is(other, job.Completed)
	}},
	{promise: "a watcher that was registered and never came has left after a while", options: brief, check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		kept := s.submit(keyed("k", "d"), watchedBy("a")).ID
		s.is(id, job.Cancelled)
		if st := s.get(kept); st.State != job.Queued {
			s.t.Errorf("the keyed job is %s", st.State)
		}
	}},
	{promise: "a job that nobody said to watch is not cancelled", options: brief, check: func(s *store) {
		id := s.submit().ID
		marker := s.submit(watchedBy("a")).ID
		s.is(marker, job.Cancelled)
		if st := s.get(id); st.State != job.Queued {
			s.t.Errorf("job is %s, expected queued", st.State)
		}
	}},
	{promise: "a watcher that watches is alive, however long it waits", options: brief, check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		updates, _ := s.watch(id, "a")
		s.next(updates, in(job.Queued))
		for range 3 {
			marker := s.submit(watchedBy("a")).ID
			s.is(marker, job.Cancelled)
		}
		s.finish(s.one("w").Ref)
		s.next(updates, in(job.Completed))
	}},
	{promise: "a watcher that watches twice leaves when both have ended", check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		first, leaveFirst := s.watch(id, "a")
		second, leaveSecond := s.watch(id, "a")
		s.next(first, in(job.Queued))
		s.next(second, in(job.Queued))
		leaveFirst()
		closed(s, first)
		s.one("w")
		s.next(second, in(job.InProgress))
		leaveSecond()
		s.is(id, job.Cancelled)
	}},
	{promise: "while one stays, others may come and go", check: func(s *store) {
		id := s.submit(watchedBy("stays")).ID
		updates, _ := s.watch(id, "stays")
		s.next(updates, in(job.Queued))
		each(8, 40, func(i int) {
			ctx, cancel := context.WithCancel(s.ctx)
			defer cancel()
			u, err := s.q.Watch(ctx, id, fmt.Sprint("visitor", i))
			if err != nil {
				s.t.Errorf("watch: %v", err)
				return
			}
			if i%2 == 0 {
				<-u
			}
			cancel()
			for range u {
			}
		})
		s.finish(s.one("w").Ref)
		s.next(updates, in(job.Completed))
	}},
	{promise: "a watcher that comes again after a break goes on", check: func(s *store) {
		id := s.submit(watchedBy("a")).ID
		keep, _ := s.watch(id, "b")
		s.next(keep, in(job.Queued))
		for range 3 {
			updates, leave := s.watch(id, "a")
			s.next(updates, in(job.Queued))
			leave()
			closed(s, updates)
		}
		s.finish(s.one("w").Ref)
		s.next(keep, in(job.Completed))
	}},
}
