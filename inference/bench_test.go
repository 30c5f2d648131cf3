package inference

import (
	"fmt"
	"testing"

	"cosmicman/weights"
)

// BenchmarkStep times calls by rows; ns/row shows what packing saves.
func BenchmarkStep(b *testing.B) {
	m := load(b, openRuntime(b), zooFolder(b, "tiny-sd", 0), weights.Options{})
	for _, rows := range []int{1, 2, 3, 4, 6, 8, 12, 16} {
		b.Run(fmt.Sprint("rows=", rows), func(b *testing.B) {
			r := request(func(r *Request) { r.Steps, r.GuidanceScale, r.Width, r.Height = 1000, 1, 128, 128 })
			begin := func() []*Sequence {
				seqs, err := m.Sequences(b.Context(), r, rows)
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Step(b.Context(), seqs...); err != nil { // the comparison of this count
					b.Fatal(err)
				}
				return seqs
			}
			seqs := begin()
			for b.Loop() {
				if seqs[0].Done() {
					b.StopTimer()
					seqs = begin()
					b.StartTimer()
				}
				if err := m.Step(b.Context(), seqs...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}
