package diffusion

// lms is diffusers' LMSDiscreteScheduler: a linear multistep method of up to
// four past derivatives, by Katherine Crowson.
type lms struct {
	schedule
	spacing
	respacing
	prediction string
}

const lmsOrder = 4

func readLMS(p *params) scheduler {
	l := &lms{respacing: readRespacing(p)}
	var betas []float32
	l.schedule, betas = readSchedule(p, 0.0001, 0.02)
	l.setBetas(betas, false)
	l.spacing = readSpacing(p, "linspace")
	l.prediction = p.text("prediction_type", "epsilon")
	if l.karras {
		// This scheduler's Karras sigmas keep to its own ends.
		l.lowest, l.highest = nil, nil
	}
	return l
}

func (l *lms) plan(steps int, from start) (*plan, error) {
	if err := oneOf(l.prediction, "epsilon", "v_prediction", "sample"); err != nil {
		return nil, err
	}
	times := toFloat32(l.descending(l.trainSteps, steps))
	table := l.sigmas()
	levels := interpolateAll(table, times)
	if l.on() {
		levels = l.levels(levels[0], levels[len(levels)-1], steps)
		times = toFloat32(timesteps(levels, table))
	}
	sigmas := toFloat32(append(levels, 0))
	steep, err := newLadder(times, sigmas, 1, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps: steep.timesteps,
		initSigma: initSigma(sigmas, l.spacing.rule),
		divisors:  steep.divisors(),
		mix:       steep.addsNoise,
		stepper:   func() stepper { return &lmsStepper{ladder: steep, prediction: l.prediction} },
	}, nil
}

type lmsStepper struct {
	ladder
	prediction string
	// derivatives are the last ones, newest first.
	derivatives [][]float32
}

func (s *lmsStepper) step(latents, output []float32, call int, _ Source) error {
	sigma := s.sigma(call)
	derivative := make([]float32, len(latents))
	denoised(derivative, latents, output, sigma, s.prediction)
	for i, x := range latents {
		derivative[i] = (x - derivative[i]) / sigma
	}
	s.derivatives = append([][]float32{derivative}, s.derivatives[:min(len(s.derivatives), lmsOrder-1)]...)

	at := s.base + call
	order := min(at+1, lmsOrder)
	move := make([]float32, len(latents))
	// Started part way, there are fewer derivatives than factors.
	for k, d := range s.derivatives[:min(order, len(s.derivatives))] {
		factor := float32(s.factor(at, order, k))
		for i := range move {
			move[i] += float32(factor * d[i])
		}
	}
	for i := range latents {
		latents[i] += move[i]
	}
	return nil
}

// factor integrates, from sigmas[at] to the next, the Lagrange polynomial that
// is 1 at the k-th of the last order sigmas and 0 at the others. The polynomial
// is evaluated in float32, and with very many steps, where neighbouring sigmas
// differ in their last digits only, its rounding counts: so the points are
// those at which diffusers' integration evaluates it.
func (s *lmsStepper) factor(at, order, k int) float64 {
	return integrate(func(tau float64) float64 {
		product := float32(1)
		for j := range order {
			if j != k {
				root := s.sigmas[at-j]
				product *= (float32(tau) - root) / (s.sigmas[at-k] - root)
			}
		}
		return float64(product)
	}, float64(s.sigmas[at]), float64(s.sigmas[at+1]))
}
