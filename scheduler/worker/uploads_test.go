package worker_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
)

// fromUpload is a job whose images begin from an upload, and are repainted in parts
// where there is a mask.
func (b *bench) fromUpload(n, steps int, init, mask string) job.ID {
	s := spec(n, steps)
	s.Drawing.Init, s.Drawing.Mask, s.Drawing.Strength = init, mask, 0.8
	return b.source.submit(s)
}

func (b *bench) upload(names ...string) {
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	for _, name := range names {
		b.shelf.files[name] = []byte("an image called " + name)
	}
}

func TestImagesBeginFromUploads(t *testing.T) {
	var mu sync.Mutex
	e := quick()
	e.OnBegin = func(starts []worker.Start) []error {
		mu.Lock()
		defer mu.Unlock()
		var inits []string
		for _, s := range starts {
			if s.Init != nil && !slices.Contains(inits, string(s.Init)) {
				inits = append(inits, string(s.Init))
			}
		}
		if len(inits) > 1 {
			t.Errorf("one call of Begin has the uploads %q, want the others to wait for the next", inits)
		}
		return make([]error, len(starts))
	}
	working(t, e, nil, func(b *bench) {
		b.upload("in_a.png", "in_b.png", "in_c.png")
		warm := b.source.submit(spec(30, 10)) // so that the worker takes many at once
		time.Sleep(time.Minute)
		ids := []job.ID{warm, b.fromUpload(3, 10, "in_a.png", "in_b.png"), b.source.submit(spec(3, 10)), b.fromUpload(2, 10, "in_c.png", "")}
		time.Sleep(time.Minute)
		for _, id := range ids {
			b.wantDrawn(id)
		}
		b.shelf.mu.Lock()
		defer b.shelf.mu.Unlock()
		if b.shelf.reads < 3 || b.shelf.reads > 6 {
			t.Errorf("%d reads of three uploads, want about one each", b.shelf.reads)
		}
	})
}

func TestAnUploadThatHasExpiredFailsItsImages(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.upload("in_a.png")
		gone, half, text := b.fromUpload(2, 10, "in_b.png", ""), b.fromUpload(1, 10, "in_a.png", "in_c.png"), b.source.submit(spec(2, 10))
		time.Sleep(time.Minute)
		b.wantDrawn(text)
		for id, field := range map[job.ID]string{gone: "image", half: "mask"} {
			for _, e := range b.source.of(id) {
				b.wantFailed(e, job.Invalid)
				if e.err != nil && e.err.Field != field {
					t.Errorf("the fault is %s's (%v), want %s's", e.err.Field, e.err, field)
				}
			}
		}
	})
}

func TestUploadsOfAStoreThatIsDown(t *testing.T) {
	down := job.Errorf(job.Unavailable, "the store is down")
	working(t, quick(), nil, func(b *bench) {
		b.upload("in_a.png")
		b.shelf.set(down)
		id := b.fromUpload(2, 10, "in_a.png", "")
		time.Sleep(time.Minute)
		b.shelf.set(nil)
		time.Sleep(time.Minute)
		b.wantDrawn(id)
		for _, e := range b.source.of(id) {
			if e.attempt != 1 {
				t.Errorf("image %d needed %d attempts", e.ref.Image, e.attempt)
			}
		}
		b.shelf.set(down)
		id = b.fromUpload(1, 10, "in_b.png", "") // another: the first may be in memory still
		time.Sleep(20 * time.Minute)
		b.wantFailed(b.source.of(id)[0], job.Engine)
		b.shelf.set(nil)
	})
}

// TestAWorkerStopsWhileUploadsAreRead: what waits for them goes back, no attempt
// counted, and so does what was cancelled meanwhile.
func TestAWorkerStopsWhileUploadsAreRead(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.shelf.set(job.Errorf(job.Unavailable, "the store is down"))
		id, other := b.fromUpload(2, 10, "in_a.png", ""), b.fromUpload(1, 10, "in_b.png", "")
		time.Sleep(5*time.Second + 100*time.Millisecond) // between beats, which would find the image fenced
		b.source.cancel(other, true)
		time.Sleep(30 * time.Second)
		if n := b.count(job.EventRevoked); n != 1 {
			t.Errorf("%d images were dropped, want the cancelled one", n)
		}
		b.drain()
		if err := b.wait(); err != nil {
			t.Error(err)
		}
		for _, e := range b.source.of(id) {
			if e.state != job.Queued || e.attempt != 1 || e.back != 1 {
				t.Errorf("image %d is %s, attempt %d, %d times back; want it queued, once back", e.ref.Image, e.state, e.attempt, e.back)
			}
		}
	})
}
