package localq

import (
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// reopened closes a store and opens it again, as after a crash: nobody is told.
func reopened(t *testing.T, s *Store, o scheduler.Options) *Store {
	t.Helper()
	closed(t, s)
	return open(t, s.journal.dir, o)
}

func TestARestartCountsAsACrashOfWhatRanInTheProcess(t *testing.T) {
	o := scheduler.Options{MaxAttempts: 2}
	s := open(t, t.TempDir(), o)
	id := submit(t, s, withImages(2))
	for attempt := 1; attempt <= 2; attempt++ {
		if l := lease(t, s, request("w")); l.Ref.Image != 0 || l.Attempt != attempt {
			t.Errorf("attempt %d is %+v", attempt, l)
		}
		s = reopened(t, s, o)
	}
	st := get(t, s, id)
	if st.State != job.Failed || st.Error.Kind != job.Crashed || st.Images[0].State != job.Failed || st.Images[1].State != job.Cancelled {
		t.Errorf("after two crashes the job is %+v", st)
	}
	s = reopened(t, s, o)
	if dead, err := s.Dead(bg, 9); err != nil || len(dead) != 1 || dead[0].ID != id || dead[0].Revision != st.Revision {
		t.Errorf("the dead letters are %+v, %v", dead, err)
	}
	if err := s.Retry(bg, id); err != nil {
		t.Fatal(err)
	}
	s = reopened(t, s, o)
	for i := range 2 {
		l := lease(t, s, request("w"))
		if l.Ref.Image != i || l.Attempt != 1 || i == 0 && l.Ref.Token != 3 {
			t.Errorf("after retry the start is %+v", l)
		}
		if err := s.Finish(bg, l.Ref, job.Result{Artifact: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	before := st.Revision
	if st := get(t, s, id); st.State != job.Completed || st.Revision <= before {
		t.Errorf("the job is %+v", st)
	}
}

func TestKeysOrderAndEndsOutliveARestart(t *testing.T) {
	s := open(t, t.TempDir(), scheduler.Options{})
	keyed := func(sub *job.Submission) { sub.Key, sub.Digest = "k", "d" }
	first := submit(t, s, keyed)
	second := submit(t, s)
	back := submit(t, s)
	gone := submit(t, s)
	if err := s.Drop(bg, gone); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		lease(t, s, request("w"))
	}
	l := lease(t, s, request("w"))
	if err := s.Leave(bg, "w"); err != nil {
		t.Fatal(err)
	}
	if l.Ref.Job != back {
		t.Fatalf("the third start is %v", l.Ref)
	}
	late := submit(t, s)
	s = reopened(t, s, scheduler.Options{})
	if id := submit(t, s, keyed); id != first {
		t.Errorf("the key names %s, expected %s", id, first)
	}
	if _, err := s.Get(bg, gone); job.KindOf(err) != job.NotFound {
		t.Errorf("the dropped job: %v", err)
	}
	for i, id := range []job.ID{first, second, back, late} {
		if l := lease(t, s, request("w")); l.Ref.Job != id || l.Attempt != 1 {
			t.Errorf("start %d is %+v, expected of %s", i, l, id)
		}
	}
	if err := s.Cancel(bg, late); err != nil {
		t.Fatal(err)
	}
	ended := get(t, s, late)
	s = reopened(t, s, scheduler.Options{})
	st := get(t, s, late)
	if st.State != job.Cancelled || !st.Ended.Equal(ended.Ended) || !st.Created.Equal(ended.Created) || st.Error == nil || st.Error.Kind != job.Withdrawn {
		t.Errorf("the cancelled job is %+v", st)
	}
}

func TestWatchersHaveAWhileToComeBackAfterARestart(t *testing.T) {
	clock := newClock()
	o := scheduler.Options{Now: clock.Now}
	s := open(t, t.TempDir(), o)
	watched := func(sub *job.Submission) { sub.Watcher = "me" }
	returns, vanishes, free := submit(t, s, watched), submit(t, s, watched), submit(t, s)
	s = reopened(t, s, o)
	for id, name := range map[job.ID]string{returns: "me again", vanishes: ""} {
		if _, err := s.Watch(t.Context(), id, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, passed := range []struct {
		time     time.Duration
		vanishes job.State
	}{{19 * time.Second, job.Queued}, {2 * time.Second, job.Cancelled}} {
		clock.now = clock.now.Add(passed.time)
		s.Sweep()
		for id, want := range map[job.ID]job.State{returns: job.Queued, vanishes: passed.vanishes, free: job.Queued} {
			if st := get(t, s, id); st.State != want {
				t.Errorf("after %v more the job is %s, expected %s", passed.time, st.State, want)
			}
		}
	}
}

func TestARetriedJobLivesOnAfterARestart(t *testing.T) {
	o := scheduler.Options{WatchTTL: 50 * time.Millisecond}
	s := open(t, t.TempDir(), o)
	id := submit(t, s, func(sub *job.Submission) { sub.Watcher = "was told its end" })
	if err := s.Fail(bg, lease(t, s, request("w")).Ref, job.Errorf(job.Invalid, "it cannot be drawn")); err != nil {
		t.Fatal(err)
	}
	if err := s.Retry(bg, id); err != nil {
		t.Fatal(err)
	}
	s = reopened(t, s, o)
	time.Sleep(2 * o.WatchTTL)
	if st := get(t, s, id); st.State != job.InProgress {
		t.Errorf("nobody watches it, and it is %s, %v", st.State, st.Error)
	}
}
