package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
)

// reply is a script's answer.
type reply []any

func (r reply) str(i int) string {
	if i >= len(r) {
		return ""
	}
	s, _ := r[i].(string)
	return s
}

func (r reply) int(i int) int64 {
	if i >= len(r) {
		return 0
	}
	switch v := r[i].(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

func (r reply) list(i int) reply {
	if i >= len(r) {
		return nil
	}
	l, _ := r[i].([]any)
	return l
}

// call runs a script and hands its events on. It returns when ctx ends, with the
// context's error; the script may still run then, and abandoned, if not nil, is
// told what became of it.
func (s *Store) call(ctx context.Context, script *redis.Script, abandoned func(reply, error), args ...any) (reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.enter() {
		return nil, job.Errorf(job.Unavailable, "the queue is closed")
	}
	if ctx.Done() == nil {
		defer s.calls.Done()
		return s.run(script, args...)
	}
	type outcome struct {
		r   reply
		err error
	}
	done := make(chan outcome)
	go func() {
		defer s.calls.Done()
		r, err := s.run(script, args...)
		select {
		case done <- outcome{r, err}:
		case <-ctx.Done():
			if abandoned != nil {
				abandoned(r, err)
			}
		}
	}()
	select {
	case o := <-done:
		return o.r, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run runs a script, whoever waits for it, for at most patience.
func (s *Store) run(script *redis.Script, args ...any) (reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := make([]any, 0, len(s.head)+len(args))
	all = append(append(all, s.head...), args...)
	r, err := s.exec(ctx, script, s.keys, all...)
	if err == nil {
		s.observe(r.str(1))
	}
	return r, err
}

// exec runs a script with keys and arguments of its own.
func (s *Store) exec(ctx context.Context, script *redis.Script, keys []string, args ...any) (reply, error) {
	v, err := script.Run(ctx, s.client, keys, args...).Result()
	if err != nil {
		return nil, failure(err)
	}
	r, ok := v.([]any)
	if !ok || len(r) == 0 {
		return nil, job.Errorf(job.Unavailable, "Redis gave an answer that makes no sense: %.100v", v)
	}
	return r, nil
}

// outOfMemory is how long a client of a full Redis does well to wait.
const outOfMemory = 5 * time.Second

// failure turns an error of Redis, or of the way to it, into ours.
func failure(err error) error {
	unavailable := func(why string) error {
		return &job.Error{Kind: job.Unavailable, Message: why, Cause: err}
	}
	if e, ok := errors.AsType[redis.Error](err); !ok || errors.Is(err, redis.Nil) {
		return unavailable("the queue's Redis cannot be reached")
	} else {
		for prefix, why := range refusals {
			if redis.HasErrorPrefix(e, prefix) {
				return unavailable("the queue's Redis " + why)
			}
		}
	}
	if redis.HasErrorPrefix(err, "OOM") {
		return &job.Error{Kind: job.Overloaded, Message: "the queue's Redis is out of memory", RetryAfter: outOfMemory, Cause: err}
	}
	return unavailable("the queue's Redis refused a command")
}

// refusals are the errors with which Redis says that it is of no use now.
var refusals = map[string]string{
	"LOADING":     "is reading its data from disk",
	"READONLY":    "is a replica, which cannot be written",
	"MASTERDOWN":  "has lost the server that it copies",
	"CLUSTERDOWN": "is part of a cluster that is down",
	"MISCONF":     "cannot write to its disk, and takes no writes",
	"NOREPLICAS":  "has too few replicas, and takes no writes",
	"BUSY":        "is busy with a script that does not end",
	"NOAUTH":      "wants a password",
	"WRONGPASS":   "refuses the user or the password",
	"NOPERM":      "does not let this user do what the queue needs",
}

// missing is the error about a job that is not there.
func missing(id job.ID) error {
	return job.Errorf(job.NotFound, "there is no job %.60q, or it is no longer kept", id)
}

// strange is the error about an answer that no script gives.
func strange(r reply) error {
	return job.Errorf(job.Unavailable, "Redis gave an answer that makes no sense: %s", fmt.Sprintf("%.100q", r.str(0)))
}
