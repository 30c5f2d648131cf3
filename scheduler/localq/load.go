package localq

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cosmicman/job"
)

// load reads what the disk has into an empty store. Leases of workers that lived in
// the process that held the store count as crashes.
func (s *Store) load() error {
	if err := s.read(); err != nil {
		return err
	}
	c, err := s.begin()
	if err != nil {
		return err
	}
	entries := make([]*entry, 0, len(s.jobs))
	for _, e := range s.jobs {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	var crashed []*image
	for _, e := range entries {
		s.seq = max(s.seq, e.seq)
		if e.key != "" {
			s.keys[tenantKey{e.spec.Tenant, e.key}] = e
		}
		crashed = append(crashed, c.place(e)...)
	}
	for _, img := range crashed {
		if img.state.State == job.InProgress { // a job may have ended with an earlier one
			c.fail(img, job.Errorf(job.Crashed, "the process that drew it has died"))
		}
	}
	return c.commit()
}

// place puts a job that was read where it belongs and returns those of its images
// that ran in the process that held the store.
func (c *change) place(e *entry) (crashed []*image) {
	s := c.s
	if e.state.Terminal() {
		if e.state == job.Failed {
			s.dead[e] = struct{}{}
		}
		c.keep(e)
		return nil
	}
	c.reopen(e, e.left)
	for i := range e.images {
		img := &e.images[i]
		switch {
		case img.state.State == job.InProgress:
			s.running++
			c.hold(img)
			if img.inProcess {
				crashed = append(crashed, img)
			}
		case e.opaque:
			s.queued++ // and in no lane
		case img.state.State == job.Queued && !img.cameBack.IsZero():
			s.queued++
			s.order.comeBack(img, img.cameBack.Add(s.o.LeaseTTL/2))
		case img.state.State == job.Queued:
			c.queue(img)
		}
	}
	if e.state == job.Queued && !e.spec.Deadline.IsZero() {
		e.due = c.at(e.due, e.spec.Deadline, func(c *change) { c.expire(e) })
	}
	if e.audience.needed && e.mortal() {
		c.await(e)
	}
	return crashed
}

// read fills s.jobs from the records.
func (s *Store) read() error {
	err := s.journal.each("s/", func(key string, value []byte) error {
		e, err := readAccepted(key, value)
		if err == nil {
			s.jobs[e.id] = e
		}
		return err
	})
	if err == nil {
		err = s.journal.each("i/", s.readImage)
	}
	if err == nil {
		err = s.journal.each("j/", s.readState)
	}
	if err == nil {
		err = s.journal.each("w/", func(key string, _ []byte) error {
			e, err := s.ownerOf(key, key[2:])
			if err == nil {
				e.audience.needed = true
			}
			return err
		})
	}
	if err != nil && job.KindOf(err) == "" {
		err = unavailable(err, "the queue in %s cannot be read", s.journal.dir)
	}
	return err
}

func (s *Store) ownerOf(key, id string) (*entry, error) {
	e := s.jobs[job.ID(id)]
	if e == nil {
		return nil, damaged(key, fmt.Errorf("there is no job %q", id))
	}
	return e, nil
}

func readAccepted(key string, value []byte) (*entry, error) {
	var r acceptedRecord
	if _, err := decode(key, value, &r); err != nil {
		return nil, err
	}
	var spec job.Spec
	opaque := false
	if err := json.Unmarshal(r.Spec, &spec); err != nil {
		// A newer program's job may hold what cannot be read here; it is kept for that one.
		var least struct {
			Needs   int
			Tenant  string
			Model   string
			Count   int
			Seconds float64
		}
		if json.Unmarshal(r.Spec, &least) != nil || least.Needs <= job.Version {
			return nil, damaged(key, err)
		}
		spec = job.Spec{Needs: least.Needs, Tenant: least.Tenant, Model: least.Model, Count: least.Count, Seconds: least.Seconds, Detached: true}
		opaque = true
	}
	if spec.Count < 1 || spec.Count > job.MaxImages || spec.Priority < job.High || spec.Priority > job.Low {
		return nil, damaged(key, fmt.Errorf("it has %d images and priority %d", spec.Count, spec.Priority))
	}
	e := newEntry(job.ID(key[2:]), spec)
	e.seq, e.created, e.key, e.digest, e.opaque, e.revision = r.Sequence, r.Accepted, r.Key, r.Digest, opaque, 1
	return e, nil
}

func (s *Store) readImage(key string, value []byte) error {
	id, number, _ := strings.Cut(key[2:], "/")
	e, err := s.ownerOf(key, id)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(e.images) {
		return damaged(key, fmt.Errorf("the job has %d images", len(e.images)))
	}
	var r imageRecord
	unknown, err := decode(key, value, &r)
	if err != nil {
		return err
	}
	img := &e.images[n]
	img.state, img.inProcess, img.cameBack, img.unknown, img.written = r.Image, r.InProcess, r.CameBack, unknown, true
	e.revision = max(e.revision, r.Revision)
	switch img.state.State {
	case job.Completed:
		e.left--
	case job.Queued, job.InProgress, job.Failed, job.Cancelled, job.Expired:
	default:
		return damaged(key, fmt.Errorf("its state is %q", img.state.State))
	}
	return nil
}

func (s *Store) readState(key string, value []byte) error {
	e, err := s.ownerOf(key, key[2:])
	if err != nil {
		return err
	}
	var r stateRecord
	unknown, err := decode(key, value, &r)
	if err != nil {
		return err
	}
	switch r.State {
	case job.Queued, job.InProgress, job.Completed, job.Failed, job.Cancelled, job.Expired:
	default:
		return damaged(key, fmt.Errorf("its state is %q", r.State))
	}
	e.state, e.kept, e.started, e.ended, e.err, e.unknown = r.State, r.State, r.Started, r.Ended, r.Error, unknown
	e.revision = max(e.revision, r.Revision)
	return nil
}
