package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

// fleet is workers on the embedded store, in real time, with a device in a hurry.
type fleet struct {
	store *localq.Store
	shelf *shelf
	drain []context.CancelFunc
	stop  []context.CancelFunc
	runs  sync.WaitGroup
}

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{store: localq.OpenMemory(scheduler.Options{}), shelf: &shelf{files: map[string][]byte{}}}
	for range n {
		f.add(t)
	}
	return f
}

func (f *fleet) add(t *testing.T) {
	t.Helper()
	w, err := worker.New(worker.Config{Source: f.store, Artifacts: f.shelf, Beat: 50 * time.Millisecond,
		Engine: &workertest.Engine{Fixed: 2 * time.Millisecond, PerRow: 50 * time.Microsecond, Decode: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	fetch, drain := context.WithCancel(t.Context())
	work, stop := context.WithCancel(t.Context())
	f.drain, f.stop = append(f.drain, drain), append(f.stop, stop)
	f.runs.Go(func() {
		if err := w.Run(fetch, work); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (f *fleet) end(t *testing.T) {
	t.Helper()
	for i := range f.stop {
		f.drain[i]()
		f.stop[i]()
	}
	f.runs.Wait()
	if err := f.store.Close(); err != nil {
		t.Errorf("closing the store: %v", err)
	}
}

// await waits for the end of a job.
func (f *fleet) await(t *testing.T, id job.ID) job.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	updates, err := f.store.Watch(ctx, id, "test")
	if err != nil {
		t.Fatal(err)
	}
	var last job.Status
	for u := range updates {
		last = u.Status
	}
	if !last.State.Terminal() {
		t.Fatalf("job %s is %s when its updates end", id, last.State)
	}
	return last
}

func (f *fleet) submit(t *testing.T, s job.Spec) job.ID {
	t.Helper()
	s.Detached, s.Seconds, s.Needs = true, 0.1, job.Version
	status, err := f.store.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	return status.ID
}

func TestTheEmbeddedStoreAndThreeWorkersLoseNothing(t *testing.T) {
	f := newFleet(t, 3)
	defer f.end(t)
	random := rand.New(rand.NewPCG(4, 2))
	var ids []job.ID
	cancelled := map[job.ID]bool{}
	for i := range 60 {
		s := spec(1+random.IntN(3), 3+random.IntN(20))
		s.Drawing.Seed, s.Tenant, s.Priority = uint64(i), fmt.Sprint(i%3), job.Priority(random.IntN(3)-1)
		if random.IntN(2) == 0 {
			s.Drawing.GuidanceScale = 1
		}
		id := f.submit(t, s)
		ids = append(ids, id)
		switch {
		case i%10 == 9:
			if err := f.store.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			cancelled[id] = true
		case i == 30:
			f.stop[0]() // in the middle: everything it held goes back
		case i == 40:
			f.drain[1]()
			f.add(t)
		}
		time.Sleep(time.Millisecond)
	}
	for _, id := range ids {
		status := f.await(t, id)
		if cancelled[id] {
			if status.State != job.Cancelled {
				t.Errorf("job %s is %s, want it cancelled", id, status.State)
			}
			continue
		}
		if status.State != job.Completed {
			t.Errorf("job %s is %s (%v), want completed", id, status.State, status.Error)
			continue
		}
		for i, image := range status.Images {
			f.shelf.mu.Lock()
			got := string(f.shelf.files[image.Result.Artifact])
			f.shelf.mu.Unlock()
			if want := string(workertest.Image("m", status.Spec.Drawing, i)); got != want {
				t.Errorf("job %s image %d is %q, want %q as drawn alone", id, i, got, want)
			}
			if image.Attempts != 0 {
				t.Errorf("job %s image %d has %d failed attempts, want none", id, i, image.Attempts)
			}
		}
	}
	stats, err := f.store.Stats(t.Context())
	if err != nil || stats.Queued != 0 || stats.Running != 0 || stats.Dead != 0 {
		t.Errorf("in the end: %+v, %v", stats, err)
	}
}
