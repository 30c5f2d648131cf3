package redisq

import (
	"testing"
	"time"

	"cosmicman/scheduler"
)

// TestWhoJoinsTakesTheKeepersOptions opens a queue as its keeper and then without a
// word of leases and attempts.
func TestWhoJoinsTakesTheKeepersOptions(t *testing.T) {
	url, name := startServer(t).url(), prefix(t)
	enter := func(o scheduler.Options, keep bool) scheduler.Options {
		t.Helper()
		s, err := Open(t.Context(), Config{URL: url, Prefix: name, Options: o, Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if st, err := s.Stats(t.Context()); err != nil || st.LeaseTTL != s.Options().LeaseTTL {
			t.Errorf("Stats tells leases of %v, %v, expected %v", st.LeaseTTL, err, s.Options().LeaseTTL)
		}
		return s.Options()
	}
	if o := enter(scheduler.Options{}, false); o.LeaseTTL != 30*time.Second || o.MaxAttempts != 3 {
		t.Errorf("without a keeper: leases of %v and %d attempts, expected the defaults", o.LeaseTTL, o.MaxAttempts)
	}
	enter(scheduler.Options{LeaseTTL: 2500 * time.Millisecond, MaxAttempts: 7}, true)
	if o := enter(scheduler.Options{}, false); o.LeaseTTL != 2500*time.Millisecond || o.MaxAttempts != 7 || o.Retention != time.Hour {
		t.Errorf("with a keeper: leases of %v, %d attempts, retention %v", o.LeaseTTL, o.MaxAttempts, o.Retention)
	}
	if o := enter(scheduler.Options{LeaseTTL: 4 * time.Second}, false); o.LeaseTTL != 4*time.Second || o.MaxAttempts != 7 {
		t.Errorf("with a word of its own: leases of %v and %d attempts", o.LeaseTTL, o.MaxAttempts)
	}
}
