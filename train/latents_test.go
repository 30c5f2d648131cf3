package train

import (
	"math"
	"strings"
	"testing"

	"cosmicman/model"
)

// TestLatentsAreFolded gives every channel the mean 0 and the deviation 1 without a
// change of what is decoded, from the mean and from samples.
func TestLatentsAreFolded(t *testing.T) {
	l := vaeLearner(t, openRuntime(t), vaeOptions(t, "odd-vae"))
	b := &VAEBatch{Height: 16, Width: 24, Images: noise(3, 3, 3, 16, 24).Float32()}
	sampled := *b
	sampled.Noise = noise(4, 3, 4, 4, 6).Float32()
	measure := func() *Latents {
		moments, err := l.Moments(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		var s Latents
		// In two calls, as batches come.
		if err := s.Add(moments[:8*24], 4, 24); err != nil {
			t.Fatal(err)
		}
		if err := s.Add(moments[8*24:], 4, 24); err != nil {
			t.Fatal(err)
		}
		return &s
	}
	decode := func(b *VAEBatch) []float32 {
		back, err := l.Reconstruct(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	first := measure()
	before, beforeSampled := decode(b), decode(&sampled)
	values := map[string][]float32{}
	for _, w := range l.Tensors() {
		values[w.Name] = w.Values
	}
	if err := first.Fold(values); err != nil {
		t.Fatal(err)
	}
	same(t, "what the mean decodes to", decode(b), before)
	same(t, "what a sample decodes to", decode(&sampled), beforeSampled)
	mean, deviation := measure().Moments()
	for c := range mean {
		if !(math.Abs(mean[c]) < 1e-5) || !(math.Abs(deviation[c]-1) < 1e-5) {
			t.Errorf("channel %d has the mean %v and the deviation %v", c, mean[c], deviation[c])
		}
	}
	if f, err := measure().ScalingFactor(); err != nil || !(math.Abs(f-1) < 1e-5) {
		t.Errorf("the scaling factor is %v: %v", f, err)
	}
	if f, _ := first.ScalingFactor(); math.Abs(f-1) < 0.01 {
		t.Errorf("the scaling factor was %v before: nothing is shown", f)
	}
}

// TestLatentsOfSamples compares the moments with those of drawn samples.
func TestLatentsOfSamples(t *testing.T) {
	const area = 20000
	moments := make([]float32, 2*2*area)
	means := noise(1, 2*area).Float32()
	for i, m := range means {
		moments[i] = 0.5*m + 3
		moments[2*area+i] = float32(2 * math.Log(0.25))
	}
	for i := range area {
		moments[area+i] = means[area+i]
		moments[3*area+i] = -100 // clamped, as in sampling
	}
	var s Latents
	if err := s.Add(moments, 2, area); err != nil {
		t.Fatal(err)
	}
	mean, deviation := s.Moments()
	for c, want := range [][2]float64{{3, math.Sqrt(0.25 + 0.0625)}, {0, 1}} {
		if math.Abs(mean[c]-want[0]) > 0.02 || math.Abs(deviation[c]-want[1]) > 0.02 {
			t.Errorf("channel %d has the mean %v and the deviation %v, expected %v", c, mean[c], deviation[c], want)
		}
	}
}

func TestLatentsRefuse(t *testing.T) {
	var s Latents
	for _, c := range []struct {
		err  error
		want string
	}{
		{s.Fold(nil), "no image's latents are known"},
		{s.Add(make([]float32, 7), 2, 2), "7 moments, expected a multiple of two for each of 2 latents"},
		{s.Add(make([]float32, 8), 1, 4), ""},
		{s.Add(make([]float32, 16), 2, 4), "moments of 2 channels after those of 1"},
		{s.Fold(map[string][]float32{"quant_conv.weight": make([]float32, 4)}), "quant_conv.bias has 0 values, expected 2"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("error %v, expected %q", c.err, c.want)
		}
	}
	config, err := WithScaling([]byte(`{"scaling_factor": 0.2, "in_channels": 3}`), 1)
	if err != nil || !strings.Contains(string(config), `"scaling_factor": 1`) || !strings.Contains(string(config), `"in_channels": 3`) {
		t.Errorf("config %s: %v", config, err)
	}
	if c, err := model.ParseVAE(config); err == nil && c.ScalingFactor != 1 {
		t.Errorf("read as %v", c.ScalingFactor)
	}
	for _, bad := range []string{"[]", "null", `{"latents_mean": [1]}`} {
		if _, err := WithScaling([]byte(bad), 1); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
