package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff makes growing pauses between tries, of random length so that many
// workers do not come back at once.
type backoff struct {
	least, most time.Duration
	next        time.Duration
}

// wait pauses, and reports whether ctx still lives.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(b.most, max(b.least, 2*b.next))
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (b *backoff) reset() { b.next = 0 }
