package loop

import (
	"context"
	"sync"
	"time"
)

// ahead makes things before they are needed and hands them out in the order of their
// numbers.
type ahead[T any] struct {
	cancel context.CancelFunc
	room   chan struct{}        // one a thing that is ready or being made
	ready  chan chan outcome[T] // in order
	group  sync.WaitGroup
}

type outcome[T any] struct {
	value T
	err   error
}

// prepare begins to make the things from a number to below another.
func prepare[T any](ctx context.Context, a Ahead, from, end int64, make1 func(ctx context.Context, number int64) (T, error)) *ahead[T] {
	ctx, cancel := context.WithCancel(ctx)
	a = a.defaults()
	p := &ahead[T]{cancel: cancel, room: make(chan struct{}, a.Batches), ready: make(chan chan outcome[T], a.Batches)}
	type job struct {
		number int64
		done   chan<- outcome[T]
	}
	jobs := make(chan job)
	p.group.Go(func() {
		defer close(jobs)
		for number := from; number < end; number++ {
			select {
			case p.room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			done := make(chan outcome[T], 1)
			p.ready <- done // there is as much room as in room
			select {
			case jobs <- job{number, done}:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(int64(a.Workers), end-from) {
		p.group.Go(func() {
			for j := range jobs {
				value, err := make1(ctx, j.number)
				j.done <- outcome[T]{value, err}
			}
		})
	}
	return p
}

// next waits for the next thing and says for how long. It is called as often as there
// are things, at most.
func (p *ahead[T]) next(ctx context.Context) (value T, waited time.Duration, err error) {
	began := time.Now()
	var done chan outcome[T]
	select {
	case done = <-p.ready:
	case <-ctx.Done():
		return value, time.Since(began), context.Cause(ctx)
	}
	select {
	case o := <-done:
		<-p.room
		return o.value, time.Since(began), o.err
	case <-ctx.Done():
		return value, time.Since(began), context.Cause(ctx)
	}
}

// stop ends what is being made and waits for it.
func (p *ahead[T]) stop() {
	p.cancel()
	p.group.Wait()
}
