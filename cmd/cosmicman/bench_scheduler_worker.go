package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cosmicman/artifact"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

// benchSite is the embedded store, a folder of artifacts and one worker, as serve
// has them, with a device whose time is made up.
type benchSite struct {
	store *localq.Store
	files *artifact.Files
	stop  context.CancelFunc
	ended chan error
}

func openBenchSite(ctx context.Context, dir string, e worker.Engine, observe func(job.Event)) (*benchSite, error) {
	s := &benchSite{ended: make(chan error, 1)}
	var err error
	if s.store, err = localq.Open(filepath.Join(dir, "queue"), scheduler.Options{}); err != nil {
		return nil, err
	}
	if s.files, err = artifact.OpenFiles(filepath.Join(dir, "images"), 1<<30); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	w, err := worker.New(worker.Config{Source: s.store, Artifacts: s.files, Engine: e, InProcess: true, Observe: observe, Preload: []string{"m"}})
	if err != nil {
		return nil, errors.Join(err, s.files.Close(), s.store.Close())
	}
	work, stop := context.WithCancel(ctx)
	s.stop = stop
	go func() { s.ended <- w.Run(work, work) }()
	return s, nil
}

func (s *benchSite) close() error {
	s.stop()
	return errors.Join(<-s.ended, s.files.Close(), s.store.Close())
}

func (s *benchSite) submit(ctx context.Context, count int, d job.Drawing) (job.ID, error) {
	status, err := s.store.Submit(ctx, job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: job.Version, Model: "m", Count: count, Seconds: 1, Detached: true, Drawing: d}})
	return status.ID, err
}

// await waits for the end of a job.
func (s *benchSite) await(ctx context.Context, id job.ID) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	updates, err := s.store.Watch(ctx, id, "bench")
	if err != nil {
		return err
	}
	var last job.Status
	for u := range updates {
		last = u.Status
	}
	if last.State != job.Completed {
		return fmt.Errorf("job %s of the benchmark is %s, expected it to be completed", id, last.State)
	}
	return nil
}

func benchDrawing(prompt string, steps int) job.Drawing {
	return job.Drawing{Prompt: prompt, Sampler: "euler", Steps: steps, GuidanceScale: 7.5, Width: 512, Height: 512}
}

// stopwatch is an engine that counts the time spent in it.
type stopwatch struct {
	worker.Engine
	spent atomic.Int64
}

func (s *stopwatch) Open(ctx context.Context, name string) (worker.Model, error) {
	m, err := s.Engine.Open(ctx, name)
	return &stopwatchModel{m, s}, err
}

// time counts the time until the function that it returns is called.
func (s *stopwatch) time() func() {
	begun := time.Now()
	return func() { s.spent.Add(int64(time.Since(begun))) }
}

type stopwatchModel struct {
	worker.Model
	s *stopwatch
}

func (m *stopwatchModel) Begin(ctx context.Context, starts []worker.Start) ([]worker.Sequence, []error) {
	defer m.s.time()()
	return m.Model.Begin(ctx, starts)
}

func (m *stopwatchModel) Step(ctx context.Context, seqs []worker.Sequence) ([]error, error) {
	defer m.s.time()()
	return m.Model.Step(ctx, seqs)
}

func (m *stopwatchModel) Decode(ctx context.Context, s worker.Sequence) (worker.Picture, error) {
	defer m.s.time()()
	p, err := m.Model.Decode(ctx, s)
	return &stopwatchPicture{p, m.s}, err
}

type stopwatchPicture struct {
	worker.Picture
	s *stopwatch
}

func (p *stopwatchPicture) Encode() ([]byte, error) {
	defer p.s.time()()
	return p.Picture.Encode()
}

