package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
)

// inFlight is how many images of a file are in the queue at a time: more than a
// device takes, so that it is always full.
const inFlight = 256

// jobs draws a file of requests into a folder.
type jobs struct {
	e      *environment
	queue  *localq.Store
	outbox *outbox
	out    *manifest

	mu     sync.Mutex
	drawn  int
	failed []string
}

// generateJobs is generate with --jobs: what is whole already is left as it is.
func generateJobs(ctx context.Context, e *environment, m *modelFlags, path, dir string) (err error) {
	refs, err := m.refs("generate", e.getenv)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return usagef("generate: --model is required: a diffusers folder, or org/name in the Hugging Face cache")
	}
	models, err := openModels(refs)
	defer func() { err = errors.Join(err, models.Close()) }()
	if err != nil {
		return err
	}
	in := &inputs{ctx: ctx, paths: map[string]string{}}
	lines, err := readJobs(path, models, in)
	if err != nil {
		return err
	}
	out, err := openManifest(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	j := &jobs{e: e, out: out, outbox: &outbox{inputs: in, files: map[string][]byte{}}}
	todo, all, err := j.missing(lines)
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		if err := j.run(ctx, m, refs, models.loras, todo); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stdout, "%d of %d images drawn, %d were there\n", j.drawn, all, all-len(todo))
	if len(j.failed) > 0 {
		return fmt.Errorf("%d images could not be drawn: %s", len(j.failed), strings.Join(j.failed, "; "))
	}
	return nil
}

// wanted is an image that is to be drawn.
type wanted struct {
	line  *jobLine
	image int
}

func (j *jobs) missing(lines []*jobLine) (todo []wanted, all int, err error) {
	for _, l := range lines {
		for i := range l.count {
			all++
			whole, err := j.out.has(l.file(i), l.digest)
			if err != nil {
				return nil, 0, err
			}
			if !whole {
				todo = append(todo, wanted{l, i})
			}
		}
	}
	return todo, all, nil
}

// run draws images with a worker on a queue in memory.
func (j *jobs) run(ctx context.Context, m *modelFlags, refs []modelRef, files *loras, todo []wanted) (err error) {
	rt, err := ort.Open(m.library)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	engine, err := newEngine(rt, refs, m.settings, "")
	if err != nil {
		return err
	}
	engine.loras = files
	j.queue = localq.OpenMemory(scheduler.Options{MaxJobs: math.MaxInt32, Retention: time.Minute})
	defer func() { err = errors.Join(err, j.queue.Close()) }()
	w, err := worker.New(worker.Config{
		Source: j.queue, Artifacts: j.outbox, Engine: engine, InProcess: true,
		Logf: func(format string, args ...any) { fmt.Fprintf(j.e.stderr, format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fetch, enough := context.WithCancel(ctx)
	defer enough()
	var drawing, waiting sync.WaitGroup
	drawing.Go(func() {
		if err := w.Run(fetch, ctx); err != nil {
			cancel(err)
		}
	})
	places := make(chan struct{}, inFlight)
	for _, t := range todo {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		waiting.Go(func() {
			defer func() { <-places }()
			if err := j.one(ctx, t); err != nil {
				cancel(err)
			}
		})
	}
	waiting.Wait()
	enough()
	drawing.Wait()
	return context.Cause(ctx)
}

// one has an image drawn and puts it in place. The error is one that ends the run;
// an image that cannot be drawn is noted.
func (j *jobs) one(ctx context.Context, t wanted) error {
	spec := job.Spec{Needs: job.Version, Model: t.line.model, Count: 1, Drawing: t.line.draw}
	spec.Drawing.Seed += uint64(t.image)
	spec.Seconds = estimate(scheduler.Stats{}, &spec)
	const name = "generate"
	accepted, err := j.queue.Submit(ctx, job.Submission{ID: job.NewID(), Spec: spec, Watcher: name})
	if err != nil {
		return err
	}
	updates, err := j.queue.Watch(ctx, accepted.ID, name)
	if err != nil {
		return err
	}
	last := accepted
	for u := range updates {
		last = u.Status
	}
	if err := ctx.Err(); err != nil && last.State != job.Completed {
		return err
	}
	file := t.line.file(t.image)
	if last.State != job.Completed || last.Images[0].Result == nil {
		j.fail(fmt.Sprintf("%s (line %d): %s", file, t.line.number, reason(last.Error)))
		return nil
	}
	r := last.Images[0].Result
	warnCut(j.e, file+": ", r.Cut, r.NegativeCut)
	err = j.out.add(drawnImage{
		Line: t.line.number, Image: t.image, File: file, Seed: r.Seed, Width: r.Width, Height: r.Height, Model: t.line.model,
		Request: t.line.digest, Fingerprint: r.Fingerprint, Seconds: r.Seconds,
	}, j.outbox.take(r.Artifact))
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drawn++
	fmt.Fprintf(j.e.stdout, "%s  seed %d  %dx%d\n", file, r.Seed, r.Width, r.Height)
	return nil
}

func (j *jobs) fail(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed = append(j.failed, what)
	fmt.Fprintln(j.e.stderr, what)
}

// outbox has images in memory from when they are drawn until they are written, and
// what they begin from in files.
type outbox struct {
	inputs *inputs
	mu     sync.Mutex
	files  map[string][]byte
}

func (s *outbox) Get(_ context.Context, name string) ([]byte, error) { return s.inputs.file(name) }

func (s *outbox) Put(_ context.Context, name string, data []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = data
	return nil
}

func (s *outbox) Delete(_ context.Context, name string) error {
	s.take(name)
	return nil
}

// take returns an image and forgets it.
func (s *outbox) take(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.files[name]
	delete(s.files, name)
	return data
}
