package worker

import (
	"context"
	"errors"
	"time"

	"cosmicman/job"
)

// finish encodes, stores and records a drawn image, in this order.
func (w *Worker) finish(ctx context.Context, m *image, p Picture) {
	r := m.lease.Ref
	if w.dropped(m) {
		return
	}
	var file []byte
	err := w.guard("encoding an image", func() (err error) {
		file, err = p.Encode()
		return err
	})
	if err != nil {
		w.failed(ctx, m, typed(err, job.Engine, "the image could not be encoded"))
		return
	}
	name := w.c.Name(m.lease.Spec.Drawing.Ext())
	if err := w.store(ctx, m, name, file); err != nil {
		if w.dropped(m) {
			return
		}
		w.failed(ctx, m, &job.Error{Kind: job.Engine, Message: "the image could not be stored", Cause: err})
		return
	}
	result := w.result(m, p, name, int64(len(file)))
	m.previewsTold(ctx)
	err = w.insist(ctx, "recording an image", func(ctx context.Context) error { return w.c.Source.Finish(ctx, r, result) })
	w.end(r)
	if err != nil {
		w.late(m, "its result", err)
		if settled(err) { // otherwise the last try may have been taken
			_ = w.within(ctx, func(ctx context.Context) error { return w.c.Artifacts.Delete(ctx, name) }) // else it expires
		}
		return
	}
	e := m.event(job.EventFinished)
	e.Bytes, e.Took, e.Wait = int64(len(file)), time.Since(m.leased), time.Since(m.lease.Accepted)
	w.observe(e)
}

// dropped takes an image off the books that the store has taken away.
func (w *Worker) dropped(m *image) bool {
	why := m.gone.Load()
	if why == nil {
		return false
	}
	w.end(m.lease.Ref)
	w.observe(m.event(*why))
	return true
}

// store puts the file into the artifact store, trying again for StoreFor. While it
// fails nothing is leased.
func (w *Worker) store(ctx context.Context, m *image, name string, file []byte) error {
	begun := time.Now()
	pause := backoff{least: 100 * time.Millisecond, most: 10 * time.Second}
	trouble := false
	defer func() {
		if trouble {
			w.out.troubled(-1)
		}
	}()
	for {
		err := w.within(ctx, func(ctx context.Context) error { return w.c.Artifacts.Put(ctx, name, file, w.c.ArtifactTTL) })
		if err == nil {
			e := m.event(job.EventStored)
			e.Bytes, e.Took = int64(len(file)), time.Since(begun)
			w.observe(e)
			return nil
		}
		if time.Since(begun) >= w.c.StoreFor || settled(err) || m.gone.Load() != nil {
			return err
		}
		w.c.Logf("worker %s: storing image %v: %v; trying again", w.c.ID, m.lease.Ref, err)
		if !trouble {
			trouble = true
			w.out.troubled(1)
		}
		if !pause.wait(ctx) {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

func (w *Worker) result(m *image, p Picture, name string, bytes int64) job.Result {
	width, height := p.Size()
	return job.Result{Artifact: name, Bytes: bytes, Seed: m.lease.Spec.Drawing.Seed + uint64(m.lease.Ref.Image),
		Width: width, Height: height, Fingerprint: w.fingerprint,
		Seconds: m.seconds, Tokens: m.text.Tokens, Windows: m.text.Windows, Cut: m.text.Cut, NegativeCut: m.text.NegativeCut}
}
