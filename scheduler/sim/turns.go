package sim

import (
	"slices"

	"cosmicman/job"
	"cosmicman/scheduler/pack"
)

// turn begins the device's next turn.
func (d *device) turn() {
	d.hear()
	if d.draining {
		if d.giveBack(); d.id == "" {
			return // that was all it had
		}
	}
	d.fetch()
	c := pack.Choose(d.state())
	switch c.Action {
	case pack.Begin:
		d.spend(d.costs.Begin+d.costs.PerBegin*float64(len(c.Items)), func(took float64) { d.begun(c, took) })
	case pack.Step:
		d.s.report.stepped(c.Rows, max(c.Rows, d.book.Limit(c.Group.Group)))
		d.spend(d.costs.Step(c.Group.Group, c.Rows), func(took float64) { d.moved(c, took) })
	case pack.Decode:
		d.spend(d.costs.Decode*scale(c.Group.Group), func(took float64) { d.decoded(c, took) })
	case pack.Load:
		d.load(c.Model)
	case pack.Unload:
		d.spend(0, func(float64) { d.loaded(c.Model, false) })
	default:
		d.drained()
	}
}

// spend takes the device's time, then does what the turn was for.
func (d *device) spend(seconds float64, then func(took float64)) {
	took := seconds * d.slower
	d.busy = true
	d.s.report.spent(d.s.clock.now, duration(took), d.s.c.Span)
	d.s.clock.after(duration(took), d.alive(d.life, func() {
		d.busy = false
		then(took)
		d.turn()
	}))
}

func (d *device) load(name string) {
	d.s.report.Loads++
	d.spend(d.costs.Load, func(took float64) {
		d.book.Loaded(name, took)
		d.loaded(name, true)
		d.changed = d.s.clock.now
		d.beat() // news
	})
}

func (d *device) loaded(name string, is bool) {
	for i := range d.models {
		if d.models[i].Name == name {
			d.models[i].Loaded, d.models[i].Used = is, d.s.clock.now.Seconds()
		}
	}
}

func (d *device) begun(c pack.Choice, took float64) {
	d.book.Began(took)
	d.loaded(c.Model, true)
	for _, i := range c.Items {
		m := d.waiting[i]
		m.group = d.book.Group(groupOf(m.lease.Spec.Model, m.lease.Spec.Drawing))
		d.active = append(d.active, m)
	}
	for _, i := range slices.Backward(c.Items) {
		d.waiting = slices.Delete(d.waiting, i, i+1)
	}
}

func (d *device) moved(c pack.Choice, took float64) {
	d.book.Stepped(c.Group, c.Rows, took, c.Weight)
	d.loaded(c.Model, true)
	for _, i := range c.Items {
		m := d.active[i]
		if m.left--; m.left == 0 && m.fails {
			d.fail(m)
		}
	}
	d.active = slices.DeleteFunc(d.active, func(m *start) bool { return m.left == 0 && m.fails })
}

func (d *device) fail(m *start) {
	d.write(func() {
		if d.held[m.lease.Ref] != m {
			return
		}
		delete(d.held, m.lease.Ref)
		d.s.settle(d.s.store.Fail(d.s.ctx, m.lease.Ref, job.Errorf(job.Engine, "drawing failed")))
		d.s.wake(1)
	})
}

func (d *device) decoded(c pack.Choice, took float64) {
	d.book.Decoded(c.Group, took)
	m := d.active[c.Items[0]]
	d.active = slices.Delete(d.active, c.Items[0], c.Items[0]+1)
	d.s.clock.after(duration(d.costs.Record), d.alive(d.life, func() {
		d.write(func() { d.finish(m) })
	}))
}

// finish records an image, also one whose lease may have ended: that is the store's to say.
func (d *device) finish(m *start) {
	r := m.lease.Ref
	if d.held[r] != m {
		return // told meanwhile that it is gone
	}
	delete(d.held, r)
	err := d.s.store.Finish(d.s.ctx, r, job.Result{Artifact: "img_" + r.String(), Seed: m.lease.Spec.Drawing.Seed + uint64(r.Image), Fingerprint: d.print})
	if d.s.settle(err) {
		d.s.ledger.recorded(r)
	}
	d.drained()
}
