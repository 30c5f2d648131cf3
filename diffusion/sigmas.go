package diffusion

import "math"

// respacing replaces the sigmas that follow from timesteps by a curve between
// the highest and the lowest of them, and the timesteps by those of the curve.
type respacing struct {
	karras, exponential, beta bool
	// lowest and highest, where set, take the place of the schedule's own ends.
	// Every scheduler reads them, also those that don't declare them.
	lowest, highest *float64
}

func readRespacing(p *params) respacing {
	r := respacing{
		karras:      p.strictFlag("use_karras_sigmas"),
		exponential: p.strictFlag("use_exponential_sigmas"),
		beta:        p.strictFlag("use_beta_sigmas"),
		lowest:      p.optionalFloat("sigma_min"),
		highest:     p.optionalFloat("sigma_max"),
	}
	count := 0
	for _, on := range []bool{r.karras, r.exponential, r.beta} {
		if on {
			count++
		}
	}
	if count > 1 {
		p.fail("use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas: expected at most one of them")
	}
	if r.exponential {
		for _, end := range []*float64{r.lowest, r.highest} {
			if end != nil && *end <= 0 {
				p.fail("sigma_min, sigma_max: %v, expected a positive number: use_exponential_sigmas takes its logarithm", *end)
			}
		}
	}
	return r
}

func (r respacing) on() bool { return r.karras || r.exponential || r.beta }

// levels returns n sigmas from high to low, or from the config's own ends.
func (r respacing) levels(high, low float64, n int) []float64 {
	if r.highest != nil {
		high = *r.highest
	}
	if r.lowest != nil {
		low = *r.lowest
	}
	switch {
	case r.karras:
		return karras(high, low, n)
	case r.exponential:
		out := linspace(math.Log(high), math.Log(low), n)
		for i := range out {
			out[i] = math.Exp(out[i])
		}
		return out
	}
	// "Beta Sampling is All You Need", arXiv 2407.12173.
	out := linspace(0, 1, n)
	for i := range out {
		out[i] = low + betaQuantile(1-out[i], 0.6)*(high-low)
	}
	return out
}

// karras is equation 5 of "Elucidating the Design Space of Diffusion-Based
// Generative Models", arXiv 2206.00364.
func karras(high, low float64, n int) []float64 {
	const rho = 7.0
	out := linspace(0, 1, n)
	from, to := math.Pow(high, 1/rho), math.Pow(low, 1/rho)
	for i, ramp := range out {
		out[i] = math.Pow(from+float64(ramp*(to-from)), rho)
	}
	return out
}

// timesteps finds the fractional timestep of each sigma in the table of sigmas
// of all timesteps.
func timesteps(sigmas []float64, table []float32) []float64 {
	logs := make([]float32, len(table))
	for i, s := range table {
		logs[i] = log32(s)
	}
	out := make([]float64, len(sigmas))
	for i, s := range sigmas {
		out[i] = timestepOf(s, logs)
	}
	return out
}

func timestepOf(sigma float64, logs []float32) float64 {
	if len(logs) < 2 {
		return math.NaN()
	}
	log := math.Log(max(sigma, 1e-10))
	low := 0
	for i := len(logs) - 1; i >= 0; i-- {
		if log >= float64(logs[i]) {
			low = i
			break
		}
	}
	low = min(low, len(logs)-2)
	w := (float64(logs[low]) - log) / float64(logs[low]-logs[low+1])
	w = min(max(w, 0), 1)
	return float64((1-w)*float64(low)) + float64(w*float64(low+1))
}

// readFinalSigma reads what stands after the last sigma: zero, or the least of
// training.
func readFinalSigma(p *params) (isZero bool) {
	kind := p.text("final_sigmas_type", "zero")
	if kind != "zero" && kind != "sigma_min" {
		p.fail("final_sigmas_type %q: expected zero or sigma_min", kind)
	}
	return kind == "zero"
}
