package localq

import (
	"cmp"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// naive is the order of package scheduler's documentation, word by word, over lists.
type naive struct {
	ageing, ttl time.Duration
	queued      []naiveImage // those that came back too
	classes     map[naiveClass]*naiveState
	workers     map[string]scheduler.LeaseRequest // alive
}

type naiveImage struct {
	id          job.ID
	number      int
	seq         int
	spec        job.Spec
	accepted    time.Time
	back        time.Time // zero: it did not come back
	fingerprint string
}

type naiveClass struct {
	model    string
	needs    int
	priority job.Priority
}

type naiveState struct {
	accounts   map[string]float64
	lastServed float64
	gave       time.Time
}

func (n *naive) class(im naiveImage) *naiveState {
	key := naiveClass{im.spec.Model, im.spec.Needs, im.spec.Priority}
	if n.classes[key] == nil {
		n.classes[key] = &naiveState{accounts: map[string]float64{}}
	}
	return n.classes[key]
}

// standing returns what stands in an image's class, the oldest first.
func (n *naive) standing(im naiveImage) (in []naiveImage) {
	for _, other := range n.queued {
		a, b := im.spec, other.spec
		if other.back.IsZero() && a.Model == b.Model && a.Needs == b.Needs && a.Priority == b.Priority {
			in = append(in, other)
		}
	}
	slices.SortFunc(in, byAcceptance)
	return in
}

func byAcceptance(a, b naiveImage) int {
	return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.number, b.number))
}

func (n *naive) enter(im naiveImage) {
	if im.back.IsZero() {
		c, least, has := n.class(im), 0.0, false
		there := n.standing(im)
		for i, other := range there {
			has = has || other.spec.Tenant == im.spec.Tenant
			if a := c.accounts[other.spec.Tenant]; i == 0 || a < least {
				least = a
			}
		}
		switch {
		case has:
		case len(there) > 0:
			c.accounts[im.spec.Tenant] = least
		default:
			c.accounts[im.spec.Tenant] = c.lastServed
		}
	}
	n.queued = append(n.queued, im)
}

func (n *naive) remove(id job.ID) {
	n.queued = slices.DeleteFunc(n.queued, func(im naiveImage) bool { return im.id == id })
}

func (n *naive) give(im naiveImage, now time.Time) {
	c := n.class(im)
	has := slices.ContainsFunc(n.standing(im), func(other naiveImage) bool { return other.spec.Tenant == im.spec.Tenant })
	if has {
		c.accounts[im.spec.Tenant] += max(im.spec.Seconds, 0.001)
	}
	if im.back.IsZero() {
		c.gave, c.lastServed = now, c.accounts[im.spec.Tenant]
	}
	n.queued = slices.DeleteFunc(n.queued, func(other naiveImage) bool { return other.id == im.id && other.number == im.number })
}

// choose returns what a worker is given next.
func (n *naive) choose(r scheduler.LeaseRequest, now time.Time) (chosen naiveImage, ok bool) {
	offered := func(im naiveImage) bool {
		return im.spec.Needs <= r.Version && slices.ContainsFunc(r.Offers, func(o scheduler.Offer) bool { return o.Model == im.spec.Model })
	}
	slices.SortFunc(n.queued, byAcceptance)
	for _, im := range n.queued {
		if !im.back.IsZero() && offered(im) && !n.leftAlone(im, r, now) {
			return im, true
		}
	}
	var best naiveImage
	var bestAt time.Time
	for _, im := range n.queued {
		if !offered(im) || !im.back.IsZero() {
			continue
		}
		oldest := n.standing(im)[0]
		at := oldest.accepted
		if gave := n.class(im).gave; gave.After(at) {
			at = gave
		}
		at = at.Add(time.Duration(im.spec.Priority) * n.ageing)
		if !ok || at.Before(bestAt) {
			best, bestAt, ok = im, at, true
		}
	}
	if !ok {
		return chosen, false
	}
	for i, im := range n.standing(best) {
		accounts := n.class(best).accounts
		if i == 0 || accounts[im.spec.Tenant] < accounts[chosen.spec.Tenant] {
			chosen = im
		}
	}
	return chosen, true
}

func (n *naive) leftAlone(im naiveImage, r scheduler.LeaseRequest, now time.Time) bool {
	if im.fingerprint == r.Fingerprint || !now.Before(im.back.Add(n.ttl/2)) {
		return false
	}
	for _, w := range n.workers {
		if w.Fingerprint == im.fingerprint && slices.ContainsFunc(w.Offers, func(o scheduler.Offer) bool { return o.Model == im.spec.Model }) {
			return true
		}
	}
	return false
}
