package localq

import "time"

// due is something that happens when its time has come: a deadline, the end of a
// lease, of a worker, of a watcher's registration, of what is kept.
type due struct {
	at    time.Time
	place int
	fire  func(*change)
}

// agenda holds what is due, the soonest first.
type agenda struct{ heap heap[*due] }

func newAgenda() *agenda {
	return &agenda{heap[*due]{
		less:  func(a, b *due) bool { return a.at.Before(b.at) },
		place: func(d *due) *int { return &d.place },
	}}
}

// set puts d, nil for a new one, on the agenda for a time and returns it.
func (a *agenda) set(d *due, at time.Time, fire func(*change)) *due {
	if d == nil {
		d = &due{place: -1}
	}
	d.at, d.fire = at, fire
	if d.place < 0 {
		a.heap.push(d)
	} else {
		a.heap.fix(d)
	}
	return d
}

// drop takes d, which may be nil, off the agenda.
func (a *agenda) drop(d *due) {
	if d != nil {
		a.heap.remove(d)
	}
}

// next returns when the next thing is due, zero for never.
func (a *agenda) next() time.Time {
	if a.heap.len() == 0 {
		return time.Time{}
	}
	return a.heap.min().at
}

// run lets happen what is due at now. What must last longer than a time ends after it.
func (a *agenda) run(c *change) {
	for a.heap.len() > 0 && !a.heap.min().at.After(c.now) {
		d := a.heap.min()
		a.heap.remove(d)
		d.fire(c)
	}
}
