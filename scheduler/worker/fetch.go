package worker

import (
	"context"
	"time"

	"cosmicman/scheduler"
)

// fetches leases as long as ctx lives: one call at a time, for as many images as
// the device has room for.
func (w *Worker) fetches(ctx context.Context) {
	defer w.uploads.reading.Wait()
	pause := backoff{least: 100 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		call, cancel := context.WithCancel(ctx)
		request, ok := w.ask(cancel)
		if !ok {
			cancel()
			select {
			case <-ctx.Done():
			case <-w.room:
			}
			continue
		}
		leases, err := w.c.Source.Lease(call, request)
		reoffered := call.Err() != nil
		cancel()
		w.accept(ctx, leases)
		switch {
		case len(leases) > 0:
			pause.reset()
		case reoffered:
		default: // an error, or an answer of nothing, which is no reason to ask at once again
			if err != nil {
				w.c.Logf("worker %s: leasing: %v", w.c.ID, err)
			}
			pause.wait(ctx)
		}
	}
}

// ask returns what to ask for now, if anything. The device cancels the call when
// its offers change.
func (w *Worker) ask(cancel context.CancelFunc) (r scheduler.LeaseRequest, ok bool) {
	stuck := w.out.inTrouble() || w.stalled()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(w.gulp, w.target-w.onDevice-len(w.inbox)-w.reading)
	if n <= 0 || len(w.offers) == 0 || stuck {
		return r, false
	}
	w.cancelLease = cancel
	return scheduler.LeaseRequest{Worker: w.c.ID, Fingerprint: w.fingerprint, Offers: w.offers,
		Max: n, Version: w.c.Version, InProcess: w.c.InProcess}, true
}

// accept hands leases to the device, those that begin from uploads once these are
// read; ctx ends the reading.
func (w *Worker) accept(ctx context.Context, leases []scheduler.Lease) {
	from := map[[2]string][]*image{}
	w.mu.Lock()
	w.cancelLease = nil
	for _, l := range leases {
		if w.held[l.Ref] != nil {
			continue // told twice
		}
		m := &image{lease: l, leased: time.Now(), rows: 1}
		if l.Spec.Drawing.GuidanceScale > 1 {
			m.rows = 2 // until its sequence tells
		}
		w.held[l.Ref] = m
		if d := &l.Spec.Drawing; d.Init != "" {
			names := [2]string{d.Init, d.Mask}
			from[names] = append(from[names], m)
			w.reading++
			continue
		}
		w.inbox = append(w.inbox, m)
	}
	w.mu.Unlock()
	for _, images := range from {
		w.uploads.reading.Go(func() { w.read(ctx, images) })
	}
	if len(leases) > 0 {
		signal(w.wake)
	}
}
