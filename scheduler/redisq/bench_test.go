package redisq

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// BenchmarkQueue is the queue alone: jobs of 4 KB are submitted, leased and finished.
func BenchmarkQueue(b *testing.B) {
	for _, c := range []struct{ callers, depth int }{{1, 0}, {64, 0}, {64, 10_000}} {
		b.Run(fmt.Sprintf("callers=%d/queued=%d", c.callers, c.depth), func(b *testing.B) {
			callers := c.callers
			q := open(b, startServer(b).url(), scheduler.Options{MaxJobs: 1 << 30})
			prompt := strings.Repeat("a person in a red coat, ", 4096/24)
			for range c.depth {
				if _, err := q.Submit(context.Background(), fourKB(prompt)); err != nil {
					b.Fatal(err)
				}
			}
			next := make(chan int)
			done := make(chan error, callers)
			ctx := context.Background()
			for c := range callers {
				go func() {
					var err error
					for range next {
						if err == nil {
							err = once(ctx, q, fmt.Sprint("worker", c), prompt)
						}
					}
					done <- err
				}()
			}
			b.ResetTimer()
			for i := range b.N {
				next <- i
			}
			close(next)
			for range callers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func fourKB(prompt string) job.Submission {
	return job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: 1, Model: "sd", Count: 1, Seconds: 1, Drawing: job.Drawing{Prompt: prompt, Steps: 20}}}
}

func once(ctx context.Context, q *Store, worker, prompt string) error {
	if _, err := q.Submit(ctx, fourKB(prompt)); err != nil {
		return err
	}
	leases, err := q.Lease(ctx, scheduler.LeaseRequest{Worker: worker, Fingerprint: "cpu", Offers: []scheduler.Offer{{Model: "sd"}}, Max: 1, Version: job.Version})
	if err != nil {
		return err
	}
	for _, l := range leases {
		if err := q.Finish(ctx, l.Ref, job.Result{Artifact: "a", Seed: 1, Width: 512, Height: 512, Fingerprint: "cpu"}); err != nil {
			return err
		}
	}
	return nil
}
