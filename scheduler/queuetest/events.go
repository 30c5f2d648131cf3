package queuetest

import (
	"fmt"
	"sync"

	"cosmicman/job"
)

// events collects what a store observed.
type events struct {
	mu  sync.Mutex
	all []job.Event
}

func (e *events) add(ev job.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// of returns a job's events of a type; "" is any job.
func (e *events) of(id job.ID, typ job.EventType) (found []job.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Type == typ && (id == "" || ev.Job == id) {
			found = append(found, ev)
		}
	}
	return found
}

func checkEvents(s *store, seen *events) {
	expect := func(id job.ID, typ job.EventType, right func(job.Event) bool) {
		s.t.Helper()
		s.eventually(func() string {
			found := seen.of(id, typ)
			if len(found) != 1 || !right(found[0]) {
				return fmt.Sprintf("%s events are %+v", typ, found)
			}
			return ""
		})
	}
	a := s.submit(count(2), tenant("t")).ID
	first := s.one("w")
	s.fail(first.Ref, job.Engine)
	again := s.one("w")
	s.finish(again.Ref)
	second := s.one("w")
	s.release(second.Ref)
	_ = s.q.Finish(s.ctx, second.Ref, result(second.Ref))
	b := s.submit(ofModel("other")).ID
	s.submit(ofModel("other"))
	_, err := s.q.Submit(s.ctx, submission())
	s.refused("submit", err, job.Overloaded)
	s.cancel(b)
	s.one("w")
	s.cancel(a)

	expect(a, job.EventQueued, func(e job.Event) bool {
		return e.Images == 2 && e.Model == model && e.Tenant == "t" && !e.Time.IsZero()
	})
	expect(a, job.EventRetried, func(e job.Event) bool { return e.Image == 0 && job.KindOf(e.Err) == job.Engine })
	expect(a, job.EventFinished, func(e job.Event) bool { return e.Image == 0 && e.Wait >= e.Took && e.Took >= 0 })
	expect(a, job.EventReturned, func(e job.Event) bool { return e.Image == 1 })
	expect(a, job.EventFenced, func(e job.Event) bool { return e.Image == 1 })
	expect(a, job.EventRevoked, func(e job.Event) bool { return e.Image == 1 })
	expect(a, job.EventEnded, func(e job.Event) bool { return e.State == job.Cancelled })
	expect(b, job.EventEnded, func(e job.Event) bool { return e.State == job.Cancelled })
	s.eventually(func() string {
		if n := len(seen.of("", job.EventShed)); n != 1 {
			return fmt.Sprintf("%d shed events, expected 1", n)
		}
		return ""
	})
	leased := seen.of(a, job.EventLeased)
	if len(leased) != 4 || leased[1].Attempt != 2 || leased[0].Worker != "w" || leased[0].Wait < 0 {
		s.t.Errorf("leased events are %+v", leased)
	}
}
