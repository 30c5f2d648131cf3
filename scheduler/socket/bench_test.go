package socket

import (
	"path/filepath"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
)

// What the socket adds: the same three calls, on a store without a disk.
func BenchmarkSubmitLeaseFinish(b *testing.B) {
	q := localq.OpenMemory(scheduler.Options{})
	defer func() { _ = q.Close() }()
	once := func(b *testing.B, q scheduler.Queue) {
		for b.Loop() {
			_, err := q.Submit(b.Context(), job.Submission{ID: job.NewID(), Spec: job.Spec{
				Needs: 1, Model: "sd", Count: 1, Seconds: 1, Drawing: job.Drawing{Prompt: "a person", Sampler: "euler", Steps: 20},
			}})
			if err != nil {
				b.Fatal(err)
			}
			l, err := q.Lease(b.Context(), request("w"))
			if err != nil || len(l) != 1 {
				b.Fatalf("lease gives %d images, %v", len(l), err)
			}
			if err := q.Finish(b.Context(), l[0].Ref, job.Result{Artifact: "x"}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("direct", func(b *testing.B) { once(b, q) })
	b.Run("socket", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "socket")
		stop := serve(b, path, q)
		defer stop()
		c := Dial(path)
		defer func() { _ = c.Close() }()
		once(b, c)
	})
}
