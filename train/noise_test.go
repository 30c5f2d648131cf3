package train

import (
	"math"
	"testing"

	"cosmicman/diffusion"
)

// TestMinSNR: weights by hand, with the image's share 0.9, 0.5 and 0, of SNR 9, 1 and 0.
func TestMinSNR(t *testing.T) {
	for prediction, want := range map[string][3]float64{
		"epsilon":      {5. / 9, 1, 1},
		"v_prediction": {5. / 10, 1. / 2, 0},
		"sample":       {5, 1, 0},
	} {
		n := diffusion.Noising{Alphas: []float32{0.9, 0.5, 0}, Prediction: prediction}
		for i, w := range want {
			if got := MinSNR(n, i, 5); !(math.Abs(got-w) < 1e-5) {
				t.Errorf("%s: the weight at timestep %d is %g, want %g", prediction, i, got, w)
			}
			if got := MinSNR(n, i, 0); got != 1 {
				t.Errorf("%s: without a bound the weight is %g", prediction, got)
			}
		}
	}
}

// TestTimesteps: all timesteps are as likely, and a share more comes from the noisiest.
func TestTimesteps(t *testing.T) {
	for _, c := range []struct {
		t    Timesteps
		want float64 // share from 800 on
	}{{Timesteps{}, 0.2}, {Timesteps{Share: 0.5, Noisiest: 0.2}, 0.6}, {Timesteps{Share: 1, Noisiest: 0.2}, 1}} {
		high, lowest, highest := 0, 1000, 0
		const draws = 20000
		for i := range int64(draws) {
			at := c.t.Draw(Chance(3, "timestep", i), 1000)
			lowest, highest = min(lowest, at), max(highest, at)
			if at >= 800 {
				high++
			}
		}
		if share := float64(high) / draws; math.Abs(share-c.want) > 0.015 || highest > 999 || highest < 995 || lowest < 0 || (c.want < 1) != (lowest < 5) {
			t.Errorf("%+v: %d to %d, %.3f of them from 800 on, want %g", c.t, lowest, highest, share, c.want)
		}
	}
}

// TestOffsetNoise: every channel of a row moves by a number of its own.
func TestOffsetNoise(t *testing.T) {
	row := []float32{1, 2, 3, 4, 5, 6}
	OffsetNoise(row, 3, 0.5, 11)
	offsets := make([]float32, 3)
	diffusion.NewNoise(11).Normal(offsets)
	for i, v := range row {
		if want := float32(i+1) + 0.5*offsets[i/2]; v != want {
			t.Errorf("value %d is %g, want %g", i, v, want)
		}
	}
	if OffsetNoise(row, 3, 0, 12); row[0] != 1+0.5*offsets[0] {
		t.Error("an amount of 0 changes something")
	}
}
