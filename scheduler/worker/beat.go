package worker

import (
	"context"
	"time"

	"cosmicman/job"
)

// beats tells the queue that the worker lives, whatever the device is doing; not
// when it hangs, so that its images are drawn elsewhere.
func (w *Worker) beats(ctx context.Context) {
	ticker := time.NewTicker(w.c.Beat)
	defer ticker.Stop()
	said := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-w.news:
		}
		hangs := w.stalled()
		if hangs && !said {
			w.c.Logf("worker %s: the device has not answered for %v: no beats until it does", w.c.ID, w.c.StallAfter)
		}
		said = hangs
		if !hangs {
			w.beat(ctx)
		}
	}
}

// beat extends the leases held and drops those that are gone.
func (w *Worker) beat(ctx context.Context) {
	w.mu.Lock()
	refs := make([]job.Ref, 0, len(w.held))
	for r := range w.held {
		refs = append(refs, r)
	}
	w.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, max(2*w.c.Beat, time.Millisecond))
	defer cancel()
	lost, err := w.c.Source.Beat(call, w.report(), refs)
	if err != nil {
		if ctx.Err() == nil {
			w.c.Logf("worker %s: beat: %v", w.c.ID, err)
		}
		return
	}
	for _, r := range lost {
		w.lose(r, job.EventFenced)
	}
}

// revocations hears at once what must stop; beats make up for what it misses.
func (w *Worker) revocations(ctx context.Context) {
	pause := backoff{least: 100 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		refs, err := w.c.Source.Revocations(ctx, w.c.ID)
		if err == nil {
			for listening := true; listening; {
				select {
				case <-ctx.Done():
					return
				case r, ok := <-refs:
					if listening = ok; ok {
						pause.reset()
						w.lose(r, job.EventRevoked)
					}
				}
			}
		}
		pause.wait(ctx)
	}
}
