package diffusion

// heun is diffusers' HeunDiscreteScheduler: algorithm 2 of "Elucidating the
// Design Space of Diffusion-Based Generative Models", arXiv 2206.00364, without
// churn. All but the last step take two calls: down to the next sigma, and
// there again for the mean of both slopes.
type heun struct {
	schedule
	spacing
	respacing
	prediction string
	clip       clipping
}

func readHeun(p *params) scheduler {
	h := &heun{respacing: readRespacing(p)}
	var betas []float32
	h.schedule, betas = readSchedule(p, 0.00085, 0.012, "exp")
	h.setBetas(betas, false)
	h.spacing = readSpacing(p, "linspace")
	h.prediction = p.text("prediction_type", "epsilon")
	h.clip = clipping{clip: p.flag("clip_sample", false), limit: float32(p.float("clip_sample_range", 1))}
	return h
}

func (h *heun) plan(steps int, from start) (*plan, error) {
	if err := oneOf(h.prediction, "epsilon", "v_prediction", "sample"); err != nil {
		return nil, err
	}
	times := toFloat32(h.descending(h.trainSteps, steps))
	table := h.sigmas()
	levels := interpolateAll(table, times)
	if h.on() {
		levels = h.levels(levels[0], levels[len(levels)-1], steps)
		times = toFloat32(timesteps(levels, table))
	}
	sigmas := append(twiceButFirst(toFloat32(levels)), 0)
	l, err := newLadder(twiceButFirst(times), sigmas, 2, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps: l.timesteps,
		initSigma: initSigma(sigmas, h.spacing.rule),
		divisors:  l.divisors(),
		mix:       l.addsNoise,
		stepper:   func() stepper { return &heunStepper{ladder: l, heun: h} },
	}, nil
}

func twiceButFirst(x []float32) []float32 {
	var out []float32
	for i, v := range x {
		if i > 0 {
			out = append(out, v)
		}
		out = append(out, v)
	}
	return out
}

type heunStepper struct {
	ladder
	*heun
	// latents and derivative are those at the start of the step, nil when the
	// next call starts one.
	latents, derivative []float32
}

func (s *heunStepper) step(latents, output []float32, call int, _ Source) error {
	image := make([]float32, len(latents))
	sigma := s.sigma(call)
	denoised(image, latents, output, sigma, s.prediction)
	s.clip.apply(image)
	derivative := image
	for i, x := range latents {
		derivative[i] = (x - image[i]) / sigma
	}
	if s.derivative == nil {
		dt := s.sigma(call+1) - sigma
		s.derivative = derivative
		s.latents = append([]float32(nil), latents...)
		for i, d := range derivative {
			latents[i] += float32(d * dt)
		}
		return nil
	}
	dt := sigma - s.sigma(call-1)
	for i, d := range derivative {
		mean := (s.derivative[i] + d) / 2
		latents[i] = s.latents[i] + float32(mean*dt)
	}
	s.latents, s.derivative = nil, nil
	return nil
}
