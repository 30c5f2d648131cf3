package localq

import (
	"encoding/json"
	"time"

	"cosmicman/job"
)

// entry is a job in memory. The store's mutex guards it.
type entry struct {
	id       job.ID
	spec     job.Spec
	key      string // idempotency key
	digest   string
	seq      uint64 // of acceptance
	created  time.Time
	started  time.Time
	ended    time.Time
	state    job.State
	revision uint64
	err      *job.Error
	images   []image
	unknown  json.RawMessage // its state record, if that has fields of a newer program
	kept     job.State       // the state that its records on disk say
	opaque   bool            // a newer program's, of which only the least can be read: given to nobody
	dropped  bool            // it is forgotten
	touched  uint64          // the last change of it

	// Its place in the order.
	standing int // images that stand in their class
	returned int // images that came back
	next     int // no image before this one stands in its class
	place    int // in its tenant's heap

	left     int      // images that have not been completed
	due      *due     // deadline, later the end of keeping it
	audience audience // who watches
	pending  *flight  // the last change of it, until that is durable
}

// image is one image in memory.
type image struct {
	entry   *entry
	number  int
	state   job.Image
	unknown json.RawMessage
	written bool // it has a record on disk

	standing  bool       // in its class
	back      *backPlace // at the head of its lane
	cameBack  time.Time
	inProcess bool
	leased    time.Time
	lease     *due // when its lease ends
}

// before orders images by acceptance.
func (img *image) before(other *image) bool {
	if img.entry.seq != other.entry.seq {
		return img.entry.seq < other.entry.seq
	}
	return img.number < other.number
}

func (img *image) ref() job.Ref {
	return job.Ref{Job: img.entry.id, Image: img.number, Token: img.state.Token}
}

// queuedAt returns since when an image is queued.
func (img *image) queuedAt() time.Time {
	if img.cameBack.IsZero() {
		return img.entry.created
	}
	return img.cameBack
}

func newEntry(id job.ID, spec job.Spec) *entry {
	e := &entry{id: id, spec: spec, state: job.Queued, kept: job.Queued, place: -1, left: spec.Count, images: make([]image, spec.Count)}
	for i := range e.images {
		e.images[i] = image{entry: e, number: i, state: job.Image{State: job.Queued}}
	}
	return e
}

// tenantKey is an idempotency key in its tenant's scope.
type tenantKey struct{ tenant, key string }

// status returns a job as others see it.
func (s *Store) status(e *entry) job.Status {
	st := job.Status{
		ID:       e.id,
		State:    e.state,
		Spec:     e.spec,
		Revision: e.revision,
		Position: s.order.position(e),
		Created:  e.created,
		Started:  e.started,
		Ended:    e.ended,
		Images:   make([]job.Image, len(e.images)),
		Error:    e.err,
	}
	for i := range e.images {
		st.Images[i] = e.images[i].state
	}
	return st
}
