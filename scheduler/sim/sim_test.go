package sim_test

import (
	"runtime"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/sim"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs a configuration and fails where anything was lost or done twice.
func play(t *testing.T, c sim.Config) *sim.Report {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := sim.Run(t.Context(), c)
	if err != nil {
		t.Fatalf("the store answered what it should not: %v\n%s", err, r)
	}
	runtime.ReadMemStats(&after)
	t.Logf("%s%d MB allocated", r, (after.TotalAlloc-before.TotalAlloc)>>20)
	ended := 0
	for _, n := range r.Ended {
		ended += n
	}
	if r.Lost != 0 || r.FaultCount != 0 || c.Clients == 0 && ended != r.Jobs {
		t.Errorf("of %d accepted jobs %d ended and %d were lost; %d faults of the books", r.Jobs, ended, r.Lost, r.FaultCount)
	}
	return r
}

// fleet is a rough day on workers several times as fast as two cores.
func fleet(workers int, span time.Duration) sim.Config {
	costs := sim.Costs{Fixed: 0.02, PerRow: 0.5, Decode: 2, Begin: 0.02, PerBegin: 0.05, Load: 15, Record: 0.15}
	return sim.Config{Seed: 4, Workers: workers, Span: span, Costs: func(int) sim.Costs { return costs },
		Options: scheduler.Options{MaxJobs: 100 * workers, MaxSeconds: 900},
		Traffic: sim.Day(), Faults: sim.Rough(), Memory: 1}
}

func TestPackedStepsBeatBatchesOfRequests(t *testing.T) {
	for _, tt := range []struct {
		name      string
		costs     sim.Costs
		rows      int
		span      time.Duration
		requests  float64 // times the images a second of batches counted in requests
		sameSteps float64 // and of those that look for equal steps
	}{
		{"CPU-like", sim.CPU(), 64, 120 * time.Hour, 0.995, 0.995}, // no slower, to half a percent
		{"GPU-like, 16 rows", sim.GPU(), 16, time.Hour, 1.3, 1.15},
		{"GPU-like, 64 rows", sim.GPU(), 64, time.Hour, 1.1, 1.05},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sim.Saturated(tt.costs, tt.rows, 96, tt.span, 1)
			r := play(t, c)
			p95 := sim.All(r.Totals).Percentile(95)
			for by, least := range map[sim.Batching]float64{sim.ByRequests: tt.requests, sim.SameSteps: tt.sameSteps} {
				p := sim.Classic(c, by)
				whole := p.Totals.Percentile(95)
				t.Logf("%.4f images/s, p95 %.1f s; whole requests, batching %d, %d rows: %.4f images/s, p95 %.1f s", r.Rate(), p95, by, p.Rows, p.Images, whole)
				if got := r.Rate() / p.Images; got < least {
					t.Errorf("batching %d: %.3f times the images a second, want %.3f", by, got, least)
				}
				if p95 >= whole {
					t.Errorf("batching %d: p95 is %.1f s, of whole requests %.1f s", by, p95, whole)
				}
			}
		})
	}
}

func TestAnHourOfTwentyWorkersLosesNothing(t *testing.T) {
	r := play(t, fleet(20, time.Hour))
	if r.Crashes == 0 || r.Retried == 0 || r.Fenced == 0 || r.Revoked == 0 || r.Returned == 0 || r.Drains == 0 {
		t.Errorf("a kind of fault did not happen: %d crashes, %d retried, %d fenced, %d revoked, %d returned, %d drains",
			r.Crashes, r.Retried, r.Fenced, r.Revoked, r.Returned, r.Drains)
	}
	if r.Ended[job.Completed] < r.Jobs*7/10 {
		t.Errorf("%d of %d jobs were completed", r.Ended[job.Completed], r.Jobs)
	}
}
