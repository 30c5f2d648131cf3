package train

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as
// torch.optim.AdamW computes it, on gradients whose norm is bounded as by
// torch.nn.utils.clip_grad_norm_.
type AdamW struct {
	Beta1, Beta2 float64 // how much of the moments stays at a step
	Epsilon      float64
	WeightDecay  float64
	MaxNorm      float64 // of all gradients together; 0 is no bound
}

// DefaultAdamW is what the published training uses.
func DefaultAdamW() AdamW {
	return AdamW{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 1e-2, MaxNorm: 1}
}

// Check returns every fault of the options, joined.
func (o AdamW) Check() error {
	var faults []error
	for _, x := range []struct {
		name  string
		value float64
		ok    bool
		want  string
	}{
		{"beta1", o.Beta1, o.Beta1 >= 0 && o.Beta1 < 1, "a number from 0 to below 1"},
		{"beta2", o.Beta2, o.Beta2 >= 0 && o.Beta2 < 1, "a number from 0 to below 1"},
		{"epsilon", o.Epsilon, o.Epsilon > 0 && o.Epsilon <= math.MaxFloat32, "a number above 0"},
		{"weight_decay", o.WeightDecay, o.WeightDecay >= 0 && o.WeightDecay <= math.MaxFloat32, "a number from 0 on"},
		{"max_norm", o.MaxNorm, o.MaxNorm >= 0 && o.MaxNorm <= math.MaxFloat32, "a number from 0 on"},
	} {
		if !x.ok {
			faults = append(faults, fmt.Errorf("adamw.%s is %v, expected %s", x.name, x.value, x.want))
		}
	}
	return errors.Join(faults...)
}

// Weights is a tensor that is trained, all slices of one length.
type Weights struct {
	Name     string
	Values   []float32 // changed by a step
	Gradient []float32 // read only
	First    []float32 // running mean of the gradient: zero before step 1, changed by a step
	Second   []float32 // running mean of its square, likewise
}

// Step says which step is made.
type Step struct {
	Number       int // from 1 on
	LearningRate float64
	// Scale multiplies the gradients before anything else: one over the batches that
	// were added up, or over the loss's scale. 0 is 1.
	Scale float64
}

// Step changes all weights and moments by one step and returns the gradients' norm,
// scaled and before it was bounded. After an error nothing has changed. The result
// does not depend on the number of processors. Gradients that are not finite are
// [ErrNotFinite].
func (o AdamW) Step(s Step, all []Weights) (norm float64, err error) {
	if err := errors.Join(o.Check(), s.check(), checkLengths(all)); err != nil {
		return 0, err
	}
	scale := s.Scale
	if scale == 0 {
		scale = 1
	}
	pieces := cut(all)
	norm = scale * gradientNorm(all, pieces)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, notFinite(all)
	}
	if o.MaxNorm > 0 {
		scale *= min(1, o.MaxNorm/(norm+1e-6))
	}
	root := math.Sqrt(1 - math.Pow(o.Beta2, float64(s.Number)))
	k := kernel{
		scale: float32(scale),
		keep:  float32(1 - s.LearningRate*o.WeightDecay),
		new1:  float32(1 - o.Beta1),
		old2:  float32(o.Beta2),
		new2:  float32(1 - o.Beta2),
		eps:   float32(o.Epsilon * root),
		rate:  float32(s.LearningRate * root / (1 - math.Pow(o.Beta1, float64(s.Number)))),
	}
	parallel(len(pieces), func(i int) {
		p := pieces[i]
		w := all[p.tensor]
		k.apply(w.Values[p.from:p.end], w.Gradient[p.from:p.end], w.First[p.from:p.end], w.Second[p.from:p.end])
	})
	return norm, nil
}

// notFinite is ErrNotFinite with the names of the gradients that are to blame.
func notFinite(all []Weights) error {
	var bad []string
	for _, w := range all {
		if !finite(w.Gradient) {
			bad = append(bad, w.Name)
		}
	}
	if bad == nil {
		return fmt.Errorf("the norm of all gradients is %w", ErrNotFinite)
	}
	return fmt.Errorf("the gradients of %s are %w", someOf(bad), ErrNotFinite)
}

func (s Step) check() error {
	var faults []error
	if s.Number < 1 {
		faults = append(faults, fmt.Errorf("adamw: step %d, expected 1 or a later one", s.Number))
	}
	if !(s.LearningRate >= 0 && s.LearningRate <= math.MaxFloat32) {
		faults = append(faults, fmt.Errorf("adamw: the learning rate is %v, expected a number from 0 on", s.LearningRate))
	}
	if !(s.Scale >= 0 && s.Scale <= math.MaxFloat32) {
		faults = append(faults, fmt.Errorf("adamw: gradients are scaled by %v, expected a number above 0", s.Scale))
	}
	return errors.Join(faults...)
}

func checkLengths(all []Weights) error {
	var faults []error
	for _, w := range all {
		if n := len(w.Values); len(w.Gradient) != n || len(w.First) != n || len(w.Second) != n {
			faults = append(faults, fmt.Errorf("adamw: %s has %d values, but %d of the gradient and %d and %d of its moments", w.Name, n, len(w.Gradient), len(w.First), len(w.Second)))
		}
	}
	return errors.Join(faults...)
}

// kernel is the numbers of a step. The second moment's bias correction, a divisor of
// its root, is in eps and rate, which saves a division an element.
type kernel struct{ scale, keep, new1, old2, new2, eps, rate float32 }

func (k kernel) apply(values, gradient, first, second []float32) {
	gradient, first, second = gradient[:len(values)], first[:len(values)], second[:len(values)] // no checks in the loop
	for i, g := range gradient {
		g *= k.scale
		m := first[i]
		m += k.new1 * (g - m)
		v := k.old2*second[i] + k.new2*g*g
		first[i], second[i] = m, v
		values[i] = k.keep*values[i] - k.rate*m/(float32(math.Sqrt(float64(v)))+k.eps)
	}
}

// gradientNorm is the norm of all gradients: sums of pieces, which are always the
// same, in order.
func gradientNorm(all []Weights, pieces []piece) float64 {
	sums := make([]float64, len(pieces))
	parallel(len(pieces), func(i int) {
		p := pieces[i]
		g := all[p.tensor].Gradient[p.from:p.end]
		var a, b, c, d float64 // four at a time: additions of one sum wait for each other
		for len(g) >= 4 {
			a += float64(g[0]) * float64(g[0])
			b += float64(g[1]) * float64(g[1])
			c += float64(g[2]) * float64(g[2])
			d += float64(g[3]) * float64(g[3])
			g = g[4:]
		}
		for _, v := range g {
			a += float64(v) * float64(v)
		}
		sums[i] = a + b + c + d
	})
	var sum float64
	for _, s := range sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// piece is a run of a tensor's elements that one goroutine works on.
type piece struct{ tensor, from, end int }

func cut(all []Weights) (pieces []piece) {
	const size = 1 << 16
	for i, w := range all {
		for from := 0; from < len(w.Values); from += size {
			pieces = append(pieces, piece{i, from, min(from+size, len(w.Values))})
		}
	}
	return pieces
}

// parallel calls f for 0 to n-1 on all processors and waits.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
