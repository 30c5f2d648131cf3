package diffusion

import "fmt"

// Noising is how images are mixed with noise for training, as diffusers' DDPMScheduler
// does with the same config.
type Noising struct {
	// Alphas is, for each timestep, the image's share of the latents' variance: the
	// cumulative product of 1 - beta. The last one is 0 with rescale_betas_zero_snr.
	Alphas []float32
	// Prediction is what the network is asked for: epsilon, v_prediction or sample.
	Prediction string
}

// Noising reads the keys that training needs.
func (c Config) Noising() (Noising, error) {
	p := &params{class: "DDPMScheduler", values: c.values}
	s, betas := readSchedule(p, 0.0001, 0.02)
	s.setBetas(betas, p.flag("rescale_betas_zero_snr", false))
	n := Noising{s.alphas, p.text("prediction_type", "epsilon")}
	if err := oneOf(n.Prediction, "epsilon", "v_prediction", "sample"); err != nil {
		p.fail("%w", err)
	}
	for i, a := range n.Alphas {
		if !(a >= 0 && a <= 1) {
			p.fail("the image's share at timestep %d is %v, expected 0 to 1: betas are from 0 to 1", i, a)
		}
	}
	return n, p.err
}

// Mix sets noisy to the latents of an image at a timestep, and target to what the
// network is to predict of them. All are of one length; noisy and target may be the
// image's or the noise's memory, but not both the same.
func (n Noising) Mix(noisy, target, image, noise []float32, timestep int) error {
	if timestep < 0 || timestep >= len(n.Alphas) {
		return fmt.Errorf("timestep %d is outside the %d timesteps of the noise schedule", timestep, len(n.Alphas))
	}
	if len(noisy) != len(image) || len(target) != len(image) || len(noise) != len(image) {
		return fmt.Errorf("an image of %d values, noise of %d, and memory for %d and %d", len(image), len(noise), len(noisy), len(target))
	}
	a := n.Alphas[timestep]
	signal, level := sqrt32(a), sqrt32(1-a)
	for i, x := range image {
		e := noise[i]
		noisy[i] = float32(signal*x) + float32(level*e)
		switch n.Prediction {
		case "epsilon":
			target[i] = e
		case "v_prediction":
			target[i] = float32(signal*e) - float32(level*x)
		default:
			target[i] = x
		}
	}
	return nil
}

// SNR is the ratio of the image's variance to the noise's at a timestep.
func (n Noising) SNR(timestep int) float64 {
	a := float64(n.Alphas[timestep])
	return a / (1 - a)
}
