//go:build long

package main

import "testing"

func TestLongFault01FiftyKilledWorkersLoseNothing(t *testing.T) { t.Parallel(); killWorkers(t, 50) }

func TestLongFault03TenKilledRedisesLoseNothing(t *testing.T) { t.Parallel(); killRedis(t, 10) }

func TestLongFault07AFullQueueRefusesExactlyWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	fillQueue(t, 1000, 100)
}

func TestLongFault09TenThousandRequestsLeaveNothingOpen(t *testing.T) {
	t.Parallel()
	manyRequests(t, 10_000, 5)
}

func TestLongFault23MemoryStaysAndALeakIsSeen(t *testing.T) { t.Parallel(); soak(t, 6, 80) }
