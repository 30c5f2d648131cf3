package diffusion

import (
	"fmt"
	"math"
)

// maxTrainSteps bounds what is allocated for a number in a file.
const maxTrainSteps = 100_000

// schedule is the noise of training: alphas[t] is the cumulative product of
// 1 - beta up to timestep t, as a float32 tensor holds it.
type schedule struct {
	// trainSteps is num_train_timesteps; trained_betas may be of another length.
	trainSteps int
	alphas     []float32
	// curve is beta_schedule.
	curve string
}

// readSchedule reads the keys that every scheduler has: the betas.
func readSchedule(p *params, betaStart, betaEnd float64, kinds ...string) (schedule, []float32) {
	s := schedule{trainSteps: p.integer("num_train_timesteps", 1000)}
	start, end := p.float("beta_start", betaStart), p.float("beta_end", betaEnd)
	s.curve = p.text("beta_schedule", "linear")
	trained := p.floats("trained_betas")
	if s.trainSteps < 1 || s.trainSteps > maxTrainSteps {
		p.fail("num_train_timesteps %d: expected 1 to %d", s.trainSteps, maxTrainSteps)
		return s, nil
	}
	var betas []float32
	switch {
	case trained != nil:
		if len(trained) == 0 || len(trained) > maxTrainSteps {
			p.fail("trained_betas: %d values, expected 1 to %d", len(trained), maxTrainSteps)
			return s, nil
		}
		for _, b := range trained {
			betas = append(betas, float32(b))
		}
	case s.curve == "linear":
		betas = linspace32(start, end, s.trainSteps)
	case s.curve == "scaled_linear":
		if start < 0 || end < 0 {
			p.fail("beta_start %v, beta_end %v: scaled_linear takes their square roots, expected no negative number", start, end)
			return s, nil
		}
		betas = linspace32(math.Sqrt(start), math.Sqrt(end), s.trainSteps)
		for i, b := range betas {
			betas[i] = b * b
		}
	case s.curve == "squaredcos_cap_v2":
		betas = betasForAlphaBar(s.trainSteps, func(t float64) float64 {
			c := math.Cos((t + 0.008) / 1.008 * math.Pi / 2)
			return c * c
		})
	default:
		for _, more := range kinds {
			if s.curve == more && more == "exp" {
				return s, betasForAlphaBar(s.trainSteps, func(t float64) float64 { return math.Exp(t * -12) })
			}
		}
		p.fail("beta_schedule %q: %s knows linear, scaled_linear, squaredcos_cap_v2%s", s.curve, p.class, listed(kinds))
	}
	return s, betas
}

func listed(more []string) string {
	var out string
	for _, m := range more {
		out += ", " + m
	}
	return out
}

// betasForAlphaBar makes the betas whose cumulative product follows a function
// of time from 0 to 1.
func betasForAlphaBar(n int, alphaBar func(float64) float64) []float32 {
	betas := make([]float32, n)
	for i := range betas {
		t1, t2 := float64(i)/float64(n), float64(i+1)/float64(n)
		betas[i] = float32(min(1-alphaBar(t2)/alphaBar(t1), 0.999))
	}
	return betas
}

// setBetas fills alphas. With zeroSNR the betas are rescaled first, so that
// nothing of the image is left at the last timestep ("Common Diffusion Noise
// Schedules and Sample Steps are Flawed", algorithm 1).
func (s *schedule) setBetas(betas []float32, zeroSNR bool) {
	s.alphas = alphasOf(betas)
	if !zeroSNR || len(betas) == 0 {
		return
	}
	roots := make([]float32, len(betas))
	for i, a := range s.alphas {
		roots[i] = sqrt32(a)
	}
	first, last := roots[0], roots[len(roots)-1]
	scale := first / (first - last)
	for i, r := range roots {
		shifted := (r - last) * scale
		roots[i] = shifted * shifted
	}
	rescaled := make([]float32, len(betas))
	rescaled[0] = 1 - roots[0]
	for i := 1; i < len(roots); i++ {
		rescaled[i] = 1 - roots[i]/roots[i-1]
	}
	s.alphas = alphasOf(rescaled)
}

// nearZero is put in place of an alpha of zero by the samplers that divide by it.
const nearZero = 0x1p-24

// avoidZero is what schedulers in terms of sigma do after zeroSNR.
func (s *schedule) avoidZero() {
	if n := len(s.alphas); n > 0 {
		s.alphas[n-1] = nearZero
	}
}

// alphasOf is torch.cumprod of 1 - betas: accumulated in float64.
func alphasOf(betas []float32) []float32 {
	out := make([]float32, len(betas))
	product := 1.0
	for i, b := range betas {
		product *= float64(1 - b)
		out[i] = float32(product)
	}
	return out
}

// at returns alphas[t], counting from the end where t is negative, as Python
// and so diffusers do with the timestep -1 of trailing spacing.
func (s *schedule) at(t int) (float32, error) {
	i := t
	if i < 0 {
		i += len(s.alphas)
	}
	if i < 0 || i >= len(s.alphas) {
		return 0, fmt.Errorf("timestep %d is outside the %d timesteps of the noise schedule", t, len(s.alphas))
	}
	return s.alphas[i], nil
}

// sigmas returns the ratio of noise to signal at each timestep.
func (s *schedule) sigmas() []float32 {
	out := make([]float32, len(s.alphas))
	for i, a := range s.alphas {
		out[i] = sqrt32((1 - a) / a)
		if a == nearZero {
			// Torch's square root is the vector library's, and off by up to 0.75
			// units in the last place; on AMD it gives 4096 here. Elsewhere that is
			// lost in rounding, but one unit of this sigma is 1e-4 of the next one.
			out[i] = 4096
		}
	}
	return out
}
