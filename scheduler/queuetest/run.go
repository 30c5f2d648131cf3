package queuetest

import (
	"context"
	"testing"
	"time"

	"cosmicman/scheduler"
)

// patience is how long a case waits for what must happen.
const patience = 60 * time.Second

// testCase is one promise, checked on a store of its own.
type testCase struct {
	promise string
	options scheduler.Options
	check   func(s *store)

	observed func(s *store, seen *events) // instead of check, where the case is about events
}

// Run checks a store's promises, each on a fresh one. open returns an empty store
// with the given options, which t.Cleanup closes.
func Run(t *testing.T, open func(t *testing.T, o scheduler.Options) scheduler.Queue) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"life", life},
		{"leases", leases},
		{"several images", severalImages},
		{"idempotency", idempotency},
		{"cancelling", cancelling},
		{"deadlines", deadlines},
		{"records", records},
		{"order", order},
		{"models", models},
		{"admission", admission},
		{"watching", watching},
		{"watchers", watchers},
		{"operating", operating},
		{"steps at random", mirrored},
		{"crowds", crowds},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.promise, func(t *testing.T) {
					t.Parallel()
					if c.observed != nil {
						seen := &events{}
						c.options.Observe = seen.add
						c.observed(newStore(t, open(t, c.options)), seen)
						return
					}
					c.check(newStore(t, open(t, c.options)))
				})
			}
		})
	}
}

func newStore(t *testing.T, q scheduler.Queue) *store {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &store{t: t, q: q, ctx: ctx}
}
