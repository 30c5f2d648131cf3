package redisq

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// artifacts keeps images in Redis, each until it expires.
type artifacts struct {
	s   *Store
	max int64
}

// Artifacts is a store of finished images in the same Redis, of together at most maxBytes
// bytes (0: unbounded). All processes should give the same bound.
func (s *Store) Artifacts(maxBytes int64) scheduler.Artifacts { return artifacts{s, maxBytes} }

func (a artifacts) key(name string) string { return a.s.base + "artifact:" + name }

func (a artifacts) keys(name string) []string {
	return []string{a.key(name), a.s.base + "artifacts", a.s.base + "artifact-sizes", a.s.base + "artifact-bytes"}
}

// do makes a call to Redis with a bound in time, which ends with ctx.
func (a artifacts) do(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !a.s.enter() {
		return job.Errorf(job.Unavailable, "the queue is closed")
	}
	done := make(chan error, 1)
	go func() {
		defer a.s.calls.Done()
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		done <- f(call)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a artifacts) Put(ctx context.Context, name string, data []byte, ttl time.Duration) error {
	if name == "" || ttl < time.Millisecond {
		return job.Errorf(job.Invalid, "an artifact needs a name and a time to live, not %q and %v", name, ttl)
	}
	if a.max > 0 && int64(len(data)) > a.max {
		return job.Errorf(job.Invalid, "the artifact has %d bytes, the store holds at most %d", len(data), a.max)
	}
	return a.do(ctx, func(ctx context.Context) error {
		r, err := a.s.exec(ctx, a.s.scripts.put, a.keys(name), name, data, ttl.Milliseconds(), a.max)
		if err != nil || r.str(0) == "ok" {
			return err
		}
		full := job.Errorf(job.Overloaded, "the store of images is full: %d of %d bytes are taken", r.int(1), a.max)
		full.RetryAfter = retryAfter(float64(r.int(2)) / 1000)
		return full
	})
}

func (a artifacts) Get(ctx context.Context, name string) (data []byte, err error) {
	got := make(chan []byte, 1)
	err = a.do(ctx, func(ctx context.Context) error {
		b, err := a.s.client.Get(ctx, a.key(name)).Bytes()
		if err == redis.Nil {
			return job.Errorf(job.NotFound, "there is no image %.100q, or it has expired", name)
		}
		if err != nil {
			return failure(err)
		}
		got <- b
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

func (a artifacts) Delete(ctx context.Context, name string) error {
	return a.do(ctx, func(ctx context.Context) error {
		_, err := a.s.exec(ctx, a.s.scripts.delete, a.keys(name), name)
		return err
	})
}
