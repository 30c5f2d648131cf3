package redisq

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
)

// Submit is that of [scheduler.Client]. A job that alone is above MaxSeconds is
// accepted when nothing else waits.
func (s *Store) Submit(ctx context.Context, sub job.Submission) (job.Status, error) {
	if err := sub.Check(); err != nil {
		return job.Status{}, err
	}
	spec, err := json.Marshal(sub.Spec)
	if err != nil {
		return job.Status{}, &job.Error{Kind: job.Invalid, Field: "spec", Message: "the job cannot be written as JSON", Cause: err}
	}
	tenant := escape(sub.Spec.Tenant)
	var key string
	if sub.Key != "" {
		key = tenant + "\x00" + escape(sub.Key)
	}
	var due int64
	if d := sub.Spec.Deadline; !d.IsZero() {
		due = max(1, d.UnixMilli())
	}
	abandon := 0
	if sub.Key == "" && !sub.Spec.Detached {
		abandon = 1
	}
	r, err := s.call(ctx, s.scripts.submit, nil,
		string(sub.ID), spec, tenant, escape(sub.Spec.Model), min(max(sub.Spec.Needs, 0), maxVersion), int(sub.Spec.Priority)+1,
		sub.Spec.Count, microseconds(sub.Spec.Seconds), due, key, escape(sub.Digest), escape(sub.Watcher), s.process, abandon,
		s.o.MaxJobs, microseconds(s.o.MaxSeconds), s.o.WatchTTL.Milliseconds())
	if err == nil {
		switch r.str(0) {
		case "ok":
			if r.str(3) == "" { // it is new
				r[3] = "{}"
				st, err := fullStatus(sub.ID, r, 2)
				st.Spec = sub.Spec
				return st, err
			}
			return fullStatus(job.ID(r.str(6)), r, 2)
		case "conflict":
			conflict := job.Errorf(job.Conflict, "the idempotency key was used for another request")
			conflict.Field = "idempotency_key"
			return job.Status{}, conflict
		case "jobs", "seconds":
			err = s.full(sub.Spec, r)
		default:
			return job.Status{}, strange(r)
		}
	}
	if job.KindOf(err) == job.Overloaded {
		s.o.Observe(job.Event{Type: job.EventShed, Time: time.Now(), Job: sub.ID, Model: sub.Spec.Model, Tenant: sub.Spec.Tenant, Images: sub.Spec.Count, Err: err})
	}
	if e, ok := errors.AsType[*job.Error](err); ok && redis.HasErrorPrefix(e.Cause, "OOM") {
		e.Kind = job.Unavailable // nobody asked for too much: it is the store that has to be mended
	}
	return job.Status{}, err
}

// microseconds is how seconds are counted in Redis: whole, so that sums come out even.
func microseconds(seconds float64) int64 { return int64(min(seconds*1e6, 1e15)) }

// full says why a job cannot be accepted now.
func (s *Store) full(spec job.Spec, r reply) error {
	jobs, seconds, workers := float64(r.int(2)), float64(r.int(3))/1e6, float64(max(1, r.int(4)))
	if r.str(0) == "jobs" {
		// Somebody has to end first: at best when an average job is drawn.
		err := job.Errorf(job.Overloaded, "the queue is full: %.0f jobs have not ended", jobs)
		err.RetryAfter = retryAfter(seconds / max(1, jobs) / workers)
		return err
	}
	err := job.Errorf(job.Overloaded, "the queue is full: %.0f device seconds have not been drawn yet", seconds)
	// What is above the bound has to be drawn; a job above it alone waits for all else.
	over := seconds + spec.Seconds*float64(spec.Count) - s.o.MaxSeconds*workers
	err.RetryAfter = retryAfter(min(seconds, over) / workers)
	return err
}

// retryAfter rounds seconds up to whole ones, at least one.
func retryAfter(seconds float64) time.Duration {
	d := time.Duration(min(max(seconds, 0), 1e6) * float64(time.Second))
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// Get is that of [scheduler.Client].
func (s *Store) Get(ctx context.Context, id job.ID) (job.Status, error) {
	r, err := s.call(ctx, s.scripts.get, nil, string(id))
	if err != nil {
		return job.Status{}, err
	}
	if r.str(0) == "missing" {
		return job.Status{}, missing(id)
	}
	return fullStatus(id, r, 2)
}

// Cancel is that of [scheduler.Client].
func (s *Store) Cancel(ctx context.Context, id job.ID) error {
	return s.change(ctx, id, job.Errorf(job.Withdrawn, "the job was cancelled"), s.scripts.cancel)
}
