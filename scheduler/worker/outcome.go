package worker

import (
	"context"
	"sync"
	"time"

	"cosmicman/job"
)

const (
	finisherCount = 4
	mostPictures  = 16 // decoded images that wait to be recorded, before decodes stop
)

// outcome is how starts end: with a picture, an error, or by going back.
type outcome struct {
	image    *image
	picture  Picture    // of a drawn image
	reason   *job.Error // of a failed one
	returned []*image   // starts that go back
}

// outcomes wait here for the finishers. The queue itself takes all that comes, so
// that the device never waits for the store; what may come is bounded by leases.
type outcomes struct {
	mu       sync.Mutex
	more     *sync.Cond
	waiting  []outcome
	pictures int // waiting, or in the hands of a finisher
	trouble  int // finishers that cannot store an image at present
	closed   bool
}

func (o *outcomes) init() { o.more = sync.NewCond(&o.mu) }

func (o *outcomes) put(x outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if x.picture != nil {
		o.pictures++
	}
	o.waiting = append(o.waiting, x)
	o.more.Signal()
}

// take waits for an outcome; ok is false once the queue is closed and empty.
func (o *outcomes) take() (x outcome, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waiting) == 0 {
		if o.closed {
			return x, false
		}
		o.more.Wait()
	}
	x = o.waiting[0]
	o.waiting = o.waiting[1:]
	return x, true
}

func (o *outcomes) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Broadcast()
}

// full reports whether finished images pile up.
func (o *outcomes) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pictures >= mostPictures
}

func (o *outcomes) recorded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pictures--
}

func (o *outcomes) inTrouble() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.trouble > 0
}

// troubled counts a finisher that begins (1) or ends (-1) to have trouble.
func (o *outcomes) troubled(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trouble += n
}

// fail ends a start with an error.
func (w *Worker) fail(m *image, reason *job.Error) { w.out.put(outcome{image: m, reason: reason}) }

// giveBack returns starts to the queue; no attempt is counted.
func (w *Worker) giveBack(images []*image) {
	if len(images) > 0 {
		w.out.put(outcome{returned: images})
	}
}

// finishes ends starts until the queue of outcomes is closed and empty. When ctx
// ends it stops trying.
func (w *Worker) finishes(ctx context.Context) {
	for {
		x, ok := w.out.take()
		if !ok {
			return
		}
		switch {
		case x.returned != nil:
			w.release(ctx, x.returned)
		case x.reason != nil:
			w.failed(ctx, x.image, x.reason)
		default:
			w.finish(ctx, x.image, x.picture)
			w.out.recorded()
		}
		signal(w.wake)
		signal(w.room)
	}
}

// insist calls the store until it answers: nil, or an error that another try does
// not mend. When ctx ends it returns what was answered last.
func (w *Worker) insist(ctx context.Context, what string, call func(context.Context) error) error {
	pause := backoff{least: 50 * time.Millisecond, most: 5 * time.Second}
	for {
		err := w.within(ctx, call)
		if err == nil || settled(err) || ctx.Err() != nil {
			return err
		}
		w.c.Logf("worker %s: %s: %v; trying again", w.c.ID, what, err)
		if !pause.wait(ctx) {
			return err
		}
	}
}

// within bounds one call, so that a store that does not answer is tried again.
func (w *Worker) within(ctx context.Context, call func(context.Context) error) error {
	one, cancel := context.WithTimeout(ctx, w.c.LeaseTTL)
	defer cancel()
	return call(one)
}

// settled reports whether an answer is the last word: a typed one that speaks of
// something else than the store's state.
func settled(err error) bool {
	switch job.KindOf(err) {
	case "", job.Unavailable, job.Overloaded:
		return false
	}
	return true
}

func (w *Worker) release(ctx context.Context, images []*image) {
	refs := make([]job.Ref, 0, len(images))
	for _, m := range images {
		if m.gone.Load() == nil {
			refs = append(refs, m.lease.Ref)
		}
	}
	if len(refs) > 0 {
		if err := w.insist(ctx, "giving images back", func(ctx context.Context) error { return w.c.Source.Release(ctx, refs...) }); err != nil {
			w.c.Logf("worker %s: %d images were not given back, their leases will end: %v", w.c.ID, len(refs), err)
		}
	}
	for _, m := range images {
		w.end(m.lease.Ref)
	}
}

func (w *Worker) failed(ctx context.Context, m *image, reason *job.Error) {
	r := m.lease.Ref
	w.c.Logf("worker %s: image %v: %v", w.c.ID, r, reason)
	e := m.event(job.EventFailed)
	e.Err, e.Took, e.Wait = reason, time.Since(m.leased), time.Since(m.lease.Accepted)
	w.observe(e)
	err := w.insist(ctx, "failing an image", func(ctx context.Context) error { return w.c.Source.Fail(ctx, r, reason) })
	w.end(r)
	if err != nil {
		w.late(m, "its failure", err)
	}
}

// late tells that a write was not taken.
func (w *Worker) late(m *image, what string, err error) {
	w.c.Logf("worker %s: image %v: %s was not recorded: %v", w.c.ID, m.lease.Ref, what, err)
	if kind := job.KindOf(err); kind == job.Fenced || kind == job.NotFound {
		e := m.event(job.EventFenced)
		e.Err = err
		w.observe(e)
	}
}
