package worker

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/pack"
)

// device is what the device's goroutine owns.
type device struct {
	w         *Worker
	work      context.Context
	stopFetch context.CancelFunc
	book      *pack.Book
	models    []*model
	active    []*image // oldest first
	waiting   []*image // leased, not begun, in the order they were leased
	ready     chan struct{}
	draining  bool    // nothing is leased any more
	restart   bool    // memory ran out: end as soon as what runs has ended
	abandon   bool    // the device cannot be trusted any more: end now
	changed   float64 // when a model was unloaded last, 0: never
	saved     time.Time
	priced    time.Time
	idleSince time.Time
}

const saveEvery = 5 * time.Minute

func newDevice(w *Worker, work context.Context, stopFetch context.CancelFunc) *device {
	d := &device{w: w, work: work, stopFetch: stopFetch, book: pack.NewBook(w.c.params()), ready: make(chan struct{}), saved: w.start}
	for _, info := range w.c.Engine.Models() {
		d.models = append(d.models, &model{name: info.Name, bytes: info.Bytes, pinned: slices.Contains(w.c.Pin, info.Name)})
		if w.c.State != "" {
			if err := d.book.Load(w.c.State, w.fingerprint, info.Name); err != nil {
				w.c.Logf("worker %s: learned costs are ignored: %v", w.c.ID, err)
			}
		}
	}
	return d
}

// run takes turns until a context ends and nothing is left to do.
func (d *device) run(fetch context.Context, fetched <-chan struct{}) error {
	d.preload()
	close(d.ready)
	for {
		d.take()
		if d.work.Err() != nil || d.abandon {
			break
		}
		if fetch.Err() != nil {
			d.draining = true
			d.w.giveBack(d.waiting)
			d.waiting = nil
			if len(d.active) == 0 && d.drained(fetched) {
				break
			}
		}
		d.dismiss()
		d.publish()
		if time.Since(d.saved) >= saveEvery {
			d.save()
		}
		s := d.state()
		d.turn(pack.Choose(s), fetch)
	}
	d.stopFetch()
	<-fetched // what was leased meanwhile goes back too
	d.take()
	d.w.giveBack(slices.Concat(d.active, d.waiting))
	d.active, d.waiting = nil, nil
	if d.restart {
		return ErrRestart
	}
	return nil
}

// drained reports whether nothing was leased at the last moment.
func (d *device) drained(fetched <-chan struct{}) bool {
	<-fetched
	d.take()
	return len(d.waiting) == 0
}

// take moves what arrived to the waiting, and drops what the store has taken away.
func (d *device) take() {
	w := d.w
	w.mu.Lock()
	d.waiting = append(d.waiting, w.inbox...)
	w.onDevice += len(w.inbox)
	w.inbox = nil
	w.mu.Unlock()
	drop := func(m *image) bool { return w.dropped(m) }
	d.active = slices.DeleteFunc(d.active, drop)
	d.waiting = slices.DeleteFunc(d.waiting, drop)
}

// state is what the policy decides on.
func (d *device) state() pack.State {
	w := d.w
	s := pack.State{Now: d.now(), Memory: w.c.Memory, KeepAlive: w.c.KeepAlive.Seconds(), Full: w.out.full(), Book: d.book, Pad: d.pad,
		Active: make([]pack.Sequence, 0, len(d.active)), Waiting: make([]pack.Waiting, 0, len(d.waiting)), Models: make([]pack.Model, 0, len(d.models))}
	for _, m := range d.active {
		s.Active = append(s.Active, pack.Sequence{Group: m.group, Rows: m.rows, Left: m.all - m.done, Alone: m.alone, Preview: m.previewDue()})
	}
	for _, m := range d.waiting {
		s.Waiting = append(s.Waiting, pack.Waiting{Group: d.expected(m), Rows: m.rows, Alone: m.alone})
	}
	for _, m := range d.models {
		s.Models = append(s.Models, pack.Model{Name: m.name, Bytes: m.bytes, Loaded: m.loaded != nil, Pinned: m.pinned, Used: m.used, RetryAt: m.retryAt})
	}
	return s
}

// now is the policy's clock: seconds since the worker started.
func (d *device) now() float64 { return time.Since(d.w.start).Seconds() }

