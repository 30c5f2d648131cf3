package worker

import (
	"context"
	"sync"
	"time"
	"weak"

	"cosmicman/job"
)

// readers is how many uploads are read at a time.
const readers = 4

// upload is an artifact that images begin from; those of a job share it.
type upload struct{ data []byte }

func (u *upload) bytes() []byte {
	if u == nil {
		return nil
	}
	return u.data
}

// uploads are read from the artifact store before their images reach the device.
type uploads struct {
	reading sync.WaitGroup
	places  chan struct{}

	mu   sync.Mutex
	held map[string]weak.Pointer[upload] // as long as an image that is not begun has them
}

func (u *uploads) init() {
	u.places, u.held = make(chan struct{}, readers), map[string]weak.Pointer[upload]{}
}

func (u *uploads) get(name string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.held[name].Value()
}

func (u *uploads) put(name string, data []byte) *upload {
	up := &upload{data}
	u.mu.Lock()
	defer u.mu.Unlock()
	for other, p := range u.held {
		if p.Value() == nil {
			delete(u.held, other)
		}
	}
	u.held[name] = weak.Make(up)
	return up
}

// read gets the uploads of images that begin from the same ones, and hands the images
// to the device. What has expired fails them for good, as the client's fault. A store
// that cannot be reached is tried for StoreFor, which then counts as an attempt. When
// ctx ends the images go on as they are: the device is giving back what it has.
func (w *Worker) read(ctx context.Context, images []*image) {
	d := &images[0].lease.Spec.Drawing
	begun := time.Now()
	first, err := w.readOne(ctx, images, d.Init, "image", begun)
	var second *upload
	if err == nil && d.Mask != "" {
		second, err = w.readOne(ctx, images, d.Mask, "mask", begun)
	}
	w.mu.Lock()
	w.reading -= len(images)
	if err == nil || ctx.Err() != nil || allGone(images) {
		for _, m := range images {
			m.init, m.mask = first, second
		}
		w.inbox = append(w.inbox, images...)
		images = nil
	}
	w.mu.Unlock()
	for _, m := range images {
		w.fail(m, typed(err, job.Engine, "the image to begin from could not be read"))
	}
	signal(w.wake)
}

// readOne gets one upload; field is the API's name of it.
func (w *Worker) readOne(ctx context.Context, images []*image, name, field string, begun time.Time) (*upload, error) {
	u := &w.uploads
	select {
	case u.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-u.places }()
	pause := backoff{least: 100 * time.Millisecond, most: 5 * time.Second}
	for {
		if up := u.get(name); up != nil {
			return up, nil
		}
		var data []byte
		err := w.within(ctx, func(ctx context.Context) (err error) {
			data, err = w.c.Artifacts.Get(ctx, name)
			return err
		})
		switch {
		case err == nil:
			return u.put(name, data), nil
		case job.KindOf(err) == job.NotFound:
			return nil, &job.Error{Kind: job.Invalid, Field: field, Message: field + ": the upload has expired, send it again", Cause: err}
		case job.KindOf(err) == job.Invalid:
			return nil, err
		case settled(err), time.Since(begun) >= w.c.StoreFor:
			return nil, &job.Error{Kind: job.Engine, Message: "the image to begin from could not be read", Cause: err}
		}
		w.c.Logf("worker %s: reading what image %v begins from: %v; trying again", w.c.ID, images[0].lease.Ref, err)
		if allGone(images) || !pause.wait(ctx) {
			return nil, err
		}
	}
}

func allGone(images []*image) bool {
	for _, m := range images {
		if m.gone.Load() == nil {
			return false
		}
	}
	return true
}

// withOneUpload leaves out images that begin from other uploads, or at another size,
// than the first that begins from one: encoding it takes long, and the images that
// are drawn wait for the turn to end.
func withOneUpload(images []*image) []*image {
	var first *job.Drawing
	var kept []*image
	for _, m := range images {
		d := &m.lease.Spec.Drawing
		if d.Init != "" {
			if first == nil {
				first = d
			}
			if d.Init != first.Init || d.Width != first.Width || d.Height != first.Height {
				continue
			}
		}
		kept = append(kept, m)
	}
	return kept
}
