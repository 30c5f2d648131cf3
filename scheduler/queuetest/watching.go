package queuetest

import (
	"bytes"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// ending brings a fresh job to a terminal state.
type ending struct {
	state job.State
	bring func(s *store, id job.ID)
}

var endings = []ending{
	{job.Completed, func(s *store, _ job.ID) { s.finish(s.one("w").Ref) }},
	{job.Failed, func(s *store, _ job.ID) { s.fail(s.one("w").Ref, job.Invalid) }},
	{job.Cancelled, func(s *store, id job.ID) { s.cancel(id) }},
}

var watching = []testCase{
	{promise: "a watcher is told the present state at once, then each that follows, then the channel closes", check: func(s *store) {
		for _, e := range endings {
			id := s.submit().ID
			updates, _ := s.watch(id, "someone")
			if u := <-updates; u.Status.ID != id || u.Status.State != job.Queued {
				s.t.Errorf("first update is %s of %s", u.Status.State, u.Status.ID)
			}
			e.bring(s, id)
			all := closed(s, updates)
			if len(all) == 0 || all[len(all)-1].Status.State != e.state {
				s.t.Errorf("%s was not the last update: %v", e.state, all)
			}
			for i := 1; i < len(all); i++ {
				if all[i].Status.Revision < all[i-1].Status.Revision {
					s.t.Errorf("revision %d follows %d", all[i].Status.Revision, all[i-1].Status.Revision)
				}
			}
		}
	}},
	{promise: "expiry reaches a watcher", check: func(s *store) {
		id := s.submit(due(150 * time.Millisecond)).ID
		updates, _ := s.watch(id, "someone")
		if u := s.next(updates, in(job.Expired)); u.Status.Error == nil || u.Status.Error.Kind != job.PastDue {
			s.t.Errorf("error is %v", u.Status.Error)
		}
		closed(s, updates)
	}},
	{promise: "an ended job is told once to one who comes late", check: func(s *store) {
		for _, e := range endings {
			id := s.submit().ID
			e.bring(s, id)
			updates, _ := s.watch(id, "late")
			all := closed(s, updates)
			if len(all) != 1 || all[0].Status.State != e.state {
				s.t.Errorf("updates are %v, expected %s alone", all, e.state)
			}
		}
	}},
	{promise: "a start and each finished image reach a watcher", check: func(s *store) {
		id := s.submit(count(2)).ID
		updates, _ := s.watch(id, "someone")
		a := s.one("w")
		s.next(updates, in(job.InProgress))
		s.finish(a.Ref)
		u := s.next(updates, func(u job.Update) bool { return u.Status.Images[0].State == job.Completed })
		if r := u.Status.Images[0].Result; r == nil || *r != result(a.Ref) {
			s.t.Errorf("result is %v", r)
		}
		s.finish(s.one("w").Ref)
		s.next(updates, in(job.Completed))
	}},
	{promise: "a second watcher who comes late sees the present state", check: func(s *store) {
		id := s.submit(count(2)).ID
		first, _ := s.watch(id, "first")
		s.next(first, in(job.Queued))
		s.finish(s.one("w").Ref)
		second, _ := s.watch(id, "second")
		if u := <-second; u.Status.State != job.InProgress || u.Status.Images[0].State != job.Completed {
			s.t.Errorf("the first thing that the second was told is %+v", u.Status)
		}
		s.finish(s.one("w").Ref)
		s.next(first, in(job.Completed))
		s.next(second, in(job.Completed))
		closed(s, first)
		closed(s, second)
	}},
	{promise: "previews arrive", check: func(s *store) {
		id := s.submit().ID
		updates, _ := s.watch(id, "someone")
		l := s.one("w")
		s.next(updates, in(job.InProgress))
		preview := &job.Preview{Image: 0, Index: 1, Type: "image/png", Data: bytes.Repeat([]byte{0, 1, 254, 255}, 4*8*8)}
		stop := repeat(s, func() { _ = s.q.Progress(s.ctx, l.Ref, job.Progress{Done: 5, All: 20}, preview) })
		defer stop()
		u := s.next(updates, func(u job.Update) bool { return u.Preview != nil })
		if u.Preview.Index != 1 || u.Preview.Type != preview.Type || !bytes.Equal(u.Preview.Data, preview.Data) || u.Status.ID != id {
			s.t.Error("the preview came changed")
		}
	}},
	{promise: "decoded previews that are told at once arrive one by one", check: func(s *store) {
		updates, _ := s.watch(s.submit().ID, "someone")
		l := s.one("w")
		s.next(updates, in(job.InProgress))
		for i := range 3 {
			for _, kind := range []job.PreviewKind{job.Partial, job.Sketch} {
				preview := &job.Preview{Kind: kind, Index: i, Type: "image/png", Data: []byte{1, 2, 3}}
				if err := s.q.Progress(s.ctx, l.Ref, job.Progress{Done: i + 1, All: 4}, preview); err != nil {
					s.t.Fatalf("progress %d: %v", i, err)
				}
			}
		}
		for i := range 3 {
			u := s.next(updates, func(u job.Update) bool { return u.Preview != nil && u.Preview.Kind == job.Partial })
			if u.Preview.Index != i {
				s.t.Errorf("preview %d comes in the place of %d", u.Preview.Index, i)
			}
		}
	}},
	{promise: "a reader that reads nothing blocks nobody and is told the end", check: func(s *store) {
		id := s.submit().ID
		updates, _ := s.watch(id, "asleep")
		l := s.one("w")
		preview := &job.Preview{Type: "image/png", Data: make([]byte, 4*64*64*4)}
		for i := range 1000 {
			var p *job.Preview
			if i%50 == 0 {
				p = preview
			}
			if err := s.q.Progress(s.ctx, l.Ref, job.Progress{Done: i, All: 1000}, p); err != nil {
				s.t.Fatalf("progress %d: %v", i, err)
			}
		}
		s.finish(l.Ref)
		all := closed(s, updates)
		if len(all) == 0 || all[len(all)-1].Status.State != job.Completed {
			s.t.Errorf("the last of %d updates is not the end", len(all))
		}
	}},
	{promise: "a retried image is told", options: scheduler.Options{MaxAttempts: 3}, check: func(s *store) {
		id := s.submit().ID
		updates, _ := s.watch(id, "someone")
		s.fail(s.one("w").Ref, job.Engine)
		s.next(updates, func(u job.Update) bool { return u.Status.Images[0].Attempts == 1 })
		s.finish(s.one("w").Ref)
		s.next(updates, in(job.Completed))
	}},
	{promise: "a watcher whose job is dropped is not left waiting", check: func(s *store) {
		id := s.submit().ID
		updates, _ := s.watch(id, "someone")
		if err := s.q.Drop(s.ctx, id); err != nil {
			s.t.Fatalf("drop: %v", err)
		}
		closed(s, updates)
	}},
	{promise: "the channel closes when the watcher leaves", check: func(s *store) {
		id := s.submit(detached).ID
		updates, leave := s.watch(id, "someone")
		leave()
		closed(s, updates)
		if st := s.get(id); st.State != job.Queued {
			s.t.Errorf("job is %s, expected queued", st.State)
		}
	}},
}
