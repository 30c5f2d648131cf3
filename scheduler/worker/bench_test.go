package worker_test

import (
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker/workertest"
)

// BenchmarkLatencyOfOneImage is the time that an idle worker adds: a device that
// takes no time, a store in memory, from submission to the record.
func BenchmarkLatencyOfOneImage(b *testing.B) {
	w := newBench(b, newSource(), &shelf{files: map[string][]byte{}}, &workertest.Engine{}, nil)
	defer w.end()
	for b.Loop() {
		id := w.source.submit(spec(1, 20))
		for w.source.of(id)[0].state != job.Completed {
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// BenchmarkTurns is what a step costs besides the device: 64 sequences at once.
func BenchmarkTurns(b *testing.B) {
	w := newBench(b, newSource(), &shelf{files: map[string][]byte{}}, &workertest.Engine{}, nil)
	defer w.end()
	w.source.submit(spec(64, 1<<30))
	for len(w.engine.Calls()) < 1000 {
		time.Sleep(time.Millisecond)
	}
	before, begun := len(w.engine.Calls()), time.Now()
	for b.Loop() {
		time.Sleep(time.Millisecond)
	}
	steps := len(w.engine.Calls()) - before
	b.ReportMetric(float64(time.Since(begun).Nanoseconds())/float64(max(1, steps)), "ns/step")
}
