package worker_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a queue in memory with faults on demand; its images have tokens and
// leases as the real ones.
type source struct {
	mu       sync.Mutex
	images   []*entry
	more     chan struct{} // closed and renewed when something can be leased
	revoke   map[string]chan job.Ref
	progress map[string][]job.Progress
	previews map[string][]job.Preview
	beats    []scheduler.Worker
	asked    []scheduler.LeaseRequest
	left     []string
	down     bool          // every call fails
	hung     bool          // every write hangs until its context ends
	tries    int           // calls of Lease
	slowly   time.Duration // what telling a preview takes
	attempts int           // before a job.Engine error is final
}

type entry struct {
	spec    job.Spec
	ref     job.Ref
	worker  string // "" while queued
	attempt int
	back    int // returns without an attempt
	state   job.State
	result  job.Result
	err     *job.Error
	ended   time.Time
}

func newSource() *source {
	return &source{more: make(chan struct{}), revoke: map[string]chan job.Ref{}, progress: map[string][]job.Progress{}, previews: map[string][]job.Preview{}, attempts: 3}
}

func (s *source) submit(spec job.Spec) job.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := job.NewID()
	for i := range max(1, spec.Count) {
		s.images = append(s.images, &entry{spec: spec, ref: job.Ref{Job: id, Image: i}, state: job.Queued, attempt: 1})
	}
	s.changed()
	return id
}

func (s *source) changed() {
	close(s.more)
	s.more = make(chan struct{})
}

var errDown = job.Errorf(job.Unavailable, "the store is down")

func (s *source) gate() error {
	if s.down {
		return errDown
	}
	return nil
}

// hang waits for the end of ctx as long as calls hang.
func (s *source) hang(ctx context.Context) error {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if !hung {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *source) setHung(hung bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = hung
}

func (s *source) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	s.changed()
}

func (s *source) Lease(ctx context.Context, r scheduler.LeaseRequest) ([]scheduler.Lease, error) {
	for {
		s.mu.Lock()
		s.tries++
		if err := s.gate(); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		var got []scheduler.Lease
		for _, e := range s.images {
			offered := slices.ContainsFunc(r.Offers, func(o scheduler.Offer) bool { return o.Model == e.spec.Model })
			if e.state == job.Queued && offered && len(got) < r.Max && ctx.Err() == nil {
				e.state, e.worker = job.InProgress, r.Worker
				e.ref.Token++
				got = append(got, scheduler.Lease{Ref: e.ref, Spec: e.spec, Attempt: e.attempt, Accepted: time.Now()})
			}
		}
		more := s.more
		if len(got) > 0 {
			s.asked = append(s.asked, r)
		}
		s.mu.Unlock()
		if len(got) > 0 || r.NoWait {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-more:
		}
	}
}

func (s *source) find(r job.Ref) (*entry, error) {
	for _, e := range s.images {
		if e.ref.Job == r.Job && e.ref.Image == r.Image {
			if e.ref.Token != r.Token || e.state != job.InProgress {
				return nil, job.Errorf(job.Fenced, "image %v is at start %d, %s", r, e.ref.Token, e.state)
			}
			return e, nil
		}
	}
	return nil, job.Errorf(job.NotFound, "no image %v", r)
}

func (s *source) Beat(_ context.Context, w scheduler.Worker, refs []job.Ref) (lost []job.Ref, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gate(); err != nil {
		return nil, err
	}
	s.beats = append(s.beats, w)
	for _, r := range refs {
		if _, err := s.find(r); err != nil {
			lost = append(lost, r)
		}
	}
	return lost, nil
}

func (s *source) Revocations(ctx context.Context, name string) (<-chan job.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gate(); err != nil {
		return nil, err
	}
	s.revoke[name] = make(chan job.Ref, 100)
	return s.revoke[name], nil
}

func (s *source) Progress(ctx context.Context, r job.Ref, p job.Progress, v *job.Preview) error {
	s.hang(ctx)
	if s.slowly > 0 && v != nil {
		time.Sleep(s.slowly)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s/%d", r.Job, r.Image)
	if _, err := s.find(r); err != nil && v != nil {
		return err
	}
	s.progress[key] = append(s.progress[key], p)
	if v != nil {
		s.previews[key] = append(s.previews[key], *v)
	}
	return s.gate()
}

func (s *source) write(r job.Ref, do func(e *entry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gate(); err != nil {
		return err
	}
	e, err := s.find(r)
	if err != nil {
		return err
	}
	do(e)
	s.changed()
	return nil
}

func (s *source) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	if err := s.hang(ctx); err != nil {
		return err
	}
	return s.write(r, func(e *entry) { e.state, e.result, e.ended = job.Completed, result, time.Now() })
}

func (s *source) Fail(_ context.Context, r job.Ref, reason *job.Error) error {
	return s.write(r, func(e *entry) {
		e.err, e.state = reason, job.Failed
		if reason.Kind == job.Engine && e.attempt < s.attempts {
			e.attempt++
			e.state = job.Queued
		}
		e.ended = time.Now()
	})
}

func (s *source) Release(_ context.Context, refs ...job.Ref) error {
	for _, r := range refs {
		if err := s.write(r, func(e *entry) { e.state, e.back = job.Queued, e.back+1 }); err == errDown {
			return err
		}
	}
	return nil
}

func (s *source) Leave(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, name)
	for _, e := range s.images {
		if e.state == job.InProgress && e.worker == name {
			e.state = job.Queued
		}
	}
	return s.gate()
}

