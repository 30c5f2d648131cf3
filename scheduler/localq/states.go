package localq

import (
	"time"

	"cosmicman/job"
)

// admit takes a new job into the queue.
func (c *change) admit(e *entry) {
	s := c.s
	s.jobs[e.id] = e
	if e.key != "" {
		s.keys[tenantKey{e.spec.Tenant, e.key}] = e
	}
	c.reopen(e, len(e.images))
	for i := range e.images {
		c.queue(&e.images[i])
	}
	c.touch(e)
	if !e.spec.Deadline.IsZero() {
		e.due = c.at(e.due, e.spec.Deadline, func(c *change) { c.expire(e) })
	}
	c.event(job.Event{Type: job.EventQueued, Job: e.id, Model: e.spec.Model, Tenant: e.spec.Tenant, Images: len(e.images), State: job.Queued})
	s.wake(e)
}

// reopen counts a job, and as many images, as not ended.
func (c *change) reopen(e *entry, images int) {
	c.s.open++
	c.s.seconds += e.spec.Seconds * float64(images)
}

// queue puts an image into its class.
func (c *change) queue(img *image) {
	c.s.queued++
	c.s.order.stand(img)
}

// start gives an image to a worker.
func (c *change) start(img *image, worker, fingerprint string, inProcess bool) {
	s, e := c.s, img.entry
	c.event(job.Event{
		Type: job.EventLeased, Job: e.id, Image: img.number, Model: e.spec.Model, Tenant: e.spec.Tenant, Worker: worker,
		Wait: c.now.Sub(img.queuedAt()), Attempt: img.state.Attempts + 1, State: job.InProgress,
	})
	s.order.give(img, c.now)
	c.moved()
	s.queued--
	s.running++
	img.cameBack = time.Time{}
	img.inProcess = inProcess
	img.state.State = job.InProgress
	img.state.Token++
	img.state.Worker = worker
	img.state.Fingerprint = fingerprint
	img.state.Progress = job.Progress{}
	c.hold(img)
	if e.state == job.Queued {
		e.state = job.InProgress
		e.started = c.now
		s.agenda.drop(e.due)
	}
	c.touchImage(img)
}

// hold gives an image that runs its lease.
func (c *change) hold(img *image) {
	s := c.s
	img.leased = c.now
	img.lease = c.at(img.lease, c.now.Add(s.o.LeaseTTL), func(c *change) { c.lapse(img) })
	images := s.held[img.state.Worker]
	if images == nil {
		images = map[*image]struct{}{}
		s.held[img.state.Worker] = images
	}
	images[img] = struct{}{}
}

// lapse ends a lease whose time is over. Far too late means that this process stood
// still (a suspended machine, SIGSTOP), so that no beat could have been heard:
// then workers have half a lease to say that they live.
func (c *change) lapse(img *image) {
	ttl := c.s.o.LeaseTTL
	if late := c.now.Sub(img.lease.at); late > max(ttl/4, time.Second) {
		img.lease = c.at(img.lease, c.now.Add(ttl/2), func(c *change) { c.lapse(img) })
		return
	}
	c.fail(img, job.Errorf(job.Crashed, "the worker was not heard from for %v", ttl))
}

// unhold takes an image from its worker, or out of the queue.
func (c *change) unhold(img *image) {
	s := c.s
	if img.state.State == job.Queued {
		s.queued--
		s.order.remove(img)
		c.moved()
		return
	}
	s.running--
	s.agenda.drop(img.lease)
	img.lease = nil
	worker := img.state.Worker
	delete(s.held[worker], img)
	if len(s.held[worker]) == 0 {
		delete(s.held, worker)
	}
}

// putBack returns a running image to the head of its lane.
func (c *change) putBack(img *image) {
	s := c.s
	c.unhold(img)
	s.queued++
	img.state.State = job.Queued
	img.state.Progress = job.Progress{}
	img.inProcess = false
	img.cameBack = c.now
	s.order.comeBack(img, c.now.Add(s.o.LeaseTTL/2))
	c.touchImage(img)
	s.wake(img.entry)
}

// release returns a running image without counting an attempt.
func (c *change) release(img *image) {
	c.event(c.about(img, job.EventReturned, nil))
	c.putBack(img)
}