// idle measures what an idle server adds to the engine's own time for one request.
func (b *schedulerBench) idle(ctx context.Context) (err error) {
	e := &stopwatch{Engine: &workertest.Engine{Begin: time.Millisecond, Fixed: time.Millisecond, PerRow: 500 * time.Microsecond, Decode: 2 * time.Millisecond}}
	s, err := openBenchSite(ctx, filepath.Join(b.dir, "idle"), e, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var added []float64
	for i := range b.times(500, 100) {
		own, begun := e.spent.Load(), time.Now()
		id, err := s.submit(ctx, 1, benchDrawing(fmt.Sprint(i), 20))
		if err != nil {
			return err
		}
		if err := s.await(ctx, id); err != nil {
			return err
		}
		whole := time.Since(begun)
		added = append(added, (whole-time.Duration(e.spent.Load()-own)).Seconds()*1000)
		time.Sleep(10 * time.Millisecond) // idle again
	}
	slices.Sort(added)
	note := fmt.Sprintf("%d requests of 20 steps, embedded store and images on disk", len(added))
	b.add(measured{Name: "idle, one request: time added to the engine's, p50", Value: added[len(added)/2], Unit: "ms", Most: 5, Note: note})
	b.add(measured{Name: "idle, one request: time added to the engine's, p99", Value: added[len(added)*99/100], Unit: "ms", Most: 15})
	return nil
}

// saturated compares a busy worker with the offline loop at its best batch.
func (b *schedulerBench) saturated(ctx context.Context) (err error) {
	// Equal requests have one text, which the engine encodes once: Begin takes no time.
	e := &workertest.Engine{Fixed: 40 * time.Millisecond, PerRow: time.Millisecond, Decode: 10 * time.Millisecond}
	const steps = 20
	before, batch := 0.0, 0
	for n := 4; n <= 32; n *= 2 {
		rate, err := offlineRate(ctx, e, n, steps)
		if err != nil {
			return err
		}
		if rate > before {
			before, batch = rate, n
		}
	}
	var seen busySpell
	s, err := openBenchSite(ctx, filepath.Join(b.dir, "saturated"), e, seen.observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// The first images teach the worker what steps cost, the last find its batch
	// emptying: neither is measured.
	seen.first, seen.last = 96, b.times(480, 288)
	id, err := s.submit(ctx, seen.last+64, benchDrawing("equal", steps))
	if err != nil {
		return err
	}
	if err := s.await(ctx, id); err != nil {
		return err
	}
	after, err := offlineRate(ctx, e, batch, steps)
	if err != nil {
		return err
	}
	offline := (before + after) / 2 // so that a load that comes or goes touches both
	// Images end in waves, so a count of those in a spell of time would depend on where
	// in a wave it begins and ends; the rows stepped do not.
	spell := seen.ended.Sub(seen.begun).Seconds()
	rate := float64(seen.rows) / (2 * steps) / spell
	b.add(measured{Name: "saturated, equal requests: images/s against the offline loop", Value: rate / offline, Unit: "x", Least: 0.95,
		Note: fmt.Sprintf("%.2f/s by rows, %.2f/s recorded, offline %.2f/s with %d images a batch; steps of 42 to 104 ms, %.1f rows each, %.1f %% of the time in the engine",
			rate, float64(seen.last-seen.first)/spell, offline, batch, float64(seen.rows)/float64(seen.calls), 100*seen.busy.Seconds()/spell)})
	return nil
}

// busySpell is what a worker did between two images that it recorded.
type busySpell struct {
	first, last int // images

	mu           sync.Mutex
	finished     int
	begun, ended time.Time
	calls, rows  int
	busy         time.Duration
}

func (s *busySpell) observe(e job.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	within := s.finished >= s.first && s.finished < s.last
	switch {
	case e.Type == job.EventFinished:
		switch s.finished++; s.finished {
		case s.first:
			s.begun = e.Time
		case s.last:
			s.ended = e.Time
		}
	case e.Type == job.EventStepped && within:
		s.calls++
		s.rows += e.Rows
		s.busy += e.Took
	case e.Type == job.EventDecoded && within:
		s.busy += e.Took
	case e.Type == job.EventJoined && within:
		s.busy += e.Took / time.Duration(e.Images)
	}
}

// offlineRate draws a few batches of n images with nothing around the engine.
func offlineRate(ctx context.Context, e worker.Engine, n, steps int) (float64, error) {
	m, err := e.Open(ctx, "m")
	if err != nil {
		return 0, err
	}
	const batches = 2
	begun := time.Now()
	for range batches {
		seqs, errs := m.Begin(ctx, slices.Repeat([]worker.Start{{Drawing: benchDrawing("equal", steps)}}, n))
		if err := errors.Join(errs...); err != nil {
			return 0, err
		}
		for range steps {
			if _, err := m.Step(ctx, seqs); err != nil {
				return 0, err
			}
		}
		for _, s := range seqs {
			p, err := m.Decode(ctx, s)
			if err != nil {
				return 0, err
			}
			if _, err := p.Encode(); err != nil {
				return 0, err
			}
		}
	}
	return float64(batches*n) / time.Since(begun).Seconds(), m.Close()
}

// cancelling counts the steps that a cancelled image still takes: the one under way.
func (b *schedulerBench) cancelling(ctx context.Context) (err error) {
	const step = 20 * time.Millisecond
	type call struct {
		begun  time.Time
		prompt []string
	}
	var mu sync.Mutex
	var calls []call
	e := &workertest.Engine{Fixed: step, OnStep: func(seqs []*workertest.Sequence) ([]error, error) {
		c := call{begun: time.Now()}
		for _, s := range seqs {
			c.prompt = append(c.prompt, s.Start.Drawing.Prompt)
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, c)
		return nil, nil
	}}
	s, err := openBenchSite(ctx, filepath.Join(b.dir, "cancel"), e, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.submit(ctx, 1, benchDrawing("stays", math.MaxInt32)); err != nil {
		return err
	}
	most, sum, times := 0, 0, b.times(40, 10)
	for i := range times {
		victim := fmt.Sprint("victim ", i)
		id, err := s.submit(ctx, 1, benchDrawing(victim, math.MaxInt32))
		if err != nil {
			return err
		}
		time.Sleep(10*step + time.Duration(i)*step/time.Duration(times)) // at any point of a step
		if err := s.store.Cancel(ctx, id); err != nil {
			return err
		}
		at := time.Now()
		time.Sleep(5 * step)
		mu.Lock()
		took := 0
		for k, c := range calls {
			ended := k+1 < len(calls) && calls[k+1].begun.Before(at)
			if !ended && slices.Contains(c.prompt, victim) {
				took++
			}
		}
		mu.Unlock()
		most, sum = max(most, took), sum+took
	}
	b.add(measured{Name: "cancel to free rows, the most of all", Value: float64(most), Unit: "steps", Most: 1,
		Note: fmt.Sprintf("%d cancellations, %.2f steps on average", times, float64(sum)/float64(times))})
	return nil
}
