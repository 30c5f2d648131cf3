package redisq

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/scheduler"
	"cosmicman/scheduler/queuetest"
)

func TestMain(m *testing.M) {
	queuetest.Child(func(address string, o scheduler.Options) (scheduler.Queue, error) {
		url, prefix, _ := strings.Cut(address, " ")
		return Open(context.Background(), Config{URL: url, Prefix: prefix, Options: o})
	})
	goleak.VerifyTestMain(m)
}

func TestQueueWhoseRedisIsKilledAndStartedAgain(t *testing.T) {
	queuetest.Durable(t, func(t *testing.T) func(o scheduler.Options) scheduler.Queue {
		s := startServer(t, "--appendfsync", "always")
		started := true
		return func(o scheduler.Options) scheduler.Queue {
			t.Helper()
			if !started {
				s.kill()
				s.start()
			}
			started = false
			q, err := Open(t.Context(), Config{URL: s.url(), Prefix: prefix(t), Options: o})
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			return q
		}
	})
}

func TestQueueOfProcessesThatAreKilledAndStopped(t *testing.T) {
	s := startServer(t)
	queuetest.Crash(t, func(t *testing.T, o scheduler.Options) (scheduler.Queue, string) {
		return open(t, s.url(), o), s.url() + " " + prefix(t)
	})
}

func TestQueue(t *testing.T) {
	s := startServer(t)
	queuetest.Run(t, func(t *testing.T, o scheduler.Options) scheduler.Queue { return open(t, s.url(), o) })
}

func TestQueueOnACluster(t *testing.T) {
	s := startServer(t, "--cluster-enabled", "yes")
	if err := s.client().ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	s.eventuallyUp()
	queuetest.Run(t, func(t *testing.T, o scheduler.Options) scheduler.Queue { return open(t, s.url()+"?cluster=1", o) })
}
