package queuetest

import (
	"fmt"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// quick is for cases in which a worker falls silent.
var quick = scheduler.Options{LeaseTTL: 400 * time.Millisecond}

var leases = []testCase{
	{promise: "a silent worker's image goes back to the head with an attempt counted", options: quick, check: func(s *store) {
		first := s.submit().ID
		s.one("silent")
		second := s.submit().ID
		s.eventually(func() string {
			if im := s.get(first).Images[0]; im.State != job.Queued {
				return fmt.Sprintf("image is %s, expected it back in the queue", im.State)
			}
			return ""
		})
		st := s.get(first)
		if im := st.Images[0]; im.Attempts != 1 || im.Error == nil || im.Error.Kind != job.Crashed {
			s.t.Errorf("image has %d attempts and error %v, expected 1 and a crash", im.Attempts, im.Error)
		}
		a, b := s.one("w"), s.one("w")
		if a.Ref.Job != first || b.Ref.Job != second || a.Attempt != 2 || a.Ref.Token != 2 || a.Fingerprint != "cpu" {
			s.t.Errorf("leases are %+v, %+v, expected the first job's second attempt at the head", a, b)
		}
	}},
	{promise: "a lease runs out though no worker asks, and one that waits is woken", options: quick, check: func(s *store) {
		id := s.submit().ID
		s.one("silent")
		if l := s.one("w"); l.Ref.Job != id || l.Attempt != 2 {
			s.t.Errorf("lease is %+v, expected the second attempt", l)
		}
	}},
	{promise: "beats keep a lease", options: quick, check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		stop := s.keepAlive(worker("w"), 40*time.Millisecond, l.Ref)
		defer stop()
		// Another image that nobody keeps shows that the time has passed, twice.
		other := s.submit().ID
		for attempts := 1; attempts <= 2; attempts++ {
			if got := s.one(fmt.Sprint("silent", attempts)); got.Ref.Job != other {
				s.t.Fatalf("lease gave %v, whose worker is alive", got.Ref)
			}
		}
		if im := s.get(id).Images[0]; im.State != job.InProgress || im.Attempts != 0 || im.Token != 1 {
			s.t.Errorf("image is %+v, expected it to be drawn still", im)
		}
		s.finish(l.Ref)
	}},
	{promise: "crashes use up the attempts, and the reason is kept", options: scheduler.Options{LeaseTTL: 200 * time.Millisecond, MaxAttempts: 2}, check: func(s *store) {
		id := s.submit().ID
		updates, _ := s.watch(id, "someone")
		s.one("a")
		s.one("b")
		if u := s.next(updates, in(job.Failed)); u.Status.Error == nil || u.Status.Error.Kind != job.Crashed {
			s.t.Errorf("the watcher was told %v, expected a crash", u.Status.Error)
		}
		closed(s, updates)
		st := s.get(id)
		if st.Error == nil || st.Error.Kind != job.Crashed || st.Error.Message == "" || st.Images[0].Attempts != 2 || st.Images[0].State != job.Failed {
			s.t.Errorf("status is %+v", st)
		}
		s.none("w")
		s.empty()
	}},
	{promise: "an engine error is tried again, at the head, until attempts are used up", options: scheduler.Options{MaxAttempts: 3}, check: func(s *store) {
		first := s.submit().ID
		second := s.submit().ID
		for attempt := 1; attempt <= 3; attempt++ {
			l := s.one("w")
			if l.Ref.Job != first || l.Attempt != attempt || l.Ref.Token != uint64(attempt) {
				s.t.Fatalf("lease is %+v, expected attempt %d of the first job", l, attempt)
			}
			s.fail(l.Ref, job.Engine)
			if attempt < 3 {
				if im := s.get(first).Images[0]; im.State != job.Queued || im.Attempts != attempt || im.Error == nil || im.Error.Kind != job.Engine {
					s.t.Errorf("image is %+v after attempt %d", im, attempt)
				}
			}
		}
		st := s.get(first)
		want := reason(job.Engine)
		if st.State != job.Failed || st.Error == nil || st.Error.Kind != want.Kind || st.Error.Field != want.Field || st.Ended.IsZero() {
			s.t.Errorf("status is %+v, error %v", st, st.Error)
		}
		if l := s.one("w"); l.Ref.Job != second {
			s.t.Errorf("lease is %v, expected the second job", l.Ref)
		}
	}},
	{promise: "an error that no retry mends fails the job at once, with its words", check: func(s *store) {
		for _, kind := range []job.Kind{job.Invalid, job.OutOfMemory, job.NoModel} {
			id := s.submit().ID
			s.fail(s.one("w").Ref, kind)
			st := s.get(id)
			if st.State != job.Failed || st.Error == nil || *st.Error != *reason(kind) {
				s.t.Errorf("%s: status is %+v, error %+v", kind, st, st.Error)
			}
			s.none("w")
		}
	}},
	{promise: "a failure without a reason counts as an engine error or fails the job", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		if err := s.q.Fail(s.ctx, l.Ref, nil); err != nil {
			s.refused("fail", err, job.Invalid)
		} else if st := s.get(id); st.Images[0].State == job.InProgress {
			s.t.Errorf("image is %+v after its failure", st.Images[0])
		}
	}},
	{promise: "a released image is at the head and no attempt is counted", options: scheduler.Options{MaxAttempts: 1}, check: func(s *store) {
		first := s.submit().ID
		s.submit()
		for round := range 5 {
			l := s.one("w")
			if l.Ref.Job != first || l.Attempt != 1 || l.Ref.Token != uint64(round+1) {
				s.t.Fatalf("round %d: lease is %+v", round, l)
			}
			s.release(l.Ref)
			if im := s.get(first).Images[0]; im.State != job.Queued || im.Attempts != 0 {
				s.t.Fatalf("round %d: image is %+v", round, im)
			}
		}
	}},
	{promise: "released images keep their order of acceptance", check: func(s *store) {
		s.submit(count(4))
		s.submit()
		got := s.all("w")
		s.release(got[2].Ref, got[0].Ref, got[1].Ref)
		again := s.all("w")
		var images []int
		for _, l := range again {
			images = append(images, l.Ref.Image)
		}
		if !slices.Equal(images, []int{0, 1, 2}) {
			s.t.Errorf("images came again as %v, expected 0, 1, 2", images)
		}
	}},
	{promise: "writes of an earlier start are fenced and change nothing", check: func(s *store) {
		id := s.submit().ID
		old := s.one("paused").Ref
		s.release(old)
		l := s.one("w")
		s.refused("late finish", s.q.Finish(s.ctx, old, result(old)), job.Fenced)
		s.refused("late fail", s.q.Fail(s.ctx, old, reason(job.Invalid)), job.Fenced)
		s.refused("late engine error", s.q.Fail(s.ctx, old, reason(job.Engine)), job.Fenced)
		if lost := s.beat(worker("paused"), old); !slices.Equal(lost, []job.Ref{old}) {
			s.t.Errorf("beat lost %v, expected %v", lost, old)
		}
		_ = s.q.Release(s.ctx, old)
		_ = s.q.Progress(s.ctx, old, job.Progress{Done: 19, All: 20}, nil)
		if im := s.get(id).Images[0]; im.State != job.InProgress || im.Token != l.Ref.Token || im.Worker != "w" || im.Attempts != 0 {
			s.t.Errorf("image is %+v, expected the later start untouched", im)
		}
		s.finish(l.Ref)
		s.refused("late finish of a finished image", s.q.Finish(s.ctx, old, result(old)), job.Fenced)
		s.refused("late fail of a finished image", s.q.Fail(s.ctx, old, reason(job.Invalid)), job.Fenced)
		if got := s.get(id).Images[0].Result; got == nil || *got != result(l.Ref) {
			s.t.Errorf("result is %v, expected the later start's", got)
		}
	}},
	{promise: "a start that went back to the queue can write no more", check: func(s *store) {
		id := s.submit().ID
		old := s.one("w").Ref
		s.fail(old, job.Engine)
		s.refused("finish after fail", s.q.Finish(s.ctx, old, result(old)), job.Fenced)
		_ = s.q.Fail(s.ctx, old, reason(job.Engine))
		_ = s.q.Release(s.ctx, old)
		if lost := s.beat(worker("w"), old); !slices.Equal(lost, []job.Ref{old}) {
			s.t.Errorf("beat lost %v, expected %v", lost, old)
		}
		if im := s.get(id).Images[0]; im.State != job.Queued || im.Attempts != 1 {
			s.t.Errorf("image is %+v, expected one attempt counted once", im)
		}
		if st := s.stats(); st.Queued != 1 || st.Running != 0 {
			s.t.Errorf("%d queued and %d running, expected 1 and 0", st.Queued, st.Running)
		}
	}},
	{promise: "a token from the future is fenced", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		ahead := l.Ref
		ahead.Token += 5
		s.refused("finish", s.q.Finish(s.ctx, ahead, result(ahead)), job.Fenced)
		s.refused("fail", s.q.Fail(s.ctx, ahead, reason(job.Invalid)), job.Fenced)
		if st := s.get(id); st.State != job.InProgress {
			s.t.Errorf("job is %s", st.State)
		}
	}},
	{promise: "repeating the same finish is no error", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		s.finish(l.Ref)
		rev := s.get(id).Revision
		s.finish(l.Ref)
		if st := s.get(id); st.Revision != rev || st.State != job.Completed {
			s.t.Errorf("the repetition changed the job: %+v", st)
		}
		s.empty()
	}},
	{promise: "of many finishes at once one is recorded", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		each(16, 16, func(int) {
			if err := s.q.Finish(s.ctx, l.Ref, result(l.Ref)); err != nil {
				s.t.Errorf("finish: %v", err)
			}
		})
		if st := s.get(id); st.State != job.Completed || *st.Images[0].Result != result(l.Ref) {
			s.t.Errorf("status is %+v", st)
		}
		s.empty()
	}},
	{promise: "fail after finish is fenced", check: func(s *store) {
		id := s.submit().ID
		l := s.one("w")
		s.finish(l.Ref)
		s.refused("fail", s.q.Fail(s.ctx, l.Ref, reason(job.Invalid)), job.Fenced)
		if st := s.get(id); st.State != job.Completed {
			s.t.Errorf("job is %s, expected completed", st.State)
		}
	}},
	{promise: "beat keeps what is held and answers only what is lost", check: func(s *store) {
		s.submit(count(2))
		got := s.all("w")
		unknown := job.Ref{Job: job.NewID(), Image: 0, Token: 1}
		beyond := job.Ref{Job: got[0].Ref.Job, Image: 99, Token: 1}
		negative := job.Ref{Job: got[0].Ref.Job, Image: -1, Token: 1}
		lost := s.beat(worker("w"), got[0].Ref, unknown, got[1].Ref, beyond, negative)
		if len(lost) != 3 || !slices.Contains(lost, unknown) || !slices.Contains(lost, beyond) || !slices.Contains(lost, negative) {
			s.t.Errorf("lost are %v, expected the three that never were", lost)
		}
		if lost := s.beat(worker("w")); len(lost) != 0 {
			s.t.Errorf("a beat without leases lost %v", lost)
		}
		s.release()
	}},
}
