package worker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker/workertest"
)

// TestSketchesAreToldSeldom: after the first call, and then as often as it is bounded.
func TestSketchesAreToldSeldom(t *testing.T) {
	e := quick()
	e.Fixed, e.PerRow = 10*time.Millisecond, time.Millisecond
	working(t, e, nil, func(b *bench) {
		s := spec(1, 100) // 1.2 s
		s.Drawing.Sketches = true
		id := b.source.submit(s)
		without := b.source.submit(spec(1, 10))
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
		b.wantDrawn(without)
		_, previews := b.source.told(fmt.Sprintf("%s/0", id))
		if len(previews) < 4 || len(previews) > 6 || string(previews[0].Data) != "sketch after 1" {
			t.Fatalf("%d sketches in about 1.3 s: %+v", len(previews), previews)
		}
		for i, v := range previews {
			if v.Index != i || v.Kind != job.Sketch || v.Type != "image/jpeg" {
				t.Errorf("sketch %d: %+v", i, v)
			}
		}
		if _, none := b.source.told(fmt.Sprintf("%s/0", without)); len(none) > 0 {
			t.Errorf("%d previews that nobody asked for", len(none))
		}
	})
}

// TestPreviewsAreAllToldBeforeTheEnd, though encoding them takes longer than the rest.
func TestPreviewsAreAllToldBeforeTheEnd(t *testing.T) {
	e := quick()
	working(t, e, nil, func(b *bench) {
		b.source.slowly = 100 * time.Millisecond
		s := spec(4, 4)
		s.Drawing.Previews, s.Drawing.Format = 3, "webp"
		id := b.source.submit(s)
		time.Sleep(20 * time.Second)
		b.wantDrawn(id)
		for i := range 4 {
			_, previews := b.source.told(fmt.Sprintf("%s/%d", id, i))
			if len(previews) != 3 || previews[2].Type != "image/webp" || string(previews[2].Data) != "preview after 3" {
				t.Errorf("image %d: %+v, expected three previews", i, previews)
			}
		}
	})
}

// TestPreviewsThatFailFailNothing, by an error, a panic, or for want of memory.
func TestPreviewsThatFailFailNothing(t *testing.T) {
	for name, fail := range map[string]func(*workertest.Sequence) error{
		"error":  func(*workertest.Sequence) error { return errors.New("no") },
		"memory": func(*workertest.Sequence) error { return noMemory() },
		"panic":  func(*workertest.Sequence) error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			e := quick()
			e.OnPreview = fail
			working(t, e, nil, func(b *bench) {
				s := spec(2, 10)
				s.Drawing.Previews = 3
				id := b.source.submit(s)
				time.Sleep(10 * time.Second)
				b.wantDrawn(id)
				if _, previews := b.source.told(fmt.Sprintf("%s/0", id)); len(previews) > 0 {
					t.Errorf("%d previews", len(previews))
				}
			})
		})
	}
}

// TestPreviewsLeaveStepsToOthers: beside images with many expensive previews one without
// is drawn in a bounded time.
func TestPreviewsLeaveStepsToOthers(t *testing.T) {
	e := quick()
	e.Fixed, e.PerRow, e.Decode = 10*time.Millisecond, 5*time.Millisecond, 100*time.Millisecond
	working(t, e, nil, func(b *bench) {
		s := spec(6, 40)
		s.Drawing.Previews = 20
		busy := b.source.submit(s)
		time.Sleep(500 * time.Millisecond)
		other := b.source.submit(spec(1, 40))
		time.Sleep(time.Minute)
		b.wantDrawn(busy)
		b.wantDrawn(other)
		// Alone it takes 0.9 s, packed with the others' steps 3 s; a third more goes to previews.
		if took := b.took(other); took > 5*time.Second {
			t.Errorf("the one without previews took %v, those with took %v", took, b.took(busy))
		}
	})
}