// expected is what can be said of an image's group before it is begun.
func (d *device) expected(m *image) job.Group {
	g := job.Group{Model: m.lease.Spec.Model, Height: m.lease.Spec.Drawing.Height / 8, Width: m.lease.Spec.Drawing.Width / 8}
	if g.Height == 0 || g.Width == 0 {
		if known := d.model(g.Model); known != nil {
			g.Height, g.Width = known.height, known.width
		}
	}
	return g
}

func (d *device) pad(g job.Group, n int) int {
	if m := d.model(g.Model); m != nil && m.loaded != nil {
		return m.loaded.Rows(g, n)
	}
	return n
}

// publish tells the other goroutines what the device can take, and beats when its
// models have changed.
func (d *device) publish() {
	w := d.w
	s := d.state()
	target, gulp := pack.Target(s)
	offers := d.offers()
	if d.draining {
		target, offers = 0, nil // others need not wait for this one to take its models' images
	}
	stepping := 0
	for _, m := range d.active {
		if m.done < m.all {
			stepping++
		}
	}
	var costs map[string]float64
	if time.Since(d.priced) >= time.Second {
		costs, d.priced = d.book.PerPixel(), time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := !slices.Equal(offers, w.offers)
	if changed {
		w.offers = offers
		w.broken = d.broken()
		if w.cancelLease != nil {
			w.cancelLease()
		}
		signal(w.news)
	}
	if (len(d.active) == 0) != (w.active == 0) { // whoever looks at the queue sees it busy, or idle, at once
		signal(w.news)
	}
	w.target, w.gulp, w.onDevice, w.active = target, gulp, pack.Held(s), len(d.active)
	if costs != nil {
		w.costs = costs
	}
	signal(w.room)
}

// turn does what was chosen.
func (d *device) turn(c pack.Choice, fetch context.Context) {
	if c.Action != pack.Idle && !d.idleSince.IsZero() {
		d.w.observe(job.Event{Type: job.EventIdle, Took: time.Since(d.idleSince)})
		d.idleSince = time.Time{}
	}
	if c.Action != pack.Idle {
		begun := time.Now()
		d.w.turn.Store(&begun)
		defer d.w.turn.Store(nil)
	}
	switch c.Action {
	case pack.Begin:
		d.begin(c)
	case pack.Step:
		d.step(c)
	case pack.Decode:
		d.decode(c)
	case pack.Preview:
		d.preview(c)
	case pack.Load:
		d.load(d.model(c.Model))
	case pack.Unload:
		d.unload(d.model(c.Model))
		d.changed = d.now()
	default:
		d.idle(c.Until, fetch)
	}
}

// idle waits until something comes, or a model's time does.
func (d *device) idle(until float64, fetch context.Context) {
	if d.idleSince.IsZero() {
		d.idleSince = time.Now()
	}
	for _, m := range d.models {
		if m.retryAt > d.now() && (until == 0 || m.retryAt < until) {
			until = m.retryAt
		}
	}
	var due <-chan time.Time
	if until > 0 {
		timer := time.NewTimer(time.Duration(max(0, until-d.now())*1e9) + time.Millisecond)
		defer timer.Stop()
		due = timer.C
	}
	stop := fetch.Done()
	if fetch.Err() != nil {
		stop = nil // known already
	}
	select {
	case <-d.w.wake:
	case <-due:
	case <-stop:
	case <-d.work.Done():
	}
}

// close ends what the device holds.
func (d *device) close() {
	d.save()
	for _, m := range d.models {
		if m.loaded != nil {
			d.unload(m)
		}
	}
}

// save keeps the learned costs of the models that were used.
func (d *device) save() {
	d.saved = time.Now()
	if d.w.c.State == "" {
		return
	}
	for _, m := range d.models {
		if !m.learned {
			continue
		}
		if err := d.book.Save(d.w.c.State, d.w.fingerprint, m.name); err != nil {
			d.w.c.Logf("worker %s: keeping learned costs: %v", d.w.c.ID, err)
		}
		m.learned = false
	}
}

// guard calls the engine. A panic becomes an error; its stack goes to the log.
func (w *Worker) guard(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.c.Logf("worker %s: panic while %s: %v\n%s", w.c.ID, what, p, debug.Stack())
			e := job.Errorf(job.Engine, "the engine failed while %s", what)
			e.Cause = &panicked{p}
			err = e
		}
	}()
	return call()
}
