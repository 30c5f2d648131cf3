package socket

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"cosmicman/job"
)

// Between two attempts to reach a process that has gone.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// Watch implements [scheduler.Client].
func (c *Client) Watch(ctx context.Context, id job.ID, watcher string) (<-chan job.Update, error) {
	last := job.Status{ID: id}
	return follow(ctx, c, followed[job.Update]{
		method: "watch", args: watchArgs{id, watcher},
		seen: func(u job.Update) { last = u.Status },
		over: func(reason *job.Error) (job.Update, bool) {
			if reason.Kind == job.NotFound {
				reason = job.Errorf(job.Lost, "the queue came back without the job")
			}
			last.Error = reason
			return job.Update{Status: last}, true
		},
	})
}

// Revocations implements [scheduler.Source].
func (c *Client) Revocations(ctx context.Context, worker string) (<-chan job.Ref, error) {
	return follow(ctx, c, followed[job.Ref]{
		method: "revocations", args: worker,
		seen: func(job.Ref) {},
		over: func(*job.Error) (job.Ref, bool) { return job.Ref{}, false },
	})
}

// followed is a stream that is opened again whenever it was cut off.
type followed[T any] struct {
	method string
	args   any
	seen   func(T)                    // is told each value
	over   func(*job.Error) (T, bool) // the last value, if any, when it can never be opened again
}

// follow opens a stream. Its goroutine ends with ctx, with the client, or with what
// it follows.
func follow[T any](ctx context.Context, c *Client, f followed[T]) (<-chan T, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.enter() {
		return nil, c.isClosed()
	}
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(c.closing, cancel)
	leave := func() { release(); cancel(); c.streams.Done() }
	body, err := c.request(ctx, f.method, f.args, nil)
	if err != nil {
		leave()
		if caller.Err() != nil {
			err = caller.Err()
		}
		return nil, err
	}
	out := make(chan T)
	go func() {
		defer leave()
		defer close(out)
		for !pass(ctx, body, out, f.seen) {
			var err error
			if body, err = reopen(ctx, c, f.method, f.args); err == nil {
				continue
			}
			if reason, is := errors.AsType[*job.Error](err); is {
				if last, tell := f.over(reason); tell {
					send(ctx, out, last)
				}
			}
			return
		}
	}()
	return out, nil
}

// pass hands on what a stream brings. It returns true when nothing can follow, and
// false when the stream was cut off.
func pass[T any](ctx context.Context, body io.ReadCloser, out chan<- T, seen func(T)) (ended bool) {
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var l line[T]
		if lines.Decode(&l) != nil {
			return ctx.Err() != nil
		}
		if l.End {
			return true
		}
		if l.Value == nil {
			continue
		}
		seen(*l.Value)
		if !send(ctx, out, *l.Value) {
			return true
		}
	}
}

func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// reopen tries until the stream is open, ctx ends, or the queue refuses for good.
func reopen(ctx context.Context, c *Client, method string, in any) (io.ReadCloser, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		// Many clients of one process come back spread over time.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		body, err := c.request(ctx, method, in, nil)
		if err == nil || job.KindOf(err) != job.Unavailable {
			return body, err
		}
	}
}
