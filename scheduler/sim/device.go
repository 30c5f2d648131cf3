package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/pack"
)

// start is one lease in a worker's hands.
type start struct {
	lease scheduler.Lease
	group *pack.Group
	rows  int
	left  int
	fails bool // with an engine error, in its last step
}

// device is a simulated worker. It has many lives, one after the other.
type device struct {
	s        *simulation
	number   int
	costs    Costs
	slower   float64
	book     *pack.Book
	print    string // fingerprint
	id       string // of this life; "" between two
	life     int
	busy     bool
	draining bool
	stopped  time.Duration // until then nothing of it runs
	cut      time.Duration // until then it cannot reach the store
	changed  time.Duration // when a model was loaded last
	place    int           // among the hungry; -1: not there
	models   []pack.Model
	waiting  []*start
	active   []*start
	held     map[job.Ref]*start
	revoked  <-chan job.Ref
	deaf     context.CancelFunc

	sequences []pack.Sequence // scratch of state
	images    []pack.Waiting
}

// start begins a life. The first finds the device's usual model loaded, later ones
// load it first.
func (d *device) start() {
	d.id = fmt.Sprintf("worker-%d-%d", d.number, d.life)
	d.held = map[job.Ref]*start{}
	d.models = nil
	usual := 0
	if d.number%5 == 4 {
		usual = len(d.s.c.Traffic.Models) - 1
	}
	for i, name := range d.s.c.Traffic.Models {
		d.models = append(d.models, pack.Model{Name: name, Bytes: 1, Loaded: d.life == 0 && i == usual})
	}
	ctx, deaf := context.WithCancel(d.s.ctx)
	d.deaf = deaf
	var err error
	d.revoked, err = d.s.store.Revocations(ctx, d.id)
	d.s.check(err)
	d.beat()
	d.beats(d.life)
	if d.life == 0 {
		d.turn()
		return
	}
	d.load(d.models[usual].Name)
}

// alive wraps what happens later in this life, and not before a stopped worker goes on.
func (d *device) alive(life int, do func()) func() {
	var then func()
	then = func() {
		switch {
		case d.life != life:
		case d.stopped > d.s.clock.now:
			d.s.clock.after(d.stopped-d.s.clock.now, then)
		default:
			do()
		}
	}
	return then
}

// write calls the store, now or when it can be reached again.
func (d *device) write(do func()) {
	if d.cut > d.s.clock.now {
		d.s.clock.after(d.cut-d.s.clock.now, d.alive(d.life, func() { d.write(do) }))
		return
	}
	do()
}

func (d *device) beats(life int) {
	d.s.clock.after(d.s.c.Options.LeaseTTL/6, d.alive(life, func() {
		d.beat()
		if d.place >= 0 || !d.busy { // others may have been told of what came
			d.look()
		}
		d.beats(life)
	}))
}

func (d *device) beat() {
	if d.cut > d.s.clock.now {
		return
	}
	refs := make([]job.Ref, 0, len(d.held))
	for r := range d.held {
		refs = append(refs, r)
	}
	w := scheduler.Worker{ID: d.id, Version: job.Version, Fingerprint: d.print, Models: d.offers(), Active: len(d.active)}
	lost, err := d.s.store.Beat(d.s.ctx, w, refs)
	d.s.check(err)
	for _, r := range lost {
		delete(d.held, r)
	}
}

// hear drops what the store has taken away: between two turns.
func (d *device) hear() {
	for listening := true; listening; {
		select {
		case r := <-d.revoked:
			delete(d.held, r)
		default:
			listening = false
		}
	}
	gone := func(m *start) bool { return d.held[m.lease.Ref] != m }
	d.active = slices.DeleteFunc(d.active, gone)
	d.waiting = slices.DeleteFunc(d.waiting, gone)
}

func (d *device) offers() (offers []scheduler.Offer) {
	if d.draining {
		return nil
	}
	for _, m := range d.models {
		o := scheduler.Offer{Model: m.Name}
		if !m.Loaded {
			if len(d.held) > 0 && d.s.clock.now < d.changed+duration(d.s.c.LoadPause*d.costs.Load) {
				continue
			}
			o.LoadSeconds = d.costs.Load * cmp.Or(d.s.c.LoadOffer, 1)
		}
		offers = append(offers, o)
	}
	return offers
}

// state is what the policy decides on.
func (d *device) state() pack.State {
	d.sequences, d.images = d.sequences[:0], d.images[:0]
	for _, m := range d.active {
		d.sequences = append(d.sequences, pack.Sequence{Group: m.group, Rows: m.rows, Left: m.left})
	}
	for _, m := range d.waiting {
		g := groupOf(m.lease.Spec.Model, m.lease.Spec.Drawing)
		g.Tokens = 0 // known once its text is
		d.images = append(d.images, pack.Waiting{Group: g, Rows: m.rows})
	}
	return pack.State{Now: d.s.clock.now.Seconds(), Active: d.sequences, Waiting: d.images, Models: d.models,
		Memory: d.s.c.Memory, Book: d.book}
}

// fetch leases as much as the policy wants, and joins the hungry if that is more
// than there is.
func (d *device) fetch() (got int) {
	for {
		want := 0
		if !d.draining && d.cut <= d.s.clock.now {
			want = d.s.want(d.state())
		}
		if want == 0 {
			d.s.full(d)
			return got
		}
		leases, err := d.s.store.Lease(d.s.ctx, scheduler.LeaseRequest{Worker: d.id, Fingerprint: d.print, Offers: d.offers(),
			Max: want, Version: job.Version, NoWait: true})
		d.s.check(err)
		if len(leases) == 0 {
			d.s.hungers(d)
			return got
		}
		for _, l := range leases {
			m := &start{lease: l, rows: rowsOf(l.Spec.Drawing), left: l.Spec.Drawing.Steps, fails: d.s.r.Float64() < d.s.c.Faults.Errors}
			d.held[l.Ref] = m
			d.waiting = append(d.waiting, m)
		}
		got += len(leases)
	}
}

// look asks the store between turns, or during one, and reports whether there was anything.
func (d *device) look() bool {
	if d.id == "" || d.stopped > d.s.clock.now || d.cut > d.s.clock.now {
		return false
	}
	if d.busy {
		return d.fetch() > 0
	}
	before := len(d.held)
	d.turn()
	return len(d.held) > before
}
