package redisq

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestARedisThatIsKilledAndStartedAgainLosesNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--appendfsync", "always")
	q := open(t, s.url(), scheduler.Options{})
	var ids []job.ID
	for range 50 {
		ids = append(ids, submit(t, q, submission()))
	}
	running := lease(t, q, "w")
	updates, err := q.Watch(within(t), running.Ref.Job, "someone")
	if err != nil {
		t.Fatal(err)
	}
	s.kill()
	_, err = q.Submit(within(t), submission())
	kind(t, "submit without Redis", err, job.Unavailable)
	_, err = q.Stats(within(t))
	kind(t, "stats without Redis", err, job.Unavailable)
	kind(t, "finish without Redis", q.Finish(within(t), running.Ref, job.Result{Artifact: "a"}), job.Unavailable)
	s.start()
	eventually(t, "finish", func(ctx context.Context) error { return q.Finish(ctx, running.Ref, job.Result{Artifact: "a"}) })
	if u := last(t, updates); u.Status.State != job.Completed {
		t.Errorf("the watch ended with %s, %v, expected completed", u.Status.State, u.Status.Error)
	}
	for range 49 {
		finish(t, q, lease(t, q, "w"))
	}
	for _, id := range ids {
		if st, err := q.Get(within(t), id); err != nil || st.State != job.Completed {
			t.Errorf("job is %s, %v", st.State, err)
		}
	}
	t.Logf("killed Redis with 49 queued and 1 running; of 50 jobs 50 were completed, none lost")
}

func TestARedisThatWasAwayForLongTakesNobodyForDead(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--appendfsync", "always")
	o := scheduler.Options{LeaseTTL: time.Second, WatchTTL: time.Second, MaxAttempts: 1}
	q := open(t, s.url(), o)
	for range 3 {
		open(t, s.url(), o) // any of them may look first
	}
	sub := submission()
	sub.Watcher = "someone"
	id := submit(t, q, sub)
	updates, err := q.Watch(within(t), id, "someone")
	if err != nil {
		t.Fatal(err)
	}
	l := lease(t, q, "w")
	s.kill()
	time.Sleep(4 * time.Second)
	s.start()
	eventually(t, "beat", func(ctx context.Context) error {
		lost, err := q.Beat(ctx, scheduler.Worker{ID: "w"}, []job.Ref{l.Ref})
		if len(lost) > 0 {
			t.Errorf("the worker has lost %v", lost)
		}
		return err
	})
	finish(t, q, l)
	if u := last(t, updates); u.Status.State != job.Completed || u.Status.Images[0].Attempts != 0 {
		t.Errorf("the watch ended with %+v", u.Status)
	}
}

func TestAWaitingLeaseGoesOnWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	q := open(t, s.url(), scheduler.Options{})
	got := make(chan job.ID, 1)
	ctx := within(t)
	go func() {
		defer close(got)
		for ctx.Err() == nil {
			l, err := q.Lease(ctx, request("w"))
			if err == nil {
				got <- l[0].Ref.Job
				return
			}
			if job.KindOf(err) != job.Unavailable {
				t.Errorf("lease: %v", err)
				return
			}
		}
	}()
	s.kill()
	s.start()
	sub := submission()
	eventually(t, "submit", func(ctx context.Context) error {
		_, err := q.Submit(ctx, sub)
		return err
	})
	if id := <-got; id != sub.ID {
		t.Errorf("lease gave %q, expected %s", id, sub.ID)
	}
}

func TestARedisThatComesBackEmptyEndsWatchesAsLost(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	q := open(t, s.url(), scheduler.Options{})
	id := submit(t, q, submission())
	l := lease(t, q, "w")
	queued := submit(t, q, submission())
	var watched []<-chan job.Update
	for _, id := range []job.ID{id, queued} {
		updates, err := q.Watch(within(t), id, "someone")
		if err != nil {
			t.Fatal(err)
		}
		watched = append(watched, updates)
	}
	s.kill()
	s.empty()
	s.start()
	for _, updates := range watched {
		if u := last(t, updates); u.Status.Error == nil || u.Status.Error.Kind != job.Lost {
			t.Errorf("the watch ended with %s, %v, expected lost", u.Status.State, u.Status.Error)
		}
	}
	kind(t, "finish", q.Finish(within(t), l.Ref, job.Result{Artifact: "a"}), job.NotFound, job.Fenced)
	lost, err := q.Beat(within(t), scheduler.Worker{ID: "w"}, []job.Ref{l.Ref})
	if err != nil || len(lost) != 1 {
		t.Errorf("beat lost %v, %v, expected the lease", lost, err)
	}
	finish(t, q, func() scheduler.Lease { submit(t, q, submission()); return lease(t, q, "w") }())
	eventually(t, "the schema is written again", func(ctx context.Context) error { return s.client().Get(ctx, q.base+"schema").Err() })
}

func TestARedisThatStandsStillIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	q := open(t, s.url(), scheduler.Options{})
	submit(t, q, submission())
	s.signal(syscall.SIGSTOP)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := q.Get(ctx, "job_x")
		done <- err
	}()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("a call that was given up ended with %v", err)
	}
	_, err := q.Submit(within(t), submission())
	kind(t, "submit", err, job.Unavailable)
	s.signal(syscall.SIGCONT)
	eventually(t, "stats", func(ctx context.Context) error {
		_, err := q.Stats(ctx)
		return err
	})
}

