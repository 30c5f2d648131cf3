package diffusion

import (
	"math"
	"strings"
	"testing"
)

// TestNoising: published numbers of Stable Diffusion's schedule, and the three targets
// by hand.
func TestNoising(t *testing.T) {
	n := noisingOf(t, `{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}`)
	for at, want := range map[int][2]float64{
		0: {0.999150000, 1175.47}, 100: {0.894223478, 8.45389}, 250: {0.673792625, 2.06553},
		500: {0.276332684, 0.38185}, 750: {0.056169848, 0.0595127}, 999: {0.004660099, 0.00468192},
	} {
		if a, snr := float64(n.Alphas[at]), n.SNR(at); math.Abs(a-want[0]) > 1e-6*want[0] || math.Abs(snr-want[1]) > 1e-4*want[1] {
			t.Errorf("timestep %d: alpha %.9f and SNR %.6g, want %.9f and %.6g", at, a, snr, want[0], want[1])
		}
	}
	for prediction, target := range map[string]float32{"epsilon": -1, "v_prediction": 0.8*-1 - 0.6*2, "sample": 2} {
		n := noisingOf(t, `{"num_train_timesteps": 1, "trained_betas": [0.36], "prediction_type": "`+prediction+`"}`)
		x, e := []float32{2}, []float32{-1}
		if err := n.Mix(x, e, x, e, 0); err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(x[0])-1) > 1e-6 || math.Abs(float64(e[0]-target)) > 1e-6 {
			t.Errorf("%s: latents %g, target %g, want 1 and %g", prediction, x[0], e[0], target)
		}
	}
	zero := noisingOf(t, `{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "rescale_betas_zero_snr": true}`)
	if a := zero.Alphas[999]; a != 0 {
		t.Errorf("with zero terminal SNR the image's last share is %g", a)
	}
	if err := zero.Mix(make([]float32, 1), make([]float32, 1), make([]float32, 1), make([]float32, 1), 1000); err == nil {
		t.Error("timestep 1000 of 1000 is accepted")
	}
}

func TestNoisingRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"prediction_type": "flow_prediction"}`:                  "flow_prediction",
		`{"num_train_timesteps": 2, "trained_betas": [0.1, 1.5]}`: "share at timestep 1",
		`{"beta_schedule": "sigmoid"}`:                            "sigmoid",
	} {
		c, err := ParseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Noising(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

func noisingOf(t *testing.T, text string) Noising {
	t.Helper()
	c, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.Noising()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
