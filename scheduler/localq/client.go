package localq

import (
	"context"
	"encoding/json"

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
	if err := ctx.Err(); err != nil {
		return job.Status{}, err
	}
	c, err := s.begin()
	if err != nil {
		return job.Status{}, err
	}
	s.agenda.run(c)
	e, err := s.known(sub, c)
	switch {
	case err != nil:
	case e != nil:
		if sub.Watcher != "" && !e.state.Terminal() {
			c.register(e, sub.Watcher)
		}
	default:
		if err = s.full(sub.Spec); err != nil {
			c.event(job.Event{Type: job.EventShed, Job: sub.ID, Model: sub.Spec.Model, Tenant: sub.Spec.Tenant, Images: sub.Spec.Count, Err: err})
			break
		}
		s.seq++
		e = newEntry(sub.ID, sub.Spec)
		e.seq, e.created, e.key, e.digest = s.seq, c.now, sub.Key, sub.Digest
		c.put(acceptedKey(e.id), acceptedRecord{
			Schema: schema, Sequence: e.seq, Accepted: e.created, Key: e.key, Digest: e.digest, Spec: spec,
		}, nil)
		c.admit(e)
		if sub.Watcher != "" {
			c.register(e, sub.Watcher)
		}
	}
	if err != nil {
		_ = c.commit() // of what was due; this call's answer stands
		return job.Status{}, err
	}
	status, pending := s.status(e), e.pending
	if err := c.commit(); err != nil {
		return job.Status{}, err
	}
	return status, pending.settle()
}

// known returns the job that a submission repeats, nil when it is new. A key
// outlives its job's end by Options.Retention, also if a dead letter is kept for longer.
func (s *Store) known(sub job.Submission, c *change) (*entry, error) {
	if e := s.jobs[sub.ID]; e != nil {
		return e, nil
	}
	if sub.Key == "" {
		return nil, nil
	}
	e := s.keys[tenantKey{sub.Spec.Tenant, sub.Key}]
	if e == nil || e.state.Terminal() && !c.now.Before(e.ended.Add(s.o.Retention)) {
		return nil, nil
	}
	if e.digest != sub.Digest {
		err := job.Errorf(job.Conflict, "the idempotency key was used for another request")
		err.Field = "idempotency_key"
		return nil, err
	}
	return e, nil
}

// Get is that of [scheduler.Client].
func (s *Store) Get(ctx context.Context, id job.ID) (job.Status, error) {
	if err := ctx.Err(); err != nil {
		return job.Status{}, err
	}
	s.mu.Lock()
	e, err := s.find(id)
	if err != nil {
		s.mu.Unlock()
		return job.Status{}, err
	}
	status, pending := s.status(e), e.pending
	s.mu.Unlock()
	if err := pending.settle(); err != nil {
		return job.Status{}, err
	}
	return status, nil
}

// find returns a job that is kept. The mutex is held.
func (s *Store) find(id job.ID) (*entry, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if e := s.jobs[id]; e != nil {
		return e, nil
	}
	return nil, job.Errorf(job.NotFound, "there is no job %.60q, or it is no longer kept", id)
}

// Cancel is that of [scheduler.Client].
func (s *Store) Cancel(ctx context.Context, id job.ID) error {
	return s.update(ctx, id, func(c *change, e *entry) error {
		if !e.state.Terminal() {
			c.end(e, job.Cancelled, job.Errorf(job.Withdrawn, "the job was cancelled"))
		}
		return nil
	})
}

// update changes one job and waits until that, or what it rests on, is durable.
func (s *Store) update(ctx context.Context, id job.ID, decide func(*change, *entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.begin()
	if err != nil {
		return err
	}
	var pending *flight
	e, err := s.find(id)
	if err == nil {
		pending = e.pending
		err = decide(c, e)
	}
	if failed := c.commit(); failed != nil {
		return failed
	}
	if failed := pending.settle(); failed != nil {
		return failed
	}
	return err
}
