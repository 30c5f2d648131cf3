package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"cosmicman/job"
)

// TestFault07AFullQueueRefusesExactlyWhatIsTooMuch asks for more than fits.
func TestFault07AFullQueueRefusesExactlyWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	fillQueue(t, 40, 8)
}

func fillQueue(t *testing.T, asked, capacity int) {
	const side = 64
	s := newSite(t, startRedis(t), "", 1, fmt.Sprint("--max-jobs=", capacity))
	alone := mustDraw(t, s.url, ask(1, side, 1))
	s.programs[1].kill() // who would draw
	eventually(t, "the worker is known to be dead", func() error {
		stats, err := s.seen.Stats(t.Context())
		if err == nil && len(stats.Workers) > 0 {
			err = fmt.Errorf("workers: %+v", stats.Workers)
		}
		return err
	})
	got := s.waiting(slices.Repeat([]int{1}, asked), side, "")
	var took []time.Duration
	for range asked - capacity {
		a := <-got
		if a.status != http.StatusTooManyRequests || a.retry == "" {
			t.Errorf("one too many: %v, Retry-After %q", a, a.retry)
		}
		took = append(took, a.took)
	}
	s.accepted(1 + capacity)
	s.worker()
	for range capacity {
		(<-got).same(t, "accepted", alone)
	}
	slices.Sort(took)
	s.account(fmt.Sprintf("asked %d at once where %d have room: %d refused, in %v at the median and %v at most",
		asked, capacity, len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond)))
}

// TestFault08WhatIsPastItsDeadlineIsNeverDrawn lets a deadline pass in the queue.
func TestFault08WhatIsPastItsDeadlineIsNeverDrawn(t *testing.T) {
	t.Parallel()
	s := newSite(t, startRedis(t), "", 0)
	spec := job.Spec{Needs: job.Version, Model: "tiny", Count: 2, Detached: true, Deadline: time.Now().Add(300 * time.Millisecond),
		Drawing: job.Drawing{Prompt: "a headshot", Sampler: "ddim", Steps: 5, Width: 64, Height: 64}}
	late, err := s.seen.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	spec.Deadline = time.Time{}
	next, err := s.seen.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(late.Spec.Deadline)) // what is tried
	w := s.worker()
	s.ended()
	for id, want := range map[job.ID]job.State{late.ID: job.Expired, next.ID: job.Completed} {
		st, err := s.seen.Get(t.Context(), id)
		if err != nil || st.State != want {
			t.Errorf("job is %s, expected %s: %v", st.State, want, err)
		}
		for _, i := range st.Images {
			if want == job.Expired && i.Token > 0 {
				t.Errorf("an image past its deadline was started: %+v", i)
			}
		}
	}
	if n := w.told("msg=leased", string(late.ID)); n > 0 {
		t.Errorf("%d images past their deadline were leased", n)
	}
	s.account("let the deadline of one of two jobs pass in the queue")
}

// TestFault16WorkStopsWhenTheClientGoes takes clients away whose images are queued or
// being drawn.
func TestFault16WorkStopsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	const side = 256
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, 64, 1))
	running, leave := context.WithCancel(t.Context())
	gone := make(chan answer, 2)
	go func() { gone <- draw(running, s.url, ask(2, side, 8), "") }()
	st, _ := s.running(0)
	queued, leaveToo := context.WithCancel(t.Context())
	go func() { gone <- draw(queued, s.url, ask(3, side, 8), "") }()
	s.accepted(3)
	steps := func() int { return s.programs[1].told("msg=stepped", `group="tiny 32x32/77"`) }
	leave()
	leaveToo()
	<-gone
	<-gone
	ids := map[job.State]int{}
	eventually(t, "both jobs are cancelled", func() error {
		clear(ids)
		for _, st := range s.jobs() {
			ids[st.State]++
		}
		if ids[job.Cancelled] != 2 {
			return fmt.Errorf("jobs: %v", ids)
		}
		return nil
	})
	before := steps()
	draw(within(t), s.url, ask(1, 64, 1), "").same(t, "afterwards", alone)
	after := steps()
	// One call may have been under way, and have been written to the log late.
	if after > before+1 {
		t.Errorf("%d calls for images that nobody waits for, expected at most the one under way", after-before)
	}
	now, err := s.seen.Get(t.Context(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range now.Images {
		if i.State == job.Completed {
			t.Errorf("an image was drawn to its end: %+v", i)
		}
	}
	s.account(fmt.Sprintf("two clients left, one with running and one with queued images: %d further steps for them", after-before))
}

// TestFault20OneKeyAHundredTimesIsOneJob sends the same request a hundred times at once.
func TestFault20OneKeyAHundredTimesIsOneJob(t *testing.T) {
	t.Parallel()
	const side, times = 64, 100
	s := newSite(t, startRedis(t), "", 1)
	alone := mustDraw(t, s.url, ask(1, side, 2))
	ctx := within(t)
	got := make(chan answer, times)
	for range times {
		go func() { got <- draw(ctx, s.url, ask(1, side, 2), "the key") }()
	}
	for range times {
		(<-got).same(t, "with the key", alone)
	}
	if n := len(s.jobs()); n != 2 {
		t.Errorf("%d jobs, expected the undisturbed one and one for the key", n)
	}
	if a := draw(ctx, s.url, ask(2, side, 2), "the key"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("another request with the key: %v", a)
	}
	s.account(fmt.Sprintf("sent one key %d times at once", times))
}
