package localq

import (
	"fmt"
	"time"

	"cosmicman/job"
)

// flight is a change on its way to the disk.
type flight struct {
	landed chan struct{} // closed when it is there, or has failed
	err    error         // set before landed is closed
}

// change is one step of the store: made under its mutex by begin, decided there,
// and ended by commit, which gives the mutex up.
type change struct {
	s       *Store
	id      uint64
	now     time.Time
	records []record
	jobs    []*entry // changed, in the order of change
	images  []*image
	events  []job.Event
	revoked []revocation
	err     error // a record could not be encoded
}

type revocation struct {
	worker string
	ref    job.Ref
}

// begin locks the store for a change. An error means that it cannot be used, and
// that the mutex is free.
func (s *Store) begin() (*change, error) {
	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.calls.Add(1)
	s.changes++
	return &change{s: s, id: s.changes, now: s.o.Now()}, nil
}

// put adds a record to what is written.
func (c *change) put(key string, v any, unknown []byte) {
	if c.s.journal == nil {
		return
	}
	value, err := encode(v, unknown)
	if err != nil {
		c.err = fmt.Errorf("record %s: %w", key, err)
	}
	c.records = append(c.records, record{key, value})
}

func (c *change) event(e job.Event) {
	e.Time = c.now
	c.events = append(c.events, e)
}

// touch notes that a job has changed.
func (c *change) touch(e *entry) {
	if e.touched == c.id {
		return
	}
	e.touched = c.id
	e.revision++
	c.jobs = append(c.jobs, e)
}

// touchImage notes that an image has changed.
func (c *change) touchImage(img *image) {
	c.touch(img.entry)
	c.images = append(c.images, img)
}

// commit ends a change: its records go to the log, the mutex is given up, and once
// the log is on disk it is told to watchers, workers and the observer. No other
// method of c may follow.
func (c *change) commit() error {
	s := c.s
	defer s.calls.Done()
	c.encode()
	fl := &flight{landed: make(chan struct{})}
	wait := func() error { return nil }
	err := c.err
	if err == nil && s.journal != nil && len(c.records) > 0 {
		wait, err = s.journal.append(c.records)
	}
	type news struct {
		e      *entry
		status job.Status
	}
	var told []news
	for _, e := range c.jobs {
		e.pending = fl
		if e.audience.watching() {
			told = append(told, news{e, s.status(e)})
		}
	}
	s.mu.Unlock()

	if err == nil {
		err = wait()
	}
	fl.err = err
	close(fl.landed)

	s.mu.Lock()
	for _, e := range c.jobs {
		if e.pending == fl {
			e.pending = nil
		}
	}
	if err != nil {
		s.poison(err)
		s.mu.Unlock()
		return err
	}
	for _, n := range told {
		s.tell(n.e, job.Update{Status: n.status})
	}
	for _, r := range c.revoked {
		s.revoke(r)
	}
	s.mu.Unlock()
	for _, e := range c.events {
		s.o.Observe(e)
	}
	return nil
}

// encode turns what was touched into records.
func (c *change) encode() {
	if c.s.journal == nil {
		return
	}
	seen := map[*image]bool{}
	for _, img := range c.images {
		if seen[img] || img.entry.dropped {
			continue
		}
		seen[img] = true
		img.written = true
		c.put(imageKey(img.entry.id, img.number), imageRecord{
			Schema: schema, Revision: img.entry.revision, Image: img.state, InProcess: img.inProcess, CameBack: img.cameBack,
		}, img.unknown)
	}
	for _, e := range c.jobs {
		if e.dropped || e.state == e.kept {
			continue
		}
		e.kept = e.state
		c.put(stateKey(e.id), stateRecord{
			Schema: schema, State: e.state, Revision: e.revision, Started: e.started, Ended: e.ended, Error: e.err,
		}, e.unknown)
	}
}

// settle waits until the last change of a job is durable.
func (fl *flight) settle() error {
	if fl == nil {
		return nil
	}
	<-fl.landed
	return fl.err
}