// fail ends a start with an error: another attempt, or the end of the job.
func (c *change) fail(img *image, reason *job.Error) {
	img.state.Error = reason
	retry := reason.Kind == job.Engine || reason.Kind == job.Crashed
	if retry {
		img.state.Attempts++
		if img.state.Attempts < c.s.o.MaxAttempts {
			c.event(c.about(img, job.EventRetried, reason))
			c.putBack(img)
			return
		}
	}
	c.unhold(img)
	img.state.State = job.Failed
	c.imageEnded(img)
	c.end(img.entry, job.Failed, reason)
}

// complete records an image's result.
func (c *change) complete(img *image, result job.Result) {
	e := img.entry
	event := c.about(img, job.EventFinished, nil)
	event.Wait = c.now.Sub(e.created)
	event.Took = c.now.Sub(img.leased)
	event.Bytes = result.Bytes
	event.State = job.Completed
	c.event(event)
	c.unhold(img)
	img.state.State = job.Completed
	img.state.Result = &result
	if p := &img.state.Progress; p.All > 0 {
		p.Done = p.All
	}
	c.imageEnded(img)
	if e.left--; e.left == 0 {
		c.end(e, job.Completed, nil)
	}
}

func (c *change) imageEnded(img *image) {
	img.cameBack = time.Time{}
	img.inProcess = false
	c.s.seconds -= img.entry.spec.Seconds
	c.touchImage(img)
}

// end ends a job. What it still has queued is dropped, what runs is revoked.
func (c *change) end(e *entry, state job.State, reason *job.Error) {
	s := c.s
	dropped := job.Cancelled
	if state == job.Expired {
		dropped = job.Expired
	}
	for i := range e.images {
		img := &e.images[i]
		if img.state.State.Terminal() {
			continue
		}
		if img.state.State == job.InProgress {
			c.revoked = append(c.revoked, revocation{img.state.Worker, img.ref()})
			c.event(c.about(img, job.EventRevoked, reason))
		}
		c.unhold(img)
		img.state.State = dropped
		c.imageEnded(img)
	}
	e.state, e.err, e.ended = state, reason, c.now
	s.open--
	if s.open == 0 {
		s.seconds = 0 // sheds what rounding has left
	}
	if state == job.Failed {
		s.dead[e] = struct{}{}
	}
	c.keep(e)
	c.touch(e)
	event := job.Event{Type: job.EventEnded, Job: e.id, Model: e.spec.Model, Tenant: e.spec.Tenant, Images: len(e.images), State: state, Wait: c.now.Sub(e.created)}
	if reason != nil {
		event.Err = reason
	}
	c.event(event)
}

// keep plans when a job that has ended is forgotten.
func (c *change) keep(e *entry) {
	d := c.s.o.Retention
	if e.state == job.Failed {
		d = c.s.o.DeadFor
	}
	e.due = c.at(e.due, e.ended.Add(d), func(c *change) { c.forget(e) })
}

// expire ends a job whose deadline has passed before any of its images was started.
func (c *change) expire(e *entry) {
	c.end(e, job.Expired, job.Errorf(job.PastDue, "the deadline passed before the job was started"))
}

// forget removes a job that has ended, and its records.
func (c *change) forget(e *entry) {
	s := c.s
	e.dropped = true
	delete(s.jobs, e.id)
	delete(s.dead, e)
	if key := (tenantKey{e.spec.Tenant, e.key}); e.key != "" && s.keys[key] == e {
		delete(s.keys, key)
	}
	s.agenda.drop(e.due)
	if s.journal == nil {
		return
	}
	c.records = append(c.records, record{key: acceptedKey(e.id)}, record{key: stateKey(e.id)}, record{key: watchedKey(e.id)})
	for i := range e.images {
		if e.images[i].written {
			c.records = append(c.records, record{key: imageKey(e.id, i)})
		}
	}
}

// about makes an event of an image.
func (c *change) about(img *image, kind job.EventType, reason *job.Error) job.Event {
	e := img.entry
	event := job.Event{
		Type: kind, Job: e.id, Image: img.number, Model: e.spec.Model, Tenant: e.spec.Tenant,
		Worker: img.state.Worker, Attempt: img.state.Attempts, State: img.state.State,
	}
	if reason != nil {
		event.Err = reason
	}
	return event
}
