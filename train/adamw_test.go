package train

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/tensor"
)

// optimizerCase is one of oracle/adamw.py.
type optimizerCase struct {
	Beta1, Beta2, Epsilon float64
	WeightDecay           float64 `json:"weight_decay"`
	MaxNorm               float64 `json:"max_norm"`
	Decay                 float64
	Tensors               []struct {
		Shape []int64
		Seed  uint64
	}
	Steps []struct {
		Rate, Factor, Norm float64
		Gradients          []uint64
		Weights, Average   [][]float64
	}
}

// TestStepsEqualPyTorch makes twenty steps, some of them clipped, and compares how far
// the weights and their average went.
func TestStepsEqualPyTorch(t *testing.T) {
	draw := func(dst []float32, seed uint64) { diffusion.NewNoise(seed).Normal(dst) }
	for i, c := range cases[optimizerCase](t, "testdata/adamw.json") {
		o := AdamW{c.Beta1, c.Beta2, c.Epsilon, c.WeightDecay, c.MaxNorm}
		var all []Weights
		var start, average, values [][]float32
		for _, x := range c.Tensors {
			n, _ := tensor.Shape(x.Shape).Elements()
			w := Weights{"", make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
			draw(w.Values, x.Seed)
			all = append(all, w)
			start, average, values = append(start, slices.Clone(w.Values)), append(average, make([]float32, n)), append(values, w.Values)
		}
		compared := 0
		for n, s := range c.Steps {
			for j, seed := range s.Gradients {
				draw(all[j].Gradient, seed)
			}
			// As if the loss had been four times as large.
			for j := range all {
				for k := range all[j].Gradient {
					all[j].Gradient[k] *= 4 * float32(s.Factor)
				}
			}
			norm, err := o.Step(Step{n + 1, s.Rate, 0.25}, all)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(norm-s.Norm) > 1e-6*s.Norm {
				t.Errorf("case %d, step %d: the norm is %.9g, PyTorch's %.9g", i, n+1, norm, s.Norm)
			}
			if err := (EMA{c.Decay}).Update(n+1, average, values); err != nil {
				t.Fatal(err)
			}
			for j, want := range s.Weights {
				compared++
				if off := change(all[j].Values, want, start[j]); !(off < 1) {
					t.Errorf("case %d, step %d: tensor %d is %.2g times the bar from PyTorch's", i, n+1, j, off)
				}
				if off := distance(average[j], s.Average[j]); !(off < 1e-6) {
					t.Errorf("case %d, step %d: the average of tensor %d is %.2g from diffusers'", i, n+1, j, off)
				}
			}
		}
		if compared != 16 {
			t.Errorf("case %d: %d tensors were compared, expected 4 at 4 steps", i, compared)
		}
	}
}

// change is how far a is from want, as a share of what is allowed: 1e-5 of the way
// from start, and what a float32 resolves.
func change(a []float32, want []float64, start []float32) float64 {
	var off, way, norm float64
	for i, v := range want {
		off += (float64(a[i]) - v) * (float64(a[i]) - v)
		way += (v - float64(start[i])) * (v - float64(start[i]))
		norm += v * v
	}
	return math.Sqrt(off) / (1e-5*math.Sqrt(way) + 1e-7*math.Sqrt(norm))
}

// TestStepOnAnyProcessors: weights of many pieces get the same bits on one processor.
func TestStepOnAnyProcessors(t *testing.T) {
	const size = 3<<16 + 5
	make3 := func() []Weights {
		var all []Weights
		for i, n := range []int{size, 1, 0, 1<<16 + 1} {
			w := Weights{"", make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
			diffusion.NewNoise(uint64(i)).Normal(w.Values)
			diffusion.NewNoise(uint64(10 + i)).Normal(w.Gradient)
			all = append(all, w)
		}
		return all
	}
	o := DefaultAdamW()
	here := make3()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	normHere, err := o.Step(Step{1, 1e-2, 0}, here)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GOMAXPROCS(1)
	alone := make3()
	normAlone, err := o.Step(Step{1, 1e-2, 0}, alone)
	if err != nil || normHere != normAlone {
		t.Errorf("norms are %v and %v (%v)", normHere, normAlone, err)
	}
	before := make3()
	for i := range here {
		if !slices.Equal(here[i].Values, alone[i].Values) || !slices.Equal(here[i].First, alone[i].First) || !slices.Equal(here[i].Second, alone[i].Second) {
			t.Errorf("tensor %d differs", i)
		}
		for j, v := range here[i].Values {
			if v == before[i].Values[j] {
				t.Fatalf("value %d of tensor %d did not move", j, i)
			}
		}
	}
}

// TestStepRefuses leaves everything as it was.
func TestStepRefuses(t *testing.T) {
	good := Step{1, 1e-3, 0}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, c := range map[string]struct {
		o        AdamW
		s        Step
		gradient []float32
	}{
		"not finite":     {DefaultAdamW(), good, []float32{1, nan}},
		"are not finite": {DefaultAdamW(), good, []float32{inf, 1}},
		"to_q.weight has 2 values, but 1 of the gradient": {DefaultAdamW(), good, []float32{1}},
		"step 0, expected 1":                              {DefaultAdamW(), Step{0, 1, 0}, []float32{1, 1}},
		"the learning rate is NaN":                        {DefaultAdamW(), Step{1, math.NaN(), 0}, []float32{1, 1}},
		"gradients are scaled by -1":                      {DefaultAdamW(), Step{1, 1, -1}, []float32{1, 1}},
		"adamw.beta1 is 1, expected":                      {AdamW{1, 0.9, 1e-8, 0, 0}, good, []float32{1, 1}},
		"adamw.epsilon is 0, expected":                    {AdamW{0.9, 0.9, 0, 0, 0}, good, []float32{1, 1}},
		"adamw.max_norm is -1":                            {AdamW{0.9, 0.9, 1e-8, 0, -1}, good, []float32{1, 1}},
		"adamw.weight_decay is -1":                        {AdamW{0.9, 0.9, 1e-8, -1, 0}, good, []float32{1, 1}},
	} {
		w := Weights{"to_q.weight", []float32{3, 4}, c.gradient, []float32{5, 6}, []float32{7, 8}}
		_, err := c.o.Step(c.s, []Weights{w})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if strings.HasSuffix(want, "not finite") && !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v is not ErrNotFinite", err)
		}
		if !slices.Equal(w.Values, []float32{3, 4}) || !slices.Equal(w.First, []float32{5, 6}) || !slices.Equal(w.Second, []float32{7, 8}) {
			t.Errorf("%s: something has changed", want)
		}
	}
}

func TestEMADecay(t *testing.T) {
	e := EMA{0.9999}
	for update, want := range map[int]float64{0: 0, 1: 0, 2: 0.181818, 100: 0.917431, 1000: 0.99108, 1 << 30: 0.9999} {
		if got := e.DecayAt(update); math.Abs(got-want) > 1e-6 {
			t.Errorf("the decay at update %d is %.6f, want %.6f", update, got, want)
		}
	}
	a, b := [][]float32{{1, 2}}, [][]float32{{1, 2}}
	for want, err := range map[string]error{
		"ema.decay is 1":                 EMA{1}.Update(1, a, b),
		"update 0":                       e.Update(0, a, b),
		"1 averages of 0 tensors":        e.Update(1, a, nil),
		"has 1 values and 2 in its aver": e.Update(1, a, [][]float32{{1}}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	const n = 1 << 24
	w := Weights{"", make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
	diffusion.NewNoise(1).Normal(w.Gradient)
	o := DefaultAdamW()
	b.SetBytes(4 * n)
	for i := 0; b.Loop(); i++ {
		if _, err := o.Step(Step{i + 1, 1e-3, 0}, []Weights{w}); err != nil {
			b.Fatal(err)
		}
	}
}
