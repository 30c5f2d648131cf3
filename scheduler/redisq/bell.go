package redisq

import (
	"slices"
	"sync"
)

// bell wakes the Lease calls of this process that wait.
type bell struct {
	mu      sync.Mutex
	waiters map[*waiter]struct{}
	tidy    chan struct{} // wakes the janitor
	up      chan struct{} // closed when the process listens for the first time
	once    sync.Once
}

// waiter is a Lease call.
type waiter struct {
	models []string // escaped
	rung   chan struct{}
	news   []string // models of which it was told that there is work, since it asked last
}

func newBell() bell {
	return bell{waiters: map[*waiter]struct{}{}, tidy: make(chan struct{}, 1), up: make(chan struct{})}
}

func (b *bell) listening() { b.once.Do(func() { close(b.up) }) }

func (b *bell) enter(models []string) *waiter {
	w := &waiter{models: models, rung: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiters[w] = struct{}{}
	return w
}

// asks notes that a waiter asks now: what it was told before is answered with that.
func (b *bell) asks(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.news = nil
	select {
	case <-w.rung:
	default:
	}
}

// leave returns what a waiter was told since it asked last.
func (b *bell) leave(w *waiter) (news []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiters, w)
	return w.news
}

// ring wakes who waits for a model, false when nobody does.
func (b *bell) ring(model string) (heard bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.waiters {
		if slices.Contains(w.models, model) {
			w.news = append(w.news, model)
			w.wake()
			heard = true
		}
	}
	return heard
}

func (b *bell) ringAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.waiters {
		w.wake()
	}
}

func (w *waiter) wake() {
	select {
	case w.rung <- struct{}{}:
	default:
	}
}
