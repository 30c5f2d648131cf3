package redisq

import (
	"testing"

	"go.uber.org/goleak"

	"cosmicman/scheduler"
	"cosmicman/scheduler/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
