package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

// line is a worker's way to the store. When it is cut the worker has died as far as
// the store can tell: nothing it says arrives any more.
type line struct {
	scheduler.Source
	cut <-chan struct{}
}

var errCut = &job.Error{Kind: job.Unavailable, Message: "the line is cut"}

func (l *line) dead() bool {
	select {
	case <-l.cut:
		return true
	default:
		return false
	}
}

func (l *line) Lease(ctx context.Context, r scheduler.LeaseRequest) ([]scheduler.Lease, error) {
	if l.dead() {
		return nil, errCut
	}
	return l.Source.Lease(ctx, r)
}

func (l *line) Beat(ctx context.Context, w scheduler.Worker, leases []job.Ref) ([]job.Ref, error) {
	if l.dead() {
		return nil, errCut
	}
	return l.Source.Beat(ctx, w, leases)
}

func (l *line) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	if l.dead() {
		return errCut
	}
	return l.Source.Finish(ctx, r, result)
}

func (l *line) Fail(ctx context.Context, r job.Ref, reason *job.Error) error {
	if l.dead() {
		return errCut
	}
	return l.Source.Fail(ctx, r, reason)
}

func (l *line) Release(ctx context.Context, refs ...job.Ref) error {
	if l.dead() {
		return errCut
	}
	return l.Source.Release(ctx, refs...)
}

func (l *line) Leave(ctx context.Context, worker string) error {
	if l.dead() {
		return errCut
	}
	return l.Source.Leave(ctx, worker)
}

// shelf keeps images in memory.
type shelf struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (s *shelf) Put(_ context.Context, name string, data []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = data
	return nil
}

func (s *shelf) Get(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.files[name]
	if !ok {
		return nil, job.Errorf(job.NotFound, "there is no artifact %s", name)
	}
	return data, nil
}

func (s *shelf) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}

func (s *shelf) get(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.files[name])
}

// crew is workers that die and are replaced.
type crew struct {
	t     *testing.T
	store *localq.Store
	shelf *shelf
	lives sync.WaitGroup

	mu       sync.Mutex
	crashes  int
	drains   int
	recorded int // images, as the workers were told
}

func (c *crew) observe(e job.Event) {
	if e.Type == job.EventFinished {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.recorded++
	}
}

// keep runs one worker after the other until end.
func (c *crew) keep(number int, end context.Context) {
	r := rand.New(rand.NewPCG(7, uint64(number)))
	for life := 0; end.Err() == nil; life++ {
		cut := make(chan struct{})
		w, err := worker.New(worker.Config{ID: fmt.Sprintf("worker-%d-%d", number, life), Source: &line{c.store, cut}, Artifacts: c.shelf, Observe: c.observe,
			Engine: &workertest.Engine{Load: 5 * time.Second, Begin: 20 * time.Millisecond, Fixed: 400 * time.Millisecond, PerRow: 100 * time.Millisecond, Decode: time.Second}})
		if err != nil {
			c.t.Error(err)
			return
		}
		fetch, drain := context.WithCancel(context.Background())
		work, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		c.lives.Go(func() {
			defer close(ended)
			if err := w.Run(fetch, work); err != nil {
				c.t.Errorf("Run: %v", err)
			}
		})
		select {
		case <-end.Done():
			drain()
		case <-time.After(time.Duration((0.2 + r.ExpFloat64()) * float64(12*time.Minute))):
			c.mu.Lock()
			if r.IntN(4) == 0 {
				c.drains++
				drain()
			} else {
				c.crashes++
				close(cut) // what it knows dies with it
				stop()
			}
			c.mu.Unlock()
		}
		<-ended
		drain()
		stop()
		pause := time.NewTimer(10 * time.Second)
		select {
		case <-pause.C:
		case <-end.Done():
			pause.Stop()
		}
	}
}

func TestAnHourOfRealWorkersThatCrashLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crew{t: t, store: localq.OpenMemory(scheduler.Options{MaxAttempts: 6, Retention: 24 * time.Hour}), shelf: &shelf{files: map[string][]byte{}}}
		end, stop := context.WithCancel(context.Background())
		var keepers sync.WaitGroup
		const workers = 24
		for i := range workers {
			keepers.Go(func() { c.keep(i, end) })
		}
		r := rand.New(rand.NewPCG(3, 4))
		var ids []job.ID
		cancelled := map[job.ID]bool{}
		for begun := time.Now(); time.Since(begun) < time.Hour; {
			time.Sleep(time.Duration(r.ExpFloat64() * float64(8*time.Second)))
			d := anything(r)
			s := job.Spec{Needs: job.Version, Tenant: fmt.Sprint(r.IntN(5)), Priority: job.Priority(r.IntN(3) - 1), Model: "m", Count: 1 + r.IntN(6), Seconds: 10, Detached: true, Drawing: d}
			status, err := c.store.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: s})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, status.ID)
			if r.IntN(20) == 0 {
				time.Sleep(time.Duration(r.IntN(20)) * time.Second)
				if err := c.store.Cancel(t.Context(), status.ID); err != nil {
					t.Fatal(err)
				}
				cancelled[status.ID] = true
			}
		}
		states, images, attempts := map[job.State]int{}, 0, 0
		for _, id := range ids {
			status := ending(t, c.store, id)
			states[status.State]++
			for i, image := range status.Images {
				attempts += image.Attempts
				if image.State != job.Completed {
					continue
				}
				images++
				if got, want := c.shelf.get(image.Result.Artifact), string(workertest.Image("m", status.Spec.Drawing, i)); got != want {
					t.Errorf("job %s image %d is not the one that is drawn alone", id, i)
				}
			}
			if status.State != job.Completed && !cancelled[id] {
				t.Errorf("job %s is %s: %v", id, status.State, status.Error)
			}
		}
		stop()
		keepers.Wait()
		c.lives.Wait()
		stats, err := c.store.Stats(t.Context())
		if err != nil || stats.Queued+stats.Running+stats.Jobs != 0 {
			t.Errorf("in the end: %+v, %v", stats, err)
		}
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%d workers: %d jobs (%v), %d images recorded, %d crashes, %d drains, %d failed attempts; lost: none", workers, len(ids), states, images, c.crashes, c.drains, attempts)
		if c.recorded != images {
			t.Errorf("the workers recorded %d images, the store has %d", c.recorded, images)
		}
		if c.crashes == 0 || c.drains == 0 || attempts == 0 {
			t.Errorf("%d crashes, %d drains, %d failed attempts: some fault did not happen", c.crashes, c.drains, attempts)
		}
	})
}

// ending waits for a job's last state.
func ending(t *testing.T, store *localq.Store, id job.ID) (last job.Status) {
	t.Helper()
	updates, err := store.Watch(t.Context(), id, "test")
	if err != nil {
		t.Fatal(errors.Join(errors.New("watching "+string(id)), err))
	}
	for u := range updates {
		last = u.Status
	}
	return last
}

func anything(r *rand.Rand) job.Drawing {
	sizes := []int{512, 768, 1024}
	return job.Drawing{Prompt: "a person", Sampler: "euler", Steps: 10 + r.IntN(20), GuidanceScale: 1 + float64(r.IntN(2)), Seed: uint64(r.Uint32()), Width: sizes[r.IntN(3)], Height: 512}
}