func TestAnswersThatAreLostMakeNoDuplicates(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := newProxy(t, "127.0.0.1:"+s.port)
	q := open(t, "redis://"+p.addr(), scheduler.Options{})
	direct := open(t, s.url(), scheduler.Options{})
	submit(t, direct, submission())
	p.swallow(true)
	sub := submission()
	_, err := q.Submit(within(t), sub)
	kind(t, "submit whose answer is lost", err, job.Unavailable)
	_, err = q.Lease(within(t), request("w"))
	kind(t, "lease whose answer is lost", err, job.Unavailable)
	p.swallow(false)
	eventually(t, "submit", func(ctx context.Context) error {
		_, err := q.Submit(ctx, sub)
		return err
	})
	eventually(t, "the lost lease is given back", func(ctx context.Context) error {
		if st, err := direct.Stats(ctx); err != nil || st.Queued != 2 || st.Running != 0 || st.Jobs != 2 {
			return fmt.Errorf("stats are %+v, %v", st, err)
		}
		return nil
	})
	for range 2 {
		l := lease(t, direct, "w")
		if l.Attempt != 1 {
			t.Errorf("an answer that was lost counted as an attempt: %+v", l)
		}
		finish(t, direct, l)
	}
}

func TestAFullRedisRefusesNewJobsAndLetsRunningOnesEnd(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	q := open(t, s.url(), scheduler.Options{})
	a := q.Artifacts(0)
	var ids []job.ID
	for range 4 {
		ids = append(ids, submit(t, q, submission()))
	}
	first, second, third := lease(t, q, "w"), lease(t, q, "w"), lease(t, q, "w")
	before, err := s.client().DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	s.set("maxmemory", "1mb") // less than it has
	sub := submission()
	_, err = q.Submit(within(t), sub)
	kind(t, "submit", err, job.Unavailable)
	if e, ok := err.(*job.Error); !ok || e.RetryAfter <= 0 {
		t.Errorf("refusal is %#v, expected a time to come again", err)
	}
	kind(t, "put", a.Put(within(t), "name", []byte("data"), time.Hour), job.Overloaded)
	if _, err := q.Get(within(t), sub.ID); job.KindOf(err) != job.NotFound {
		t.Errorf("half of the refused job is there: %v", err)
	}
	if after, err := s.client().DBSize(t.Context()).Result(); err != nil || after > before {
		t.Errorf("%d keys, before %d", after, before)
	}
	updates, err := q.Watch(within(t), first.Ref.Job, "someone")
	if err != nil {
		t.Fatalf("watch: %v", err)
	}
	if lost, err := q.Beat(within(t), scheduler.Worker{ID: "w"}, []job.Ref{first.Ref, second.Ref, third.Ref}); err != nil || len(lost) != 0 {
		t.Fatalf("beat lost %v, %v", lost, err)
	}
	finish(t, q, first)
	if u := last(t, updates); u.Status.State != job.Completed {
		t.Errorf("the watcher was told %s", u.Status.State)
	}
	if err := q.Fail(within(t), second.Ref, job.Errorf(job.Engine, "it broke")); err != nil {
		t.Errorf("fail: %v", err)
	}
	if err := q.Release(within(t), third.Ref); err != nil {
		t.Errorf("release: %v", err)
	}
	for range 3 {
		finish(t, q, lease(t, q, "w"))
	}
	for _, id := range ids {
		if st, err := q.Get(within(t), id); err != nil || st.State != job.Completed {
			t.Errorf("job is %s, %v", st.State, err)
		}
	}
	s.set("maxmemory", "0")
	submit(t, q, sub)
	t.Logf("filled Redis with 3 running and 1 queued; all 4 were completed, nothing half-written")
}

func TestWrongSettingsAreSaid(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--appendonly", "no")
	q := open(t, s.url(), scheduler.Options{})
	st, err := q.Stats(within(t))
	if err != nil || len(st.Warning) != 1 || !strings.Contains(st.Warning[0], "appendonly yes") {
		t.Errorf("warnings are %q, %v", st.Warning, err)
	}
	s.set("maxmemory-policy", "allkeys-lru")
	eventually(t, "an evicting Redis is refused", func(ctx context.Context) error {
		_, err := q.Stats(ctx)
		if job.KindOf(err) == job.Unavailable && strings.Contains(err.Error(), "noeviction") {
			return nil
		}
		return fmt.Errorf("stats: %w", err)
	})
	s.set("maxmemory-policy", "noeviction")
	s.set("appendonly", "yes")
	eventually(t, "right settings are seen", func(ctx context.Context) error {
		st, err := q.Stats(ctx)
		if err == nil && len(st.Warning) > 0 {
			err = fmt.Errorf("warnings are %q", st.Warning)
		}
		return err
	})
}

func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if err := s.client().Set(t.Context(), "{"+prefix(t)+"}:schema", schema+1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{URL: s.url(), Prefix: prefix(t)})
	kind(t, "open", err, job.TooNew)
	for _, v := range []int{schema, schema + 1} {
		if !strings.Contains(err.Error(), fmt.Sprint(v)) {
			t.Errorf("%q does not name version %d", err, v)
		}
	}
}

func TestOpenOfNoRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.kill()
	_, err := Open(t.Context(), Config{URL: s.url()})
	kind(t, "open", err, job.Unavailable)
}
