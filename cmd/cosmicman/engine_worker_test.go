package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
)

// shelf keeps artifacts in memory.
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

// lastStatus waits for the end of a job.
func lastStatus(t *testing.T, q *localq.Store, id job.ID) job.Status {
	t.Helper()
	updates, err := q.Watch(t.Context(), id, "test")
	if err != nil {
		t.Fatal(err)
	}
	var last job.Status
	for u := range updates {
		last = u.Status
	}
	return last
}

// TestMixesThroughTheWorker sends random requests for two models through the queue
// and two workers' own packing; some jobs are cancelled, and one worker stops half
// way. What comes out is what is drawn alone, byte for byte.
func TestMixesThroughTheWorker(t *testing.T) {
	settings := inference.Settings{Threads: 1}
	refs := []modelRef{{Name: "sd", Ref: tiny(t, "tiny-sd")}, {Name: "xl", Ref: tiny(t, "tiny-sdxl")}}
	q := localq.OpenMemory(scheduler.Options{})
	files := &shelf{files: maps.Clone(uploaded())}
	var runs sync.WaitGroup
	var stops []context.CancelFunc
	var mu sync.Mutex
	most, together := 0, 0
	for range 2 {
		w, err := worker.New(worker.Config{Source: q, Artifacts: files, Engine: openEngine(t, settings, refs...), Observe: func(e job.Event) {
			if mu.Lock(); e.Type == job.EventStepped {
				most, together = max(most, e.Rows), max(together, e.Images)
			}
			mu.Unlock()
		}, Logf: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		stops = append(stops, stop)
		runs.Go(func() {
			if err := w.Run(ctx, ctx); err != nil {
				t.Error(err)
			}
		})
	}
	end := sync.OnceValue(func() error {
		for _, stop := range stops {
			stop()
		}
		runs.Wait()
		return q.Close()
	})
	defer end()

	r := rand.New(rand.NewPCG(9, 9))
	specs := map[job.ID]job.Spec{}
	cancelled := map[job.ID]bool{}
	for i := range 40 {
		s := job.Spec{
			Needs: job.Version, Tenant: fmt.Sprint(i % 3), Priority: job.Priority(r.IntN(3) - 1), Model: refs[r.IntN(2)].Name,
			Count: 1 + r.IntN(3), Seconds: 0.1, Detached: true, Drawing: randomDrawing(r),
		}
		status, err := q.Submit(t.Context(), job.Submission{ID: job.NewID(), Spec: s})
		if err != nil {
			t.Fatal(err)
		}
		specs[status.ID] = s
		switch {
		case i%8 == 7:
			if err := q.Cancel(t.Context(), status.ID); err != nil {
				t.Fatal(err)
			}
			cancelled[status.ID] = true
		case i == 20:
			lastStatus(t, q, status.ID)
			stops[0]() // what it holds goes back to the queue
		}
	}
	alone := map[string]worker.Model{}
	for _, ref := range refs {
		alone[ref.Name] = openModel(t, openEngine(t, settings, refs...), ref.Name)
	}
	images := 0
	for id, s := range specs {
		status := lastStatus(t, q, id)
		if cancelled[id] {
			if status.State != job.Cancelled && status.State != job.Completed {
				t.Errorf("a cancelled job is %s: %v", status.State, status.Error)
			}
			continue
		}
		if status.State != job.Completed {
			t.Errorf("%+v is %s: %v", s.Drawing, status.State, status.Error)
			continue
		}
		for i, image := range status.Images {
			m := alone[s.Model]
			only := begin(t, m, startOf(s.Drawing, i))
			for !finished(only) {
				step(t, m, only)
			}
			files.mu.Lock()
			got := files.files[image.Result.Artifact]
			files.mu.Unlock()
			if !bytes.Equal(got, encode(t, m, only)) {
				t.Errorf("%s, image %d: the file is not the one drawn alone: %+v", s.Model, i, s.Drawing)
			}
			images++
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	t.Logf("%d images compared; up to %d rows and %d images a call", images, most, together)
	if images < 40 || together < 2 {
		t.Error("too little was packed")
	}
}
