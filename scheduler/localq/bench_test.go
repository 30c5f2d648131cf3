package localq

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// BenchmarkSubmitLeaseFinish draws jobs of 4 KB through a store on disk.
func BenchmarkSubmitLeaseFinish(b *testing.B) {
	text := `"` + strings.Repeat("x", 4096) + `"`
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir(), scheduler.Options{})
			before := s.Syncs()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					r := request(fmt.Sprint("w", i))
					r.NoWait = false
					for left.Add(-1) >= 0 {
						if _, err := s.Submit(bg, submission(meta(text))); err != nil {
							b.Error(err)
							return
						}
						leases, err := s.Lease(bg, r)
						if err != nil {
							b.Error(err)
							return
						}
						if err := s.Finish(bg, leases[0].Ref, job.Result{Artifact: "a"}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(s.Syncs()-before)/float64(b.N), "syncs/job")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkChoose gives an image out of many queued ones and queues another, in
// memory, so that the depth stays.
func BenchmarkChoose(b *testing.B) {
	for _, depth := range []int{100, 10_000, 1_000_000} {
		for _, tenants := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("depth=%d/tenants=%d", depth, tenants), func(b *testing.B) {
				now := time.Unix(0, 0)
				o := newOrder(time.Minute)
				crew := newCrew()
				seq := uint64(0)
				spec := submission().Spec
				enter := func() *entry {
					seq++
					now = now.Add(time.Millisecond)
					spec.Tenant = fmt.Sprint("t", seq%uint64(tenants))
					spec.Priority = job.Priority(seq%3) - 1
					e := newEntry("", spec)
					e.seq, e.created = seq, now
					return e
				}
				for range depth {
					o.stand(&enter().images[0])
				}
				r := request("w")
				for b.Loop() {
					img, _ := o.choose(r, crew, now)
					o.give(img, now)
					o.stand(&enter().images[0])
				}
			})
		}
	}
}

// BenchmarkHold reports the memory of a queued job of 4 KB.
func BenchmarkHold(b *testing.B) {
	text := strings.Repeat("x", 4096)
	const jobs = 10_000
	var before, after runtime.MemStats
	for b.Loop() {
		s := inMemory(b, scheduler.Options{MaxJobs: jobs})
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range jobs {
			submit(b, s, meta(`"`+text+`"`))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/jobs, "B/queued")
		runtime.KeepAlive(s)
	}
}
