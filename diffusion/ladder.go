package diffusion

import "fmt"

// ladder is what schedulers in terms of sigma go down: each call's timestep,
// and the sigmas, call k standing at sigmas[base+k] and stepping to the next.
type ladder struct {
	timesteps []float32
	sigmas    []float32
	base      int
}

// newLadder begins at a start. order is how many calls a step takes.
func newLadder(timesteps, sigmas []float32, order int, from start) (ladder, error) {
	if len(timesteps) == 0 {
		return ladder{}, nil
	}
	l := ladder{timesteps, sigmas, from.skip * order}
	if l.base >= len(timesteps) {
		return l, fmt.Errorf("%d timesteps, and the first %d are left out", len(timesteps), l.base)
	}
	l.timesteps = timesteps[l.base:]
	if !from.known {
		// Diffusers looks for the first timestep in the list and takes the second
		// place where it is found.
		for i, t := range timesteps[1:] {
			if t == timesteps[0] {
				l.base = i + 1
				break
			}
		}
	}
	if last := l.base + len(l.timesteps); last >= len(sigmas) {
		return l, fmt.Errorf("the first timestep, %v, occurs twice, so that diffusers starts at the second and runs out of sigmas", timesteps[0])
	}
	return l, nil
}

// sigma returns the noise level of a call; at len(timesteps), the last one's target.
func (l *ladder) sigma(call int) float32 { return l.sigmas[l.base+call] }

// divisors returns what the network's input is divided by at each call.
func (l *ladder) divisors() []float32 {
	out := make([]float32, len(l.timesteps))
	for i := range out {
		s := l.sigma(i)
		out[i] = sqrt32(float32(s*s) + 1)
	}
	return out
}

// addsNoise is a plan's mix for schedulers whose latents are image + sigma * noise.
func (l *ladder) addsNoise(call int) (signal, noise float32) { return 1, l.sigma(call) }

// initSigma is the greatest sigma of the whole schedule, or with leading
// spacing the square root of its square plus one.
func initSigma(sigmas []float32, spacing string) float32 {
	var top float32
	for _, s := range sigmas {
		top = max(top, s)
	}
	if spacing == "leading" {
		return sqrt32(float32(top*top) + 1)
	}
	return top
}

// denoised sets image to the image that latents of a noise level and the
// network's output predict, for networks whose input is scaled.
func denoised(image, latents, output []float32, sigma float32, prediction string) {
	switch prediction {
	case "epsilon":
		for i, x := range latents {
			image[i] = x - float32(sigma*output[i])
		}
	case "v_prediction":
		square := float32(sigma*sigma) + 1
		skip := -sigma / sqrt32(square)
		for i, x := range latents {
			image[i] = float32(output[i]*skip) + x/square
		}
	default:
		copy(image, output)
	}
}
