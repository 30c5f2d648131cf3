package diffusion

// euler is diffusers' EulerDiscreteScheduler: algorithm 2 of "Elucidating the
// Design Space of Diffusion-Based Generative Models", arXiv 2206.00364, without
// churn.
type euler struct {
	schedule
	spacing
	respacing
	prediction, interpolation, timestepType string
	zeroAtEnd                               bool
}

func readEuler(p *params) scheduler {
	e := &euler{respacing: readRespacing(p)}
	var betas []float32
	e.schedule, betas = readSchedule(p, 0.0001, 0.02)
	zeroSNR := p.flag("rescale_betas_zero_snr", false)
	e.setBetas(betas, zeroSNR)
	if zeroSNR {
		e.avoidZero()
	}
	e.spacing = readSpacing(p, "linspace")
	e.prediction = p.text("prediction_type", "epsilon")
	e.interpolation = p.text("interpolation_type", "linear")
	if e.interpolation != "linear" && e.interpolation != "log_linear" {
		p.fail("interpolation_type %q: expected linear or log_linear", e.interpolation)
	}
	e.timestepType = p.text("timestep_type", "discrete")
	e.zeroAtEnd = readFinalSigma(p)
	return e
}

func (e *euler) plan(steps int, from start) (*plan, error) {
	if err := oneOf(e.prediction, "epsilon", "v_prediction", "sample", "original_sample"); err != nil {
		return nil, err
	}
	times := toFloat32(e.descending(e.trainSteps, steps))
	table := e.sigmas()
	var levels []float64
	if e.interpolation == "log_linear" {
		// One more than there are timesteps, as in diffusers.
		for _, l := range linspace32(float64(log32(table[len(table)-1])), float64(log32(table[0])), steps+1) {
			levels = append(levels, float64(exp32(l)))
		}
	} else {
		levels = interpolateAll(table, times)
	}
	if e.on() {
		levels = e.levels(levels[0], levels[len(levels)-1], steps)
		times = toFloat32(timesteps(levels, table))
	}
	last := float64(table[0])
	if e.zeroAtEnd {
		last = 0
	}
	sigmas := toFloat32(append(levels, last))
	if e.timestepType == "continuous" && e.prediction == "v_prediction" {
		times = nil
		for _, s := range sigmas[:len(sigmas)-1] {
			times = append(times, float32(0.25)*ln32(s))
		}
	}
	l, err := newLadder(times, sigmas, 1, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps: l.timesteps,
		initSigma: initSigma(sigmas, e.spacing.rule),
		divisors:  l.divisors(),
		mix:       l.addsNoise,
		stepper:   func() stepper { return &eulerStepper{l, e.prediction} },
	}, nil
}

type eulerStepper struct {
	ladder
	prediction string
}

func (s *eulerStepper) step(latents, output []float32, call int, _ Source) error {
	sigma, next := s.sigma(call), s.sigma(call+1)
	image := make([]float32, len(latents))
	denoised(image, latents, output, sigma, s.prediction)
	eulerStep(latents, image, sigma, next)
	return nil
}

// eulerStep moves latents along the line through the predicted image.
func eulerStep(latents, image []float32, sigma, to float32) {
	dt := to - sigma
	for i, x := range latents {
		latents[i] = x + float32((x-image[i])/sigma*dt)
	}
}

// eulerAncestral is diffusers' EulerAncestralDiscreteScheduler: Euler steps
// that go lower and come back up with fresh noise.
type eulerAncestral struct {
	schedule
	spacing
	prediction string
}

func readEulerAncestral(p *params) scheduler {
	e := &eulerAncestral{}
	var betas []float32
	e.schedule, betas = readSchedule(p, 0.0001, 0.02)
	zeroSNR := p.flag("rescale_betas_zero_snr", false)
	e.setBetas(betas, zeroSNR)
	if zeroSNR {
		e.avoidZero()
	}
	e.spacing = readSpacing(p, "linspace")
	e.prediction = p.text("prediction_type", "epsilon")
	return e
}

func (e *eulerAncestral) plan(steps int, from start) (*plan, error) {
	if err := oneOf(e.prediction, "epsilon", "v_prediction"); err != nil {
		return nil, err
	}
	times := toFloat32(e.descending(e.trainSteps, steps))
	sigmas := toFloat32(append(interpolateAll(e.sigmas(), times), 0))
	l, err := newLadder(times, sigmas, 1, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps:  l.timesteps,
		initSigma:  initSigma(sigmas, e.spacing.rule),
		divisors:   l.divisors(),
		mix:        l.addsNoise,
		stochastic: true,
		stepper:    func() stepper { return &ancestralStepper{l, e.prediction} },
	}, nil
}

type ancestralStepper struct {
	ladder
	prediction string
}

func (s *ancestralStepper) step(latents, output []float32, call int, noise Source) error {
	sigma, next := s.sigma(call), s.sigma(call+1)
	from, to := float32(sigma*sigma), float32(next*next)
	up := sqrt32(float32(to*(from-to)) / from)
	down := sqrt32(to - float32(up*up))
	image := make([]float32, len(latents))
	denoised(image, latents, output, sigma, s.prediction)
	eulerStep(latents, image, sigma, down)
	addFresh(latents, up, noise)
	return nil
}

// interpolateAll returns the sigmas at fractional timesteps.
func interpolateAll(table, times []float32) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = interpolate(table, float64(t))
	}
	return out
}
