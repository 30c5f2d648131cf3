package worker

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"cosmicman/job"
)

// tellEvery bounds how often one image's progress is told.
const tellEvery = 100 * time.Millisecond

// telling is what watchers have not been told yet of one image.
type telling struct {
	progress job.Progress
	previews []*job.Preview
}

// tellings wait here to be told off the device's goroutine. Of one image only the
// last progress is kept; its previews are few.
type tellings struct {
	mu      sync.Mutex
	waiting map[job.Ref]*telling
	order   []job.Ref
	some    chan struct{} // one place
}

func (t *tellings) init() {
	t.waiting, t.some = map[job.Ref]*telling{}, make(chan struct{}, 1)
}

func (t *tellings) put(r job.Ref, p job.Progress, preview *job.Preview) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.waiting[r]
	if x == nil {
		x = &telling{}
		t.waiting[r] = x
		t.order = append(t.order, r)
	}
	x.progress = p
	if preview != nil {
		x.previews = append(x.previews, preview)
	}
	signal(t.some)
}

func (t *tellings) take() (r job.Ref, x *telling) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		return r, nil
	}
	r = t.order[0]
	t.order = t.order[1:]
	x = t.waiting[r]
	delete(t.waiting, r)
	return r, x
}

// tells passes progress on to the queue. What cannot be told is dropped.
func (w *Worker) tells(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.tell.some:
		}
		for r, x := w.tell.take(); x != nil && ctx.Err() == nil; r, x = w.tell.take() {
			if len(x.previews) == 0 {
				x.previews = append(x.previews, nil)
			}
			for _, preview := range x.previews {
				call, cancel := context.WithTimeout(ctx, time.Second)
				_ = w.c.Source.Progress(call, r, x.progress, preview) // a hint
				cancel()
			}
		}
	}
}

// progress tells how far an image is: seldom enough, but always its end.
func (w *Worker) progress(m *image) {
	preview := m.preview()
	if now := time.Now(); preview != nil || m.done == m.all || now.Sub(m.told) >= tellEvery {
		m.told = now
		w.tell.put(m.lease.Ref, job.Progress{Done: m.done, All: m.all}, preview)
	}
}

// preview returns the preview that is due after the last call: of n, the one with
// index i after (i + 1) / (n + 1) of all calls.
func (m *image) preview() *job.Preview {
	n := min(m.lease.Spec.Drawing.Previews, m.all)
	if m.previews >= n || m.done*(n+1) < (m.previews+1)*m.all {
		return nil
	}
	latents, shape := m.seq.Preview()
	if latents == nil {
		return nil
	}
	p := &job.Preview{Image: m.lease.Ref.Image, Kind: job.Partial, Index: m.previews, Type: fmt.Sprint(shape), Data: make([]byte, 0, 4*len(latents))}
	for _, v := range latents {
		p.Data = binary.LittleEndian.AppendUint32(p.Data, math.Float32bits(v))
	}
	m.previews++
	return p
}
