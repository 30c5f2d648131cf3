package localq

import (
	"context"
	"fmt"
	"math"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Beat is that of [scheduler.Source]. It costs no write.
func (s *Store) Beat(ctx context.Context, w scheduler.Worker, leases []job.Ref) (lost []job.Ref, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.begin()
	if err != nil {
		return nil, err
	}
	c.seen(w, true)
	for _, r := range leases {
		img, err := s.started(r)
		if err != nil || img.state.State != job.InProgress || img.state.Worker != w.ID {
			lost = append(lost, r)
			continue
		}
		img.lease = c.at(img.lease, c.now.Add(s.o.LeaseTTL), img.lease.fire)
	}
	return lost, c.commit()
}

// seen notes that a worker lives. A beat says more than a lease: this one only
// stands in until the first of those.
func (c *change) seen(w scheduler.Worker, beat bool) {
	s := c.s
	if m := s.crew.workers[w.ID]; m != nil && m.told && !beat {
		m.Seen = c.now
		m.due = c.at(m.due, c.now.Add(s.o.LeaseTTL), m.due.fire)
		return
	}
	m, changed := s.crew.set(w, c.now)
	m.told = beat
	m.due = c.at(m.due, c.now.Add(s.o.LeaseTTL), func(*change) {
		s.crew.remove(m)
		s.wakeAll() // what it had loaded or would have taken is free for others
	})
	if changed {
		s.wakeAll()
	}
}

// started returns the image of a start, job.Fenced when a later one was given. The
// mutex is held.
func (s *Store) started(r job.Ref) (*image, error) {
	e, err := s.find(r.Job)
	if err != nil {
		return nil, err
	}
	if r.Image < 0 || r.Image >= len(e.images) {
		return nil, job.Errorf(job.NotFound, "the job %s has %d images, there is no image %d", r.Job, len(e.images), r.Image)
	}
	img := &e.images[r.Image]
	if r.Token != img.state.Token || r.Token == 0 {
		return img, fenced(r, fmt.Sprintf("the last start of the image is %d", img.state.Token))
	}
	return img, nil
}

func fenced(r job.Ref, why string) *job.Error {
	return job.Errorf(job.Fenced, "%v may no longer be written: %s", r, why)
}

// write decides a worker's write for one start and waits until that is durable.
func (s *Store) write(ctx context.Context, r job.Ref, decide func(*change, *image) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.begin()
	if err != nil {
		return err
	}
	var pending *flight
	img, err := s.started(r)
	if img != nil {
		pending = img.entry.pending
	}
	if err == nil {
		err = decide(c, img)
	}
	if job.KindOf(err) == job.Fenced && img != nil {
		c.event(c.about(img, job.EventFenced, job.Errorf(job.Fenced, "%s", err.Error())))
	}
	if failed := c.commit(); failed != nil {
		return failed
	}
	if failed := pending.settle(); failed != nil {
		return failed
	}
	return err
}

// Finish is that of [scheduler.Source]. A start that went back to the queue is
// fenced like one that was followed by another.
func (s *Store) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	if math.IsNaN(result.Seconds) || math.IsInf(result.Seconds, 0) {
		err := job.Errorf(job.Invalid, "the image took %v seconds, which cannot be recorded", result.Seconds)
		err.Field = "seconds"
		return err
	}
	return s.write(ctx, r, func(c *change, img *image) error {
		switch img.state.State {
		case job.Completed:
			return nil
		case job.InProgress:
			c.complete(img, result)
			return nil
		}
		return fenced(r, "the image is "+string(img.state.State))
	})
}

// Fail is that of [scheduler.Source].
func (s *Store) Fail(ctx context.Context, r job.Ref, reason *job.Error) error {
	if reason == nil {
		reason = job.Errorf(job.Engine, "drawing failed for no stated reason")
	}
	retry := reason.Kind == job.Engine || reason.Kind == job.Crashed
	return s.write(ctx, r, func(c *change, img *image) error {
		switch state := img.state.State; {
		case state == job.Failed, state == job.Queued && retry:
			return nil // told before, or counted when the lease ended
		case state == job.InProgress:
			c.fail(img, reason)
			return nil
		default:
			return fenced(r, "the image is "+string(state))
		}
	})
}

// Release is that of [scheduler.Source]. Starts that have ended otherwise are left
// alone: whoever drains holds them no more, which is what it wants.
func (s *Store) Release(ctx context.Context, refs ...job.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.begin()
	if err != nil {
		return err
	}
	for _, r := range refs {
		if img, err := s.started(r); err == nil && img.state.State == job.InProgress {
			c.release(img)
		}
	}
	return c.commit()
}

// Leave is that of [scheduler.Source].
func (s *Store) Leave(ctx context.Context, worker string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.begin()
	if err != nil {
		return err
	}
	for img := range s.held[worker] {
		c.release(img)
	}
	if m := s.crew.workers[worker]; m != nil {
		s.agenda.drop(m.due)
		s.crew.remove(m)
		s.wakeAll()
	}
	return c.commit()
}

// Progress is that of [scheduler.Source]. It is told to nobody while a change of the
// job is on its way to the disk, which watchers must not see before.
func (s *Store) Progress(ctx context.Context, r job.Ref, p job.Progress, preview *job.Preview) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	img, err := s.started(r)
	if err != nil {
		return err
	}
	if img.state.State != job.InProgress {
		return fenced(r, "the image is "+string(img.state.State))
	}
	img.state.Progress = p
	if e := img.entry; e.audience.watching() && e.pending == nil {
		s.tell(e, job.Update{Status: s.status(e), Preview: preview})
	}
	return nil
}
