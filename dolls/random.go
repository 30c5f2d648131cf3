package dolls

import (
	"math/bits"
	"math/rand/v2"
)

// random draws choices; PCG's sequence is fixed by its definition, and so is what is made of it.
type random struct{ source *rand.PCG }

// randomOf is the generator of one of a seed's people.
func randomOf(seed, index uint64) random { return random{rand.NewPCG(seed, index)} }

// below is one of 0 to n-1.
func (r random) below(n int) int {
	hi, _ := bits.Mul64(r.source.Uint64(), uint64(n))
	return int(hi)
}

// chance is true in n of 100 cases.
func (r random) chance(n int) bool { return r.below(100) < n }

// within is one of a to b, both included.
func (r random) within(a, b int) int { return a + r.below(b-a+1) }

// one is one of several.
func one[T any](r random, of ...T) T { return of[r.below(len(of))] }

// weighted is one of several, by weights.
func weighted[T any](r random, of []choice[T]) T {
	sum := 0
	for _, c := range of {
		sum += c.weight
	}
	n := r.below(sum)
	for _, c := range of {
		if n -= c.weight; n < 0 {
			return c.value
		}
	}
	return of[len(of)-1].value
}

type choice[T any] struct {
	weight int
	value  T
}
