package redisq

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestTheWatchersOfAProcessThatDiedLeaveTheirJobs(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := scheduler.Options{WatchTTL: 400 * time.Millisecond}
	p := newProxy(t, "127.0.0.1:"+s.port)
	dying := open(t, "redis://"+p.addr(), o)
	q := open(t, s.url(), o)
	id := submit(t, dying, submission())
	if _, err := dying.Watch(within(t), id, "someone"); err != nil {
		t.Fatal(err)
	}
	p.cut()
	eventually(t, "the job is cancelled", func(ctx context.Context) error {
		if st, err := q.Get(ctx, id); err != nil || st.State != job.Cancelled {
			return fmt.Errorf("job is %s, %v", st.State, err)
		}
		return nil
	})
}

func TestManyProcessesDrawEachImageOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	const processes, jobs = 6, 120
	var stores []*Store
	for range processes {
		stores = append(stores, open(t, s.url(), scheduler.Options{}))
	}
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var drawn atomic.Int64
	done := make(chan struct{})
	for i, q := range stores {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				l, err := q.Lease(ctx, request(fmt.Sprint("w", i)))
				if err != nil {
					continue
				}
				if err := q.Finish(t.Context(), l[0].Ref, job.Result{Artifact: "a"}); err != nil {
					t.Errorf("finish: %v", err)
				}
				if drawn.Add(1) == jobs {
					cancel()
				}
			}
		}()
	}
	for i := range jobs {
		submit(t, stores[i%processes], submission())
	}
	for range processes {
		<-done
	}
	if n := drawn.Load(); n != jobs {
		t.Errorf("%d images were drawn, expected %d", n, jobs)
	}
}

// A process that waited and got its work is told of later work in the place of one that
// still waits; it has to pass that on.
func TestNewsOfWorkReachesWhoStillWaits(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	busy, idle := open(t, s.url(), scheduler.Options{}), open(t, s.url(), scheduler.Options{})
	both := request("busy")
	both.Offers = append(both.Offers, scheduler.Offer{Model: "other"})
	waiters := func(n int) {
		t.Helper()
		eventually(t, "processes wait", func(ctx context.Context) error {
			if got, err := s.client().ZCard(ctx, busy.base+"waiters").Result(); err != nil || int(got) != n {
				return fmt.Errorf("%d wait, %v, expected %d", got, err, n)
			}
			return nil
		})
	}
	given := make(chan error, 2)
	wait := func(q *Store, r scheduler.LeaseRequest) {
		_, err := q.Lease(within(t), r)
		given <- err
	}
	go wait(busy, both)
	waiters(2)
	submit(t, busy, submission())
	if err := <-given; err != nil {
		t.Fatal(err)
	}
	waiters(1) // of busy, for the other model, which it does not wait for any more
	r := request("idle")
	r.Offers[0].Model = "other"
	go wait(idle, r)
	waiters(2)
	sub := submission()
	sub.Spec.Model = "other"
	submit(t, busy, sub)
	if err := <-given; err != nil {
		t.Fatal(err)
	}
	eventually(t, "both were told", func(ctx context.Context) error {
		if n, err := s.client().ZCard(ctx, busy.base+"waiters").Result(); err != nil || n != 0 {
			return fmt.Errorf("%d are said to wait, %v", n, err)
		}
		return nil
	})
}
