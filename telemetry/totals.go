package telemetry

import (
	"maps"
	"sync"

	"cosmicman/job"
)

// Totals adds events up. The zero value is ready; its methods may be called by many
// goroutines.
type Totals struct {
	mu  sync.Mutex
	all Snapshot
}

// Snapshot is what was added up so far, by type of event.
type Snapshot map[job.EventType]Total

// Total of one type of event.
type Total struct {
	Count   uint64               `json:"count"`
	States  map[job.State]uint64 `json:"states,omitempty"`   // of jobs that ended
	Kinds   map[job.Kind]uint64  `json:"kinds,omitempty"`    // of errors; "" for one without a kind
	Rows    uint64               `json:"rows,omitempty"`     // sum
	Padded  uint64               `json:"padded,omitempty"`   // sum
	Images  uint64               `json:"images,omitempty"`   // sum
	Bytes   uint64               `json:"bytes,omitempty"`    // sum
	Wait    *Histogram           `json:"wait,omitempty"`     // seconds
	Took    *Histogram           `json:"took,omitempty"`     // seconds
	PerCall *Histogram           `json:"per_call,omitempty"` // rows of a call
}

// Histogram counts values by upper bounds. Counts has one more element than Bounds,
// for what is above the last.
type Histogram struct {
	Bounds []float64 `json:"bounds"`
	Counts []uint64  `json:"counts"`
	Sum    float64   `json:"sum"`
}

// The bounds of all histograms: from the queue's milliseconds to an image's minutes,
// and the rows of a call.
var (
	secondBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	rowBounds    = []float64{1, 2, 4, 8, 16, 32, 64, 128}
)

// Observe adds an event.
func (t *Totals) Observe(e job.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = Snapshot{}
	}
	a := t.all[e.Type]
	a.Count++
	a.Rows += uint64(max(0, e.Rows))
	a.Padded += uint64(max(0, e.Padded))
	a.Images += uint64(max(0, e.Images))
	a.Bytes += uint64(max(0, e.Bytes))
	if e.State != "" {
		a.States = counted(a.States, e.State)
	}
	if e.Err != nil {
		a.Kinds = counted(a.Kinds, job.KindOf(e.Err))
	}
	if e.Wait != 0 {
		a.Wait = a.Wait.add(secondBounds, e.Wait.Seconds())
	}
	if e.Took != 0 {
		a.Took = a.Took.add(secondBounds, e.Took.Seconds())
	}
	if e.Type == job.EventStepped {
		a.PerCall = a.PerCall.add(rowBounds, float64(e.Rows))
	}
	t.all[e.Type] = a
}

// Snapshot returns a copy of the totals.
func (t *Totals) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(Snapshot, len(t.all))
	for name, a := range t.all {
		a.States, a.Kinds = maps.Clone(a.States), maps.Clone(a.Kinds)
		a.Wait, a.Took, a.PerCall = a.Wait.clone(), a.Took.clone(), a.PerCall.clone()
		out[name] = a
	}
	return out
}

func counted[K comparable](m map[K]uint64, key K) map[K]uint64 {
	if m == nil {
		m = map[K]uint64{}
	}
	m[key]++
	return m
}

func (h *Histogram) add(bounds []float64, value float64) *Histogram {
	if h == nil {
		h = &Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
	}
	i := 0
	for i < len(bounds) && value > bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += value
	return h
}

func (h *Histogram) clone() *Histogram {
	if h == nil {
		return nil
	}
	c := *h
	c.Counts = append([]uint64(nil), h.Counts...)
	return &c
}
