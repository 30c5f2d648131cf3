package localq

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestADeadlinePassesWithoutAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		id := submit(t, s, func(sub *job.Submission) { sub.Spec.Deadline = time.Now().Add(time.Minute) })
		updates, err := s.Watch(t.Context(), id, "")
		if err != nil {
			t.Fatal(err)
		}
		<-updates
		before := time.Now()
		if u := <-updates; u.Status.State != job.Expired || u.Status.Error.Kind != job.PastDue {
			t.Errorf("the watcher is told %s, %v", u.Status.State, u.Status.Error)
		}
		if waited := time.Since(before); waited != time.Minute {
			t.Errorf("it expired after %v", waited)
		}
		if leases, err := s.Lease(bg, request("w")); err != nil || len(leases) != 0 {
			t.Errorf("lease: %v, %v", leases, err)
		}
	})
}

func TestASilentWorkersImageGoesToOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		id := submit(t, s)
		first := lease(t, s, request("silent"))
		r := request("waits")
		r.NoWait = false
		for attempt := 2; attempt <= 3; attempt++ {
			before := time.Now()
			l := lease(t, s, r)
			if l.Ref.Job != id || l.Attempt != attempt || l.Ref.Token != first.Ref.Token+uint64(attempt-1) || time.Since(before) != 30*time.Second {
				t.Errorf("after %v the lease is %+v", time.Since(before), l)
			}
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if st := get(t, s, id); st.State != job.Failed || st.Error.Kind != job.Crashed {
			t.Errorf("after 3 attempts the job is %s, %v", st.State, st.Error)
		}
		if st, err := s.Stats(bg); err != nil || st.Dead != 1 || st.Running != 0 || len(st.Workers) != 0 {
			t.Errorf("the store has %+v, %v", st, err)
		}
	})
}

func TestARetriedImageWaitsForItsFingerprintForHalfALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		submit(t, s)
		r := request("other")
		r.Fingerprint = "other"
		if err := s.Fail(bg, lease(t, s, r).Ref, job.Errorf(job.Engine, "NaN")); err != nil {
			t.Fatal(err)
		}
		r = request("w")
		r.NoWait = false
		before := time.Now()
		lease(t, s, r)
		if waited := time.Since(before); waited != 15*time.Second {
			t.Errorf("it waited %v, expected half of 30 s", waited)
		}
	})
}

func TestAModelIsLoadedOnceItsJobsHaveWaitedForAsLongAsThatTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{LeaseTTL: time.Hour})
		if _, err := s.Beat(bg, scheduler.Worker{ID: "busy", Models: []scheduler.Offer{{Model: "m"}}}, nil); err != nil {
			t.Fatal(err)
		}
		submit(t, s)
		r := request("cold")
		r.NoWait, r.Offers = false, []scheduler.Offer{{Model: "m", LoadSeconds: 40}}
		before := time.Now()
		lease(t, s, r)
		if waited := time.Since(before).Round(time.Millisecond); waited != 40*time.Second {
			t.Errorf("it waited %v, expected 40 s", waited)
		}
	})
}

func TestAModelThatIsLoadedForAgesIsLoadedByNobodyElse(t *testing.T) {
	s := inMemory(t, scheduler.Options{})
	if _, err := s.Beat(bg, scheduler.Worker{ID: "busy", Models: []scheduler.Offer{{Model: "m"}}}, nil); err != nil {
		t.Fatal(err)
	}
	submit(t, s)
	r := request("cold")
	r.Offers = []scheduler.Offer{{Model: "m", LoadSeconds: 1e300}}
	if leases, err := s.Lease(bg, r); err != nil || len(leases) != 0 {
		t.Errorf("lease: %v, %v", leases, err)
	}
}

func TestAWatcherThatNeverComesHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		watched := func(sub *job.Submission) { sub.Watcher = "me" }
		mortal := submit(t, s, watched)
		keyed := submit(t, s, watched, func(sub *job.Submission) { sub.Key = "k" })
		detached := submit(t, s, watched, func(sub *job.Submission) { sub.Spec.Detached = true })
		unwatched := submit(t, s)
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if st := get(t, s, mortal); st.State != job.Queued {
			t.Errorf("before WatchTTL the job is %s", st.State)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := get(t, s, mortal); st.State != job.Cancelled || st.Error.Kind != job.Withdrawn {
			t.Errorf("the job that nobody waits for is %s, %v", st.State, st.Error)
		}
		for _, id := range []job.ID{keyed, detached, unwatched} {
			if st := get(t, s, id); st.State != job.Queued {
				t.Errorf("a job that lives without watchers is %s", st.State)
			}
		}
	})
}

func TestTheLastWatcherToLeaveEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		id := submit(t, s, func(sub *job.Submission) { sub.Watcher = "a" })
		actx, aleaves := context.WithCancel(bg)
		bctx, bleaves := context.WithCancel(bg)
		defer bleaves()
		onlooker, leaves := context.WithCancel(bg)
		defer leaves()
		for name, ctx := range map[string]context.Context{"a": actx, "b": bctx, "": onlooker} {
			if _, err := s.Watch(ctx, id, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		aleaves()
		synctest.Wait()
		if st := get(t, s, id); st.State != job.Queued {
			t.Errorf("with a watcher left the job is %s", st.State)
		}
		bleaves()
		synctest.Wait()
		if st := get(t, s, id); st.State != job.Cancelled {
			t.Errorf("without watchers the job is %s", st.State)
		}
	})
}

func TestEndedJobsAreKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{LeaseTTL: time.Minute})
		keyed := func(sub *job.Submission) { sub.Key, sub.Digest = "k", "d" }
		dead := submit(t, s, keyed)
		if err := s.Fail(bg, lease(t, s, request("w")).Ref, job.Errorf(job.OutOfMemory, "too large")); err != nil {
			t.Fatal(err)
		}
		done := submit(t, s)
		if err := s.Finish(bg, lease(t, s, request("w")).Ref, job.Result{}); err != nil {
			t.Fatal(err)
		}
		if again := submit(t, s, keyed); again != dead {
			t.Errorf("within an hour the key names %s, expected %s", again, dead)
		}
		time.Sleep(59 * time.Minute)
		get(t, s, done)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, err := s.Get(bg, done); job.KindOf(err) != job.NotFound {
			t.Errorf("after an hour: %v, expected not found", err)
		}
		get(t, s, dead)
		if again := submit(t, s, keyed); again == dead {
			t.Error("after an hour the key still names the dead letter")
		}
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		if _, err := s.Get(bg, dead); job.KindOf(err) != job.NotFound {
			t.Errorf("after a week: %v, expected not found", err)
		}
	})
}

func TestWithAClockOfItsOwnTimePassesInSweep(t *testing.T) {
	clock := newClock()
	s := inMemory(t, scheduler.Options{Now: clock.Now})
	id := submit(t, s)
	lease(t, s, request("w"))
	if next := s.Sweep(); !next.Equal(clock.now.Add(30 * time.Second)) {
		t.Errorf("the next thing is due at %v, expected in 30 s", next)
	}
	clock.now = clock.now.Add(31 * time.Second)
	if st := get(t, s, id); st.State != job.InProgress || st.Images[0].State != job.InProgress {
		t.Errorf("before Sweep the image is %s", st.Images[0].State)
	}
	if next := s.Sweep(); !next.IsZero() {
		t.Errorf("after Sweep something is due at %v, expected nothing: the worker and its lease are gone", next)
	}
	if st := get(t, s, id); st.Images[0].State != job.Queued || st.Images[0].Attempts != 1 {
		t.Errorf("after Sweep the image is %+v", st.Images[0])
	}
}

// TestAProcessThatStoodStillTakesNobodyForDead lets a minute pass in which nobody
// could beat, since the store's process was stopped.
func TestAProcessThatStoodStillTakesNobodyForDead(t *testing.T) {
	clock := newClock()
	s := inMemory(t, scheduler.Options{Now: clock.Now})
	beating, silent := submit(t, s), submit(t, s)
	leases := []scheduler.Lease{lease(t, s, request("w")), lease(t, s, request("x"))}
	clock.now = clock.now.Add(time.Minute)
	s.Sweep()
	if lost, err := s.Beat(bg, scheduler.Worker{ID: "w"}, []job.Ref{leases[0].Ref}); err != nil || len(lost) > 0 {
		t.Errorf("the first beat afterwards: lost %v, %v", lost, err)
	}
	clock.now = clock.now.Add(16 * time.Second)
	s.Sweep()
	if img := get(t, s, beating).Images[0]; img.State != job.InProgress || img.Attempts != 0 {
		t.Errorf("the image of the worker that beat is %+v", img)
	}
	if img := get(t, s, silent).Images[0]; img.State != job.Queued || img.Attempts != 1 {
		t.Errorf("the image of the worker that stayed silent is %+v", img)
	}
}

func TestAWatcherIsToldHowItsJobMovesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		submit(t, s, withImages(3))
		updates, err := s.Watch(t.Context(), submit(t, s), "me")
		if err != nil {
			t.Fatal(err)
		}
		for before := 3; before >= 0; before-- {
			if u := <-updates; u.Status.Position != before || u.Status.State != job.Queued {
				t.Errorf("the watcher is told %d, %s; expected %d", u.Status.Position, u.Status.State, before)
			}
			lease(t, s, request("w"))
		}
		if u := <-updates; u.Status.State != job.InProgress {
			t.Errorf("at last the watcher is told %s", u.Status.State)
		}
	})
}

func TestTwoCallsOfOneWorkerDoNotKeepEachOtherAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, scheduler.Options{})
		ctx, stop := context.WithCancel(bg)
		for _, model := range []string{"a", "b"} {
			r := request("w")
			r.NoWait, r.Offers = false, []scheduler.Offer{{Model: model}}
			go func() { _, _ = s.Lease(ctx, r) }()
		}
		time.Sleep(time.Hour) // passes only while all goroutines wait
		stop()
		synctest.Wait()
	})
}
