package worker

import (
	"fmt"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Pauses before a model that could not be loaded is tried again.
const (
	firstRetry = 5.0 // seconds
	lastRetry  = 300.0
)

// model is one that the engine has, loaded or not. The device's goroutine owns it.
type model struct {
	name          string
	bytes         int64 // while it is loaded with the sessions that it has for variants
	alone         int64 // bytes without these
	pinned        bool
	loaded        Model
	used          float64
	height, width int // native size of the latents, once seen

	failures int // of loading, one after the other
	retryAt  float64
	why      string
	learned  bool // costs that are not saved yet
}

func (d *device) model(name string) *model {
	for _, m := range d.models {
		if m.name == name {
			return m
		}
	}
	return nil
}

func (d *device) preload() {
	for _, name := range slices.Concat(d.w.c.Preload, d.w.c.Pin) {
		m := d.model(name)
		if m.loaded != nil || d.work.Err() != nil {
			continue
		}
		if d.w.c.Memory > 0 && d.sum(func(o *model) bool { return o.loaded != nil })+m.bytes > d.w.c.Memory {
			d.w.c.Logf("worker %s: %s is not loaded at the start: it does not fit into %d bytes with the models before it", d.w.c.ID, name, d.w.c.Memory)
			continue
		}
		d.load(m)
		d.publish()
	}
}

func (d *device) sum(which func(*model) bool) (bytes int64) {
	for _, m := range d.models {
		if which(m) {
			bytes += m.bytes
		}
	}
	return bytes
}

// offers lists what may be leased: not what is broken, nor what pinned models
// leave no memory for, nor what would take another's place too soon again.
func (d *device) offers() (offers []scheduler.Offer) {
	for _, m := range d.models {
		switch {
		case m.loaded != nil:
			offers = append(offers, scheduler.Offer{Model: m.name})
		case d.now() < m.retryAt || d.crowdedOut(m) || d.changedLately(m):
		default:
			offers = append(offers, scheduler.Offer{Model: m.name, LoadSeconds: d.loadSeconds(m)})
		}
	}
	return offers
}

// restFor is how many times as long as loading takes a busy worker stays with its models.
const restFor = 10

// changedLately reports whether a busy device would change models for m so soon after
// the last change that it had little time to draw in between. Without this a busy fleet with
// memory for one of two models loads in turns; see what the simulations say in
// package scheduler. An idle device may change at once.
func (d *device) changedLately(m *model) bool {
	if d.w.c.Memory == 0 || d.changed == 0 || len(d.active)+len(d.waiting) == 0 {
		return false
	}
	if d.sum(func(o *model) bool { return o.loaded != nil })+m.bytes <= d.w.c.Memory {
		return false
	}
	return d.now() < d.changed+restFor*d.loadSeconds(m)
}

// crowdedOut reports whether a model cannot be loaded beside the pinned ones.
func (d *device) crowdedOut(m *model) bool {
	pinned := d.sum(func(o *model) bool { return o != m && o.pinned && o.loaded != nil })
	return d.w.c.Memory > 0 && pinned > 0 && pinned+m.bytes > d.w.c.Memory
}

// loadSeconds is what loading took, or else what reading the weights may take.
func (d *device) loadSeconds(m *model) float64 {
	const bytesPerSecond = 500 << 20
	if s := d.book.LoadSeconds(m.name); s > 0 {
		return s
	}
	return max(1, float64(m.bytes)/bytesPerSecond)
}

func (d *device) broken() map[string]string {
	broken := map[string]string{}
	for _, m := range d.models {
		if m.why != "" {
			broken[m.name] = m.why
		}
	}
	return broken
}

// dismiss gives back the images of models that cannot be loaded now.
func (d *device) dismiss() {
	var back []*image
	d.waiting = slices.DeleteFunc(d.waiting, func(i *image) bool {
		m := d.model(i.lease.Spec.Model)
		if m != nil && (m.loaded != nil || d.now() >= m.retryAt && !d.crowdedOut(m)) {
			return false
		}
		back = append(back, i)
		return true
	})
	d.w.giveBack(back)
}

func (d *device) load(m *model) {
	w := d.w
	begun := time.Now()
	var opened Model
	err := w.guard("loading a model", func() (err error) {
		opened, err = w.c.Engine.Open(d.work, m.name)
		return err
	})
	if err != nil {
		d.loadFailed(m, typed(err, job.Unavailable, "the model %s cannot be loaded", m.name))
		return
	}
	took := time.Since(begun)
	m.alone = opened.Bytes()
	m.loaded, m.bytes, m.used, m.failures, m.retryAt, m.why, m.learned = opened, m.alone, d.now(), 0, 0, "", true
	d.book.Loaded(m.name, took.Seconds())
	w.observe(job.Event{Type: job.EventLoaded, Model: m.name, Bytes: m.bytes, Took: took})
}

func (d *device) loadFailed(m *model, err *job.Error) {
	w := d.w
	if d.work.Err() != nil {
		return
	}
	if err.Kind == job.OutOfMemory {
		// The estimates were too low: the next turn tries again with one model less.
		if idle := d.leastUsed(); idle != nil {
			w.c.Logf("worker %s: no memory for %s, unloading %s: %v", w.c.ID, m.name, idle.name, err)
			d.unload(idle)
			return
		}
	}
	m.failures++
	pause := min(lastRetry, firstRetry*float64(uint(1)<<min(m.failures-1, 10)))
	m.retryAt, m.why = d.now()+pause, err.Message
	w.c.Logf("worker %s: loading %s: %v; trying again in %.0f s", w.c.ID, m.name, err, pause)
	w.observe(job.Event{Type: job.EventLoaded, Model: m.name, Err: err})
	if m.failures == 1 {
		return // dismiss gives its images back
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(i *image) bool {
		if i.lease.Spec.Model != m.name {
			return false
		}
		w.fail(i, &job.Error{Kind: job.Engine, Message: fmt.Sprintf("the model %s cannot be loaded", m.name), Cause: err})
		return true
	})
}

// leastUsed returns the loaded model that was used least recently of those that are
// neither pinned nor in use.
func (d *device) leastUsed() (least *model) {
	for _, m := range d.models {
		inUse := slices.ContainsFunc(d.active, func(i *image) bool { return i.lease.Spec.Model == m.name })
		if m.loaded != nil && !m.pinned && !inUse && (least == nil || m.used < least.used) {
			least = m
		}
	}
	return least
}

func (d *device) unload(m *model) {
	w := d.w
	if err := w.guard("unloading a model", m.loaded.Close); err != nil {
		w.c.Logf("worker %s: unloading %s: %v", w.c.ID, m.name, err)
	}
	m.loaded = nil
	w.observe(job.Event{Type: job.EventUnloaded, Model: m.name, Bytes: m.bytes})
	m.bytes = m.alone
}
