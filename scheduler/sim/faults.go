package sim

import "time"

// Faults of workers. Durations are the mean time between two of a worker's; 0: never.
type Faults struct {
	Crash      time.Duration // it dies and is started anew after Restart
	Stop       time.Duration // it stands still, as after SIGSTOP, and comes back late
	Cut        time.Duration // it draws on but cannot reach the store for a while
	Drain      time.Duration // it is told to end and started anew, as in an upgrade
	Restart    time.Duration
	Stragglers float64 // share of workers that run Slower times slower all the time
	Slower     float64
	Errors     float64 // share of starts that end in an engine error
}

// Rough returns faults that are far more frequent than any site would bear: a worker
// has one of each in an hour or two, one in fifty is slow.
func Rough() Faults {
	return Faults{Crash: 2 * time.Hour, Stop: 2 * time.Hour, Cut: 2 * time.Hour, Drain: 4 * time.Hour,
		Restart: 20 * time.Second, Stragglers: 0.02, Slower: 5, Errors: 0.001}
}

// plan plans the next of each kind of fault.
func (f Faults) plan(d *device) {
	d.plague(f.Crash, func() { d.crash() })
	d.plague(f.Stop, func() { d.stopped = d.away() })
	d.plague(f.Cut, func() { d.cut = d.away() })
	d.plague(f.Drain, func() { d.drain() })
}

// away returns when a worker that goes now comes back: between half and three times
// the time of a lease.
func (d *device) away() time.Duration {
	return d.s.clock.now + time.Duration((0.5+2.5*d.s.r.Float64())*float64(d.s.c.Options.LeaseTTL))
}

// plague lets a fault happen again and again until arrivals end.
func (d *device) plague(mean time.Duration, fault func()) {
	if mean <= 0 {
		return
	}
	d.s.clock.after(time.Duration(d.s.r.ExpFloat64()*float64(mean)), func() {
		if d.s.clock.now >= d.s.c.Span {
			return
		}
		if d.id != "" {
			fault()
		}
		d.plague(mean, fault)
	})
}

// crash is the end of a process that says no goodbye.
func (d *device) crash() {
	d.s.report.Crashes++
	d.end()
}

// drain ends what runs and gives the rest back, from the next turn on.
func (d *device) drain() {
	if d.draining {
		return
	}
	d.draining = true
	d.s.report.Drains++
	if !d.busy {
		d.alive(d.life, d.turn)()
	}
}

func (d *device) giveBack() {
	back := d.waiting
	d.waiting = nil
	if len(back) == 0 {
		return
	}
	d.write(func() {
		for _, m := range back {
			delete(d.held, m.lease.Ref)
			d.s.check(d.s.store.Release(d.s.ctx, m.lease.Ref))
		}
		d.s.wake(len(back))
		if !d.busy {
			d.drained()
		}
	})
}

// drained ends a draining worker that has nothing left. Without the store it cannot
// say goodbye.
func (d *device) drained() {
	if !d.draining || d.busy || len(d.active)+len(d.held) > 0 {
		return
	}
	if d.cut <= d.s.clock.now {
		d.s.check(d.s.store.Leave(d.s.ctx, d.id))
	}
	d.end()
}

// end forgets everything but the learned costs, which are on disk, and comes back
// under another name.
func (d *device) end() {
	d.life++
	d.id, d.busy, d.draining, d.stopped, d.cut = "", false, false, 0, 0
	d.waiting, d.active, d.held = nil, nil, nil
	d.s.full(d)
	d.deaf()
	d.s.clock.after(d.s.c.Faults.Restart, d.start)
}
