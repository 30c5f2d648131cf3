package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
)

// TestFault01KilledWorkersLoseNothing kills workers in the middle of images.
func TestFault01KilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	killWorkers(t, 3)
}

// killWorkers kills the worker of an image that is being drawn, while clients keep
// the site busy, and starts another.
func killWorkers(t *testing.T, kills int) {
	const side, seeds, clients = 160, 4, 3
	s := newSite(t, startRedis(t), "", 2)
	var alone [seeds][][]byte
	for seed := range alone {
		alone[seed] = mustDraw(t, s.url, ask(seed, side, 1))
	}
	stop, ctx := make(chan struct{}), within(t)
	var all sync.WaitGroup
	answers := make(chan int, clients)
	for c := range clients {
		all.Go(func() {
			n := 0
			defer func() { answers <- n }()
			for ; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				seed := (c + n) % seeds
				a := draw(context.WithoutCancel(ctx), s.url, ask(seed, side, 1), "")
				a.same(t, fmt.Sprintf("client %d, request %d", c, n), alone[seed])
				if a.err != nil {
					return
				}
			}
		})
	}
	var slowest time.Duration
	for range kills {
		st, image := s.running(0)
		s.process(image.Worker).kill()
		killed := time.Now()
		s.worker()
		eventually(t, "the image is drawn by another worker", func() error {
			now, err := s.seen.Get(t.Context(), st.ID)
			if err != nil {
				return err
			}
			if now.State != job.Completed {
				return fmt.Errorf("job %s is %s, images %+v", st.ID, now.State, now.Images)
			}
			return nil
		})
		slowest = max(slowest, time.Since(killed))
	}
	close(stop)
	all.Wait()
	total := 0
	for range clients {
		total += <-answers
	}
	s.account(fmt.Sprintf("killed %d workers in mid-image, with leases of %v the slowest image was there %v later; %d requests answered with the undisturbed images",
		kills, leaseTTL, slowest.Round(10*time.Millisecond), total))
	for _, st := range s.jobs() {
		if st.State != job.Completed {
			t.Errorf("job %s is %s: %v", st.ID, st.State, st.Error)
		}
	}
}

// TestFault02AWorkerThatWasStoppedIsFenced stops a worker for longer than its lease.
func TestFault02AWorkerThatWasStoppedIsFenced(t *testing.T) {
	t.Parallel()
	const side = 192
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, side, 1))
	got := make(chan answer, 1)
	ctx := within(t)
	go func() { got <- draw(ctx, s.url, ask(1, side, 1), "") }()
	st, image := s.running(0)
	stopped := s.process(image.Worker)
	stopped.signal(syscall.SIGSTOP)
	s.worker()
	(<-got).same(t, "drawn by another worker", alone)
	before, err := s.seen.Get(t.Context(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	stopped.signal(syscall.SIGCONT)
	eventually(t, "the worker gives its image up", func() error {
		stats, err := s.seen.Stats(t.Context())
		if err != nil {
			return err
		}
		for _, w := range stats.Workers {
			if w.ID == image.Worker && w.Active == 0 {
				return nil
			}
		}
		return fmt.Errorf("workers: %+v", stats.Workers)
	})
	if stopped.told("msg=stored", "job="+string(st.ID)) > 0 {
		t.Error("the stopped worker went on to the end")
	}
	// What it would have written last, in case that it had been a step from the end.
	late := job.Ref{Job: st.ID, Image: 0, Token: image.Token}
	if err := s.seen.Finish(t.Context(), late, job.Result{Artifact: "img_late"}); job.KindOf(err) != job.Fenced {
		t.Errorf("the late finish: %v, expected it to be fenced", err)
	}
	after, err := s.seen.Get(t.Context(), st.ID)
	if err != nil || after.State != job.Completed || *after.Images[0].Result != *before.Images[0].Result || after.Images[0].Token <= image.Token {
		t.Errorf("the job was %+v, is %+v, %v", before, after, err)
	}
	if got := mustDraw(t, s.url, ask(1, side, 1)); string(got[0]) != string(alone[0]) {
		t.Error("afterwards the same request gave another image")
	}
	s.account("stopped a worker in mid-image for longer than its lease")
}
