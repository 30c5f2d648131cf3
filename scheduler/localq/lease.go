package localq

import (
	"context"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// waiter is a call of Lease that found nothing.
type waiter struct {
	wake   chan struct{}
	offers []scheduler.Offer
}

// Lease is that of [scheduler.Source].
func (s *Store) Lease(ctx context.Context, r scheduler.LeaseRequest) ([]scheduler.Lease, error) {
	if r.Max < 1 {
		return nil, job.Errorf(job.Invalid, "a worker asked for %d images, expected at least 1", r.Max)
	}
	w := &waiter{wake: make(chan struct{}, 1), offers: r.Offers}
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := s.begin()
		if err != nil {
			return nil, err
		}
		s.agenda.run(c)
		leases, later := c.lease(r, first)
		wait := len(leases) == 0 && !r.NoWait
		if wait {
			s.waiters[w] = struct{}{}
		}
		if err := c.commit(); err != nil {
			return nil, err
		}
		if !wait {
			return leases, nil
		}
		var alarm <-chan time.Time
		if !later.IsZero() && !s.manual {
			alarm = time.After(later.Sub(c.now))
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-alarm:
		}
		s.mu.Lock()
		delete(s.waiters, w)
		s.mu.Unlock()
	}
}

// lease starts what a worker is given now; without any, later is when time alone may
// change that. That the worker lives is noted when it asks and when it is given
// something, not whenever it looks again: else two of its calls could wake each other.
func (c *change) lease(r scheduler.LeaseRequest, asks bool) (leases []scheduler.Lease, later time.Time) {
	s := c.s
	w := scheduler.Worker{ID: r.Worker, Version: r.Version, Fingerprint: r.Fingerprint, Models: r.Offers, Started: c.now}
	if asks {
		c.seen(w, false)
	}
	for len(leases) < r.Max {
		img, at := s.order.choose(r, s.crew, c.now)
		if img == nil {
			return leases, at
		}
		if !asks && len(leases) == 0 {
			c.seen(w, false)
		}
		earlier := img.state.Fingerprint
		c.start(img, r.Worker, r.Fingerprint, r.InProcess)
		leases = append(leases, scheduler.Lease{
			Ref: img.ref(), Spec: img.entry.spec, Attempt: img.state.Attempts + 1, Fingerprint: earlier, Accepted: img.entry.created,
		})
	}
	return leases, later
}

// wake lets those look again who offer a job's model. The mutex is held.
func (s *Store) wake(e *entry) {
	for w := range s.waiters {
		for _, offer := range w.offers {
			if offer.Model == e.spec.Model {
				w.nudge()
				break
			}
		}
	}
}

func (s *Store) wakeAll() {
	for w := range s.waiters {
		w.nudge()
	}
}

func (w *waiter) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
