package localq

import (
	"cmp"
	"slices"
	"time"

	"cosmicman/scheduler"
)

// crew lists the live workers, and counts what they have loaded and offer.
type crew struct {
	workers map[string]*member
	have    map[string]int      // by model: live workers that have it loaded
	offer   map[engineModel]int // live workers of a fingerprint that offer a model
}

type engineModel struct{ fingerprint, model string }

type member struct {
	scheduler.Worker
	told bool // by a beat, not guessed from a lease
	due  *due // when it counts as dead
}

func newCrew() *crew {
	return &crew{workers: map[string]*member{}, have: map[string]int{}, offer: map[engineModel]int{}}
}

// loaded reports whether a live worker has a model loaded.
func (c *crew) loaded(model string) bool { return c.have[model] > 0 }

// offers reports whether a live worker with a fingerprint offers a model.
func (c *crew) offers(fingerprint, model string) bool {
	return c.offer[engineModel{fingerprint, model}] > 0
}

// set records what a worker tells of itself; it returns the worker and whether it
// is new or offers something else than before.
func (c *crew) set(w scheduler.Worker, now time.Time) (m *member, changed bool) {
	w.Seen = now
	m = c.workers[w.ID]
	if m == nil {
		m = &member{}
		c.workers[w.ID] = m
		changed = true
	} else if m.Fingerprint == w.Fingerprint && slices.Equal(m.Models, w.Models) {
		m.Worker = w
		return m, false
	} else {
		c.add(m, -1)
		changed = true
	}
	w.Models = slices.Clone(w.Models)
	m.Worker = w
	c.add(m, 1)
	return m, changed
}

// remove takes a worker off the list.
func (c *crew) remove(m *member) {
	c.add(m, -1)
	delete(c.workers, m.ID)
}

func (c *crew) add(m *member, n int) {
	for _, offer := range m.Models {
		count(c.offer, engineModel{m.Fingerprint, offer.Model}, n)
		if offer.LoadSeconds <= 0 {
			count(c.have, offer.Model, n)
		}
	}
}

func count[K comparable](m map[K]int, key K, n int) {
	if m[key] += n; m[key] == 0 {
		delete(m, key)
	}
}

// list returns the live workers by name.
func (c *crew) list() []scheduler.Worker {
	list := make([]scheduler.Worker, 0, len(c.workers))
	for _, m := range c.workers {
		list = append(list, m.Worker)
	}
	slices.SortFunc(list, func(a, b scheduler.Worker) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
