package worker

import (
	"context"
	"errors"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/pack"
)

// Worker draws what it leases. Run may be called once.
type Worker struct {
	c       Config
	started atomic.Bool
	start   time.Time

	fingerprint, device string // of the engine

	wake    chan struct{} // one place: the device has something new
	room    chan struct{} // one place: there may be room to lease
	news    chan struct{} // one place: the next beat is due now
	out     outcomes
	tell    tellings
	uploads uploads

	turn atomic.Pointer[time.Time] // when the device's present turn began; nil while it is idle

	mu          sync.Mutex
	held        map[job.Ref]*image // every lease that has not ended
	inbox       []*image           // leased, not taken by the device yet
	reading     int                // leased images whose uploads are being read
	target      int                // images to hold; written by the device
	gulp        int                // images to ask for at once; written by the device
	onDevice    int                // images that count against target; written by the device
	offers      []scheduler.Offer  // written by the device
	cancelLease context.CancelFunc // of the call in progress
	active      int
	rows        int
	costs       map[string]float64
	broken      map[string]string
}

// image is one lease, from its arrival to its end.
type image struct {
	lease  scheduler.Lease
	leased time.Time
	gone   atomic.Pointer[job.EventType] // set when the store says that it must stop: why

	// The rest belongs to the device's goroutine, then to the finisher's.
	init     *upload // until it is begun; nil where it begins from text alone
	mask     *upload
	seq      Sequence
	group    *pack.Group
	rows     int
	alone    bool
	done     int // network calls
	all      int
	text     Text
	seconds  float64
	told     time.Time
	previews int // decoded, or given up
	sketches int
	sketched time.Time // the last

	lastPreview chan struct{} // closed once it was told; nil: there is none
}

func (m *image) start() Start {
	return Start{Drawing: m.lease.Spec.Drawing, Image: m.lease.Ref.Image, Init: m.init.bytes(), Mask: m.mask.bytes()}
}

// event begins an event about the image.
func (m *image) event(kind job.EventType) job.Event {
	e := job.Event{Type: kind, Job: m.lease.Ref.Job, Image: m.lease.Ref.Image, Model: m.lease.Spec.Model,
		Tenant: m.lease.Spec.Tenant, Attempt: m.lease.Attempt, Trace: m.lease.Spec.Trace}
	if m.group != nil {
		e.Group, e.Rows = m.group.Group, m.rows
	}
	return e
}

// New checks the configuration whole: the error names all that is wrong with it.
func New(c Config) (*Worker, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w := &Worker{
		c:    c.withDefaults(),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), news: make(chan struct{}, 1),
		held: map[job.Ref]*image{}, broken: map[string]string{},
	}
	w.fingerprint, w.device = w.c.Engine.Fingerprint(), w.c.Engine.Device()
	w.out.init()
	w.tell.init()
	w.uploads.init()
	return w, nil
}

// ID returns the worker's name in the queue.
func (w *Worker) ID() string { return w.c.ID }

// Broken returns the models that could not be loaded, and why.
func (w *Worker) Broken() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.broken)
}

// Costs returns, by model, the device seconds of one row, one step and one latent pixel.
func (w *Worker) Costs() map[string]float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.costs)
}

// Run draws until a context ends: when fetch ends nothing more is leased and what
// runs is finished; when work ends it stops at the end of the present step and gives
// everything back. It returns nil after either, and ErrRestart as Config.RestartAfterOOM says.
func (w *Worker) Run(fetch, work context.Context) error {
	if w.started.Swap(true) {
		return job.Errorf(job.Invalid, "this worker was run before")
	}
	w.start = time.Now()
	fetch, stopFetch := context.WithCancel(fetch)
	defer stopFetch()
	defer context.AfterFunc(work, stopFetch)()
	background := context.WithoutCancel(work)
	living, die := context.WithCancel(background)
	finishing, giveUp := context.WithCancel(background)
	defer giveUp()

	d := newDevice(w, work, stopFetch)
	d.publish()
	w.beat(work)

	var parts, finishers sync.WaitGroup
	parts.Go(func() { w.beats(living) })
	parts.Go(func() { w.revocations(living) })
	parts.Go(func() { w.tells(living) })
	for range finisherCount {
		finishers.Go(func() { w.finishes(finishing) })
	}
	fetched := make(chan struct{})
	parts.Go(func() {
		defer close(fetched)
		<-d.ready
		w.fetches(fetch)
	})

	err := d.run(fetch, fetched)
	stopFetch()
	<-fetched
	d.close()
	w.out.close()
	w.await(&finishers, work, giveUp)
	die()
	parts.Wait()
	w.leave(background)
	return err
}

// await waits for the finishers; when work ends they have the grace time left.
func (w *Worker) await(finishers *sync.WaitGroup, work context.Context, giveUp context.CancelFunc) {
	done := make(chan struct{})
	var timer sync.WaitGroup
	timer.Go(func() {
		select {
		case <-done:
			return
		case <-work.Done():
		}
		select {
		case <-done:
		case <-time.After(w.c.Grace):
			giveUp()
		}
	})
	finishers.Wait()
	close(done)
	timer.Wait()
}

func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.c.Grace)
	defer cancel()
	if err := w.c.Source.Leave(ctx, w.c.ID); err != nil {
		w.c.Logf("worker %s: leaving the queue: %v", w.c.ID, err)
	}
}

// report is what a beat tells.
func (w *Worker) report() scheduler.Worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := scheduler.Worker{ID: w.c.ID, Host: w.c.Host, PID: os.Getpid(), Version: w.c.Version, Started: w.start,
		Fingerprint: w.fingerprint, Device: w.device, Models: w.offers,
		Active: w.active, Rows: w.rows, Costs: w.costs, Facts: w.c.Facts}
	if len(w.broken) > 0 {
		r.Broken = w.broken
	}
	return r
}

// stalled reports whether the device hangs: its present turn takes too long.
func (w *Worker) stalled() bool {
	begun := w.turn.Load()
	return begun != nil && time.Since(*begun) > w.c.StallAfter
}

// observe completes an event and passes it on.
func (w *Worker) observe(e job.Event) {
	e.Time, e.Worker = time.Now(), w.c.ID
	w.c.Observe(e)
}

// end takes a lease off the books and reports whether it was on them.
func (w *Worker) end(r job.Ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, had := w.held[r]
	delete(w.held, r)
	return had
}

// lose marks a lease that the store has taken away; the device drops it at the end
// of the present step.
func (w *Worker) lose(r job.Ref, why job.EventType) {
	w.mu.Lock()
	m := w.held[r]
	w.mu.Unlock()
	if m != nil && m.gone.CompareAndSwap(nil, &why) {
		signal(w.wake)
	}
}

// signal leaves word in a channel of one place.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// typed makes sure that an error has a kind.
func typed(err error, kind job.Kind, format string, args ...any) *job.Error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	e := job.Errorf(kind, format, args...)
	e.Cause = err
	return e
}
