package diffusion

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func newSampler(t testing.TB, name string, steps int, opt Options) Sampler {
	t.Helper()
	s, err := New(name, config(t, `"skip_prk_steps": true`), steps, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGuide(t *testing.T) {
	uncond, cond := []float32{1, 2, -1}, []float32{3, 2, 0.5}
	dst := make([]float32, 3)
	Guide(dst, uncond, cond, 7.5)
	for i, want := range []float32{16, 2, 10.25} {
		if dst[i] != want {
			t.Errorf("value %d: %v, want %v", i, dst[i], want)
		}
	}
	Guide(uncond, uncond, cond, 7.5)
	if uncond[0] != 16 {
		t.Error("in place")
	}
}

func TestCheckFinite(t *testing.T) {
	if err := CheckFinite([]float32{0, -1, math.MaxFloat32, 0x1p-149}); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if err := CheckFinite([]float32{0, float32(bad)}); err == nil || !strings.Contains(err.Error(), "value 1 of 2") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestStepErrors(t *testing.T) {
	four := make([]float32, 4)
	for _, c := range []struct {
		what            string
		latents, output []float32
		call            int
		want            string
	}{
		{"a call left out", four, four, 1, "call 1, expected 0"},
		{"too few outputs", four, four[:3], 0, "4 latents but 3 outputs"},
		{"NaN", four, []float32{0, 0, float32(math.NaN()), 0}, 0, "network output at call 1 of 5: value 2 of 4 is NaN"},
		{"no noise", four, four, 0, "no source"},
		{"overflow", []float32{math.MaxFloat32, 0, 0, 0}, []float32{-math.MaxFloat32, 0, 0, 0}, 0, "latents after call 1 of 5"},
	} {
		s := newSampler(t, "euler_a", 5, Options{})
		var noise Source = NewNoise(1)
		if c.what == "no noise" {
			noise = nil
		}
		if err := s.Step(append([]float32(nil), c.latents...), c.output, c.call, noise); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	s := newSampler(t, "ddim", 1, Options{})
	if err := s.Step(four, four, 0, nil); err != nil {
		t.Error(err)
	}
	if err := s.Step(four, four, 1, nil); err == nil {
		t.Error("a call after the last")
	}
}

// TestStochastic: exactly the stochastic samplers draw, every step once.
func TestStochastic(t *testing.T) {
	for _, name := range Names() {
		for _, eta := range []float64{0, 0.5} {
			if eta > 0 && name != "ddim" {
				continue
			}
			s := newSampler(t, name, 4, Options{Eta: eta})
			noise := &countingSource{}
			latents := make([]float32, 8)
			for call := range s.Timesteps() {
				if err := s.Step(latents, make([]float32, 8), call, noise); err != nil {
					t.Fatal(err)
				}
			}
			want := 0
			if s.Stochastic() {
				want = len(s.Timesteps())
			}
			if drawn := name == "euler_a" || eta > 0; drawn != s.Stochastic() || noise.calls != want {
				t.Errorf("%s, eta %v: stochastic %t, %d draws", name, eta, s.Stochastic(), noise.calls)
			}
		}
	}
}

type countingSource struct{ calls int }

func (c *countingSource) Normal(dst []float32) { c.calls++; clear(dst) }

// TestOutputUntouched: a step neither changes nor keeps hold of the network's
// output, whose memory the next call reuses.
func TestOutputUntouched(t *testing.T) {
	for _, name := range Names() {
		s, twin := newSampler(t, name, 6, Options{}), newSampler(t, name, 6, Options{})
		a, b := []float32{1, 2, 3, 4}, []float32{1, 2, 3, 4}
		shared := make([]float32, 4)
		for call, timestep := range s.Timesteps() {
			fakeNetwork(shared, a, timestep)
			own := append([]float32(nil), shared...)
			if err := s.Step(a, shared, call, NewNoise(1)); err != nil {
				t.Fatal(err)
			}
			for i := range shared {
				if shared[i] != own[i] {
					t.Fatalf("%s: call %d changed the output", name, call)
				}
				shared[i] = 1e9
			}
			if err := twin.Step(b, own, call, NewNoise(1)); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("%s: call %d used an old output that had changed", name, call)
			}
		}
	}
}

func TestBetaQuantile(t *testing.T) {
	// scipy.stats.beta.ppf(p, 0.6, 0.6)
	for p, want := range map[float64]float64{
		0: 0, 1: 1, 0.5: 0.5, 0.001: 1.855873851745199e-05, 0.1: 0.03958440558878085, 0.3: 0.23401700387523572, 0.9: 0.9604155944112192,
	} {
		if got := betaQuantile(p, 0.6); math.Abs(got-want) > 1e-14 {
			t.Errorf("%v: %v, want %v", p, got, want)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	const size = 4 * 128 * 128
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			latents, output := make([]float32, size), make([]float32, size)
			noise := NewNoise(1)
			for b.Loop() {
				s := newSampler(b, name, 10, Options{})
				noise.Normal(latents)
				for call := range s.Timesteps() {
					s.ScaleInput(output, latents, call)
					if err := s.Step(latents, output, call, noise); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				newSampler(b, name, 50, Options{})
			}
		})
	}
}