// cancel ends a job's images as a client's cancellation does.
func (s *source) cancel(id job.ID, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.images {
		if e.ref.Job == id && !e.state.Terminal() {
			if tell && e.state == job.InProgress {
				s.revoke[e.worker] <- e.ref
			}
			e.state = job.Cancelled
		}
	}
}

// expire takes images from their worker as the end of a lease does.
func (s *source) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.images {
		if e.state == job.InProgress {
			e.state, e.attempt = job.Queued, e.attempt+1
		}
	}
	s.changed()
}

// told returns what was told of an image.
func (s *source) told(key string) ([]job.Progress, []job.Preview) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.progress[key]), slices.Clone(s.previews[key])
}

func (s *source) beaten() []scheduler.Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.beats)
}

// of returns a job's images.
func (s *source) of(id job.ID) (entries []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.images {
		if e.ref.Job == id {
			entries = append(entries, *e)
		}
	}
	return entries
}

// shelf is an artifact store in memory.
type shelf struct {
	mu    sync.Mutex
	files map[string][]byte
	err   error
	tries int
	reads int
}

func (a *shelf) Put(_ context.Context, name string, data []byte, _ time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tries++
	if a.err != nil {
		return a.err
	}
	a.files[name] = data
	return nil
}

func (a *shelf) Get(_ context.Context, name string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	if a.err != nil {
		return nil, a.err
	}
	data, ok := a.files[name]
	if !ok {
		return nil, job.Errorf(job.NotFound, "there is no artifact %s", name)
	}
	return data, nil
}

func (a *shelf) Delete(_ context.Context, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.files, name)
	return nil
}

func (a *shelf) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *shelf) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.files))
}

// bench is a worker at work in a bubble of made-up time.
type bench struct {
	t       testing.TB
	source  *source
	shelf   *shelf
	engine  *workertest.Engine
	worker  *worker.Worker
	drain   context.CancelFunc
	stop    context.CancelFunc
	ended   chan error
	mu      sync.Mutex
	events  []job.Event
	stopped bool
}

// quick is an engine of which 8 rows are worth a step.
func quick() *workertest.Engine {
	return &workertest.Engine{Begin: 5 * time.Millisecond, Fixed: 160 * time.Millisecond, PerRow: 10 * time.Millisecond, Decode: 20 * time.Millisecond}
}

// working runs f while a worker works, in a bubble.
func working(t *testing.T, e *workertest.Engine, set func(*worker.Config), f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newSource(), &shelf{files: map[string][]byte{}}, e, set)
		f(b)
		b.end()
	})
}

func newBench(t testing.TB, s *source, a *shelf, e *workertest.Engine, set func(*worker.Config)) *bench {
	t.Helper()
	b := &bench{t: t, source: s, shelf: a, engine: e, ended: make(chan error, 1)}
	c := worker.Config{Source: s, Artifacts: a, Engine: e, Host: "host", Observe: b.observe, Logf: t.Logf}
	if set != nil {
		set(&c)
	}
	var err error
	if b.worker, err = worker.New(c); err != nil {
		t.Fatal(err)
	}
	fetch, drain := context.WithCancel(t.Context())
	work, stop := context.WithCancel(t.Context())
	b.drain, b.stop = drain, stop
	go func() { b.ended <- b.worker.Run(fetch, work) }()
	return b
}

func (b *bench) observe(e job.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *bench) count(kind job.EventType) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// wait returns what Run returned.
func (b *bench) wait() error {
	b.stopped = true
	return <-b.ended
}

func (b *bench) end() {
	b.drain()
	b.stop()
	if !b.stopped {
		if err := b.wait(); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}
}

// spec is a job of n images with guidance.
func spec(n, steps int) job.Spec {
	return job.Spec{Model: "m", Count: n, Drawing: job.Drawing{Prompt: "a person", Steps: steps, GuidanceScale: 7.5, Seed: 40, Width: 512, Height: 512}}
}

// wantDrawn checks that all images of a job are recorded with the bytes of an
// image drawn alone.
func (b *bench) wantDrawn(id job.ID) {
	b.t.Helper()
	for _, e := range b.source.of(id) {
		if e.state != job.Completed {
			b.t.Errorf("image %d is %s (%v), want completed", e.ref.Image, e.state, e.err)
			continue
		}
		b.shelf.mu.Lock()
		got := string(b.shelf.files[e.result.Artifact])
		d := e.spec.Drawing
		start := worker.Start{Drawing: d, Image: e.ref.Image, Init: b.shelf.files[d.Init], Mask: b.shelf.files[d.Mask]}
		b.shelf.mu.Unlock()
		if want := string(workertest.Begun(e.spec.Model, start)); got != want {
			b.t.Errorf("image %d is %q, want %q as drawn alone", e.ref.Image, got, want)
		}
	}
}

// wantFailed checks that an image has failed with a kind.
func (b *bench) wantFailed(e entry, kind job.Kind) {
	b.t.Helper()
	if e.state != job.Failed || e.err == nil || e.err.Kind != kind {
		b.t.Errorf("image %d is %s (%v), want failed as %s", e.ref.Image, e.state, e.err, kind)
	}
}
