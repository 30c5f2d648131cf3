package localq

import (
	"time"

	"cosmicman/scheduler"
)

// choose returns the image that a worker is given next, nil when there is none for
// it; later is when time alone may change that, zero when it cannot.
func (o *order) choose(r scheduler.LeaseRequest, crew *crew, now time.Time) (chosen *image, later time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (later.IsZero() || t.Before(later)) {
			later = t
		}
	}
	var best *entry
	var bestAt time.Time
	for _, offer := range r.Offers {
		if at := o.offeredFrom(offer, r.Version, crew); at.After(now) {
			sooner(at)
			continue
		}
		for _, l := range o.models[offer.Model] {
			if !takes(r.Version, l) {
				continue
			}
			for _, b := range l.back {
				img, ripe := b.first(r.Fingerprint, crew.offers(b.fingerprint, l.model), now)
				sooner(ripe)
				if img != nil && (chosen == nil || img.before(chosen)) {
					chosen = img
				}
			}
			for i := range l.classes {
				c := &l.classes[i]
				oldest := c.jobs.first()
				if oldest == nil {
					continue
				}
				at := oldest.created
				if c.gave.After(at) {
					at = c.gave
				}
				at = at.Add(time.Duration(i-1) * o.ageing)
				if best == nil || at.Before(bestAt) || at.Equal(bestAt) && oldest.seq < best.seq {
					best, bestAt = oldest, at
				}
			}
		}
	}
	if chosen != nil || best == nil {
		return chosen, later
	}
	c := o.lane(best).class(best)
	return nextOf(c.poorest.min().jobs.min()), later
}

// takes reports whether a worker of a version is given a lane's images.
func takes(version int, l *lane) bool { return l.needs <= version }

// offeredFrom returns from when on an offer stands: at once for a model that is
// loaded or that nobody has loaded, otherwise when its oldest image has waited for as
// long as loading takes.
func (o *order) offeredFrom(offer scheduler.Offer, version int, crew *crew) (from time.Time) {
	if offer.LoadSeconds <= 0 || !crew.loaded(offer.Model) {
		return from
	}
	for _, l := range o.models[offer.Model] {
		if !takes(version, l) {
			continue
		}
		// "Longer than" loading takes, hence the nanosecond.
		at := l.oldest().created.Add(time.Duration(min(offer.LoadSeconds, 1e9)*float64(time.Second)) + 1)
		if from.IsZero() || at.Before(from) {
			from = at
		}
	}
	return from
}
