package diffusion

import (
	"fmt"
	"math"
	"testing"
)

// oneStep is a schedule of a single timestep: the image's share is 0.8, the
// noise's 0.6, and so sigma 0.75.
func oneStep(t *testing.T, name, prediction string) Sampler {
	t.Helper()
	c, err := ParseConfig(fmt.Appendf(nil, `{"num_train_timesteps": 1, "trained_betas": [0.36], "prediction_type": %q, "set_alpha_to_one": true, "timestep_spacing": "linspace"}`, prediction))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(name, c, 1, Options{Pipeline: StableDiffusionXL})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPredictByHand(t *testing.T) {
	for _, c := range []struct {
		sampler, prediction string
		latent, output      float32
		want                float64
	}{
		{"ddim", "epsilon", 1, 0.5, 0.875},       // (1 - 0.6*0.5) / 0.8
		{"ddim", "v_prediction", 1, 0.5, 0.5},    // 0.8*1 - 0.6*0.5
		{"ddim", "sample", 1, 0.5, 0.5},          // the output
		{"euler", "epsilon", 1, 0.5, 0.625},      // 1 - 0.75*0.5
		{"euler", "v_prediction", 1, 0.5, 0.34},  // 1/1.5625 - 0.5*0.75/1.25
		{"euler", "sample", 1, 0.5, 0.5},         // the output
		{"euler", "epsilon", -2, -0.25, -1.8125}, // -2 + 0.75*0.25
	} {
		s := oneStep(t, c.sampler, c.prediction)
		x := []float32{c.latent}
		s.ScaleInput(x, x, 0)
		s.Predict(x, x, []float32{c.output}, 0)
		if math.Abs(float64(x[0])-c.want) > 1e-6 {
			t.Errorf("%s, %s: %v, want %v", c.sampler, c.prediction, x[0], c.want)
		}
	}
}

// TestPredictFindsTheImage gives every sampler the output of a network that
// knows the noise: at every call the image comes out.
func TestPredictFindsTheImage(t *testing.T) {
	image, noise := []float32{0.5, -1, 2, 0.25}, []float32{-0.3, 0.7, 1.1, -1.9}
	for _, name := range Names() {
		for _, prediction := range []string{"epsilon", "v_prediction"} {
			s, err := New(name, config(t, fmt.Sprintf(`"skip_prk_steps": true, "prediction_type": %q`, prediction)), 7, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for call := range s.Timesteps() {
				input := make([]float32, len(image))
				s.AddNoise(input, image, noise, call)
				s.ScaleInput(input, input, call)
				output := append([]float32(nil), noise...)
				if prediction == "v_prediction" {
					// input = alpha*image + sigma*noise, with alpha^2 + sigma^2 = 1
					sigma := sigmaOf(input, image, noise)
					for i := range output {
						output[i] = float32(math.Sqrt(1-sigma*sigma))*noise[i] - float32(sigma)*image[i]
					}
				}
				got := make([]float32, len(image))
				s.Predict(got, input, output, call)
				if d := normRatio(got, image); !(d < 2e-4) {
					t.Errorf("%s, %s, call %d: %v, want %v", name, prediction, call, got, image)
				}
			}
		}
	}
}

// sigmaOf solves input = alpha*image + sigma*noise for sigma from two values.
func sigmaOf(input, image, noise []float32) float64 {
	a, b, c := float64(image[0]), float64(noise[0]), float64(input[0])
	d, e, f := float64(image[1]), float64(noise[1]), float64(input[1])
	return (a*f - d*c) / (a*e - d*b)
}

// TestLastPredictionIsTheImage: ddim without fresh noise ends at its prediction.
func TestLastPredictionIsTheImage(t *testing.T) {
	s, err := New("ddim", config(t, `"set_alpha_to_one": true`), 5, Options{})
	if err != nil {
		t.Fatal(err)
	}
	latents, output := make([]float32, 64), make([]float32, 64)
	NewNoise(3).Normal(latents)
	predicted := make([]float32, 64)
	for call, timestep := range s.Timesteps() {
		fakeNetwork(output, latents, timestep)
		s.ScaleInput(predicted, latents, call)
		s.Predict(predicted, predicted, output, call)
		if err := s.Step(latents, output, call, nil); err != nil {
			t.Fatal(err)
		}
	}
	if d := normRatio(predicted, latents); !(d < 1e-5) {
		t.Errorf("the last prediction is %g away from the final latents", d)
	}
}
