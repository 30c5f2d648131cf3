package worker

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/pack"
)

// How often one image's progress, and a sketch of it, are told at most.
const (
	tellEvery   = 100 * time.Millisecond
	sketchEvery = 300 * time.Millisecond
)

// telling is what watchers have not been told yet of one image.
type telling struct {
	progress job.Progress
	previews []*preview
}

// preview is what an image looks like on the way, not encoded yet.
type preview struct {
	job.Preview
	picture Picture
	told    chan struct{} // closed when it was told or given up
}

// mostPreviews bounds the decoded previews that wait to be told.
const mostPreviews = 16

// tellings wait here to be told off the device's goroutine. Of one image only the
// last progress and the last sketch are kept.
type tellings struct {
	mu       sync.Mutex
	waiting  map[job.Ref]*telling
	order    []job.Ref
	partials int           // waiting, or being told
	some     chan struct{} // one place
}

func (t *tellings) init() {
	t.waiting, t.some = map[job.Ref]*telling{}, make(chan struct{}, 1)
}

func (t *tellings) put(r job.Ref, p job.Progress, v *preview) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.waiting[r]
	if x == nil {
		x = &telling{}
		t.waiting[r] = x
		t.order = append(t.order, r)
	}
	x.progress = p
	if v != nil {
		if v.Kind == job.Sketch {
			x.previews = slices.DeleteFunc(x.previews, func(old *preview) bool { return old.Kind == job.Sketch })
		} else {
			t.partials++
		}
		x.previews = append(x.previews, v)
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

// full reports whether decoded previews pile up.
func (t *tellings) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.partials >= mostPreviews
}

func (t *tellings) done(v *preview) {
	if v.Kind == job.Sketch {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partials--
	close(v.told)
}

// tells passes progress on to the queue, and previews once they are encoded. What cannot
// be told is dropped.
func (w *Worker) tells(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.tell.some:
		}
		for r, x := w.tell.take(); x != nil && ctx.Err() == nil; r, x = w.tell.take() {
			if len(x.previews) == 0 {
				w.tellOne(ctx, r, x.progress, nil)
			}
			for _, v := range x.previews {
				if w.encodePreview(v) {
					w.tellOne(ctx, r, x.progress, &v.Preview)
				}
				w.tell.done(v)
			}
		}
	}
}

func (w *Worker) tellOne(ctx context.Context, r job.Ref, p job.Progress, v *job.Preview) {
	call, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = w.c.Source.Progress(call, r, p, v) // a hint
}

func (w *Worker) encodePreview(v *preview) bool {
	err := w.guard("encoding a preview", func() (err error) {
		v.Data, err = v.picture.Encode()
		return err
	})
	if err != nil {
		w.c.Logf("worker %s: a preview could not be encoded: %v", w.c.ID, err)
	}
	return err == nil
}

// progress tells how far an image is: seldom enough, but always its end.
func (w *Worker) progress(m *image) {
	sketch := w.sketch(m)
	if now := time.Now(); sketch != nil || m.done == m.all || now.Sub(m.told) >= tellEvery {
		m.told = now
		w.tell.put(m.lease.Ref, job.Progress{Done: m.done, All: m.all}, sketch)
	}
}

// sketch returns the sketch that is due: after the first call, and then from time to time.
func (w *Worker) sketch(m *image) *preview {
	now := time.Now()
	if !m.lease.Spec.Drawing.Sketches || m.done == m.all || m.sketches > 0 && now.Sub(m.sketched) < sketchEvery {
		return nil
	}
	var p Picture
	if err := w.guard("sketching an image", func() error { p = m.seq.Sketch(); return nil }); err != nil || p == nil {
		return nil // guard has logged it
	}
	v := &preview{Preview: job.Preview{Image: m.lease.Ref.Image, Kind: job.Sketch, Index: m.sketches, Type: "image/jpeg"}, picture: p}
	m.sketches++
	m.sketched = now
	return v
}

// previewDue reports whether a decoded preview is due after the last call: of n, the one
// with index i after (i + 1) / (n + 1) of all calls. There are no more than calls.
func (m *image) previewDue() bool {
	n := min(m.lease.Spec.Drawing.Previews, m.all)
	return m.done > 0 && m.previews < n && m.done*(n+1) >= (m.previews+1)*m.all
}

// preview decodes what an image looks like by now. Whatever goes wrong, the image goes on.
func (d *device) preview(c pack.Choice) {
	w, m := d.w, d.model(c.Model)
	i := d.active[c.Items[0]]
	index := i.previews
	i.previews++
	if w.tell.full() {
		return
	}
	var p Picture
	begun := time.Now()
	err := w.guard("decoding a preview", func() (err error) {
		p, err = m.loaded.Preview(d.work, i.seq)
		if err == nil && p == nil {
			err = job.Errorf(job.Engine, "the engine decoded no preview")
		}
		return err
	})
	took := time.Since(begun)
	m.used = d.now()
	i.seconds += took.Seconds()
	if err != nil {
		if d.work.Err() == nil {
			w.c.Logf("worker %s: image %v: no previews of it: %v", w.c.ID, i.lease.Ref, err)
			i.previews = math.MaxInt
			if job.KindOf(err) == job.OutOfMemory {
				d.ranOut()
			}
		}
		return
	}
	d.book.Previewed(c.Group, took.Seconds())
	e := i.event(job.EventPreview)
	e.Took = took
	w.observe(e)
	v := &preview{Preview: job.Preview{Image: i.lease.Ref.Image, Kind: job.Partial, Index: index, Type: i.lease.Spec.Drawing.MediaType()}, picture: p, told: make(chan struct{})}
	i.lastPreview = v.told
	w.tell.put(i.lease.Ref, job.Progress{Done: i.done, All: i.all}, v)
}

// previewsTold waits a little until an image's previews have been told: they are worth
// nothing behind its end.
func (m *image) previewsTold(ctx context.Context) {
	if m.lastPreview == nil {
		return
	}
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-m.lastPreview:
	case <-timer.C:
	case <-ctx.Done():
	}
}
