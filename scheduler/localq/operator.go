package localq

import (
	"context"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Stats is that of [scheduler.Operator].
func (s *Store) Stats(ctx context.Context) (scheduler.Stats, error) {
	if err := ctx.Err(); err != nil {
		return scheduler.Stats{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return scheduler.Stats{}, err
	}
	st := scheduler.Stats{
		Queued: s.queued, Running: s.running, Jobs: s.open, Dead: len(s.dead),
		Seconds: max(0, s.seconds), Models: map[string]int{}, Workers: s.crew.list(), LeaseTTL: s.o.LeaseTTL,
	}
	for _, l := range s.order.lanes {
		st.Models[l.model] += l.images
		if oldest := l.oldest().created; st.Oldest.IsZero() || oldest.Before(st.Oldest) {
			st.Oldest = oldest
		}
	}
	return st, nil
}

// Dead is that of [scheduler.Operator].
func (s *Store) Dead(ctx context.Context, n int) ([]job.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	entries := make([]*entry, 0, len(s.dead))
	for e := range s.dead {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		if byEnd := b.ended.Compare(a.ended); byEnd != 0 {
			return byEnd
		}
		return int(b.seq) - int(a.seq)
	})
	list := make([]job.Status, 0, max(0, min(n, len(entries))))
	for _, e := range entries[:cap(list)] {
		list = append(list, s.status(e))
	}
	return list, nil
}

// Retry is that of [scheduler.Operator]. Admission does not bound it. A job that is
// no dead letter is a job.Conflict.
func (s *Store) Retry(ctx context.Context, id job.ID) error {
	return s.update(ctx, id, func(c *change, e *entry) error {
		if e.state != job.Failed {
			return job.Errorf(job.Conflict, "the job %s is %s, only a failed one can be retried", id, e.state)
		}
		c.retry(e)
		return nil
	})
}

// retry puts the unfinished images of a dead letter where they were accepted. Whoever
// watched the job was told its end, so that it lives on without them.
func (c *change) retry(e *entry) {
	s := c.s
	c.disband(e)
	delete(s.dead, e)
	s.agenda.drop(e.due)
	e.state, e.err = job.Queued, nil
	if !e.started.IsZero() {
		e.state = job.InProgress
	}
	e.ended = time.Time{}
	c.reopen(e, e.left)
	for i := range e.images {
		img := &e.images[i]
		if img.state.State == job.Completed {
			continue
		}
		img.state.State, img.state.Attempts, img.state.Error = job.Queued, 0, nil
		img.state.Progress = job.Progress{}
		c.queue(img)
		c.touchImage(img)
	}
	s.wake(e)
}

// Drop is that of [scheduler.Operator]. Watchers are told that the job was cancelled.
func (s *Store) Drop(ctx context.Context, id job.ID) error {
	return s.update(ctx, id, func(c *change, e *entry) error {
		if !e.state.Terminal() {
			c.end(e, job.Cancelled, job.Errorf(job.Withdrawn, "the job was dropped"))
		}
		c.forget(e)
		return nil
	})
}
