package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// pieces calls f with runs of elements of all tensors, on all processors, and waits.
func pieces(lengths []int, f func(tensor, from, end int)) {
	const size = 1 << 20
	type piece struct{ tensor, from, end int }
	var all []piece
	for i, n := range lengths {
		for from := 0; from < n; from += size {
			all = append(all, piece{i, from, min(from+size, n)})
		}
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				f(all[i].tensor, all[i].from, all[i].end)
			}
		})
	}
	group.Wait()
}

// exchange swaps the values of two lists of tensors.
func exchange(a, b [][]float32) {
	lengths := make([]int, len(a))
	for i := range a {
		lengths[i] = len(a[i])
	}
	pieces(lengths, func(t, from, end int) {
		x, y := a[t][from:end], b[t][from:end]
		for i := range x {
			x[i], y[i] = y[i], x[i]
		}
	})
}
