package diffusion

import "fmt"

// ddim is diffusers' DDIMScheduler: "Denoising Diffusion Implicit Models",
// arXiv 2010.02502, formula 12.
type ddim struct {
	schedule
	spacing
	finalAlpha float32
	prediction string
	clip       clipping
	eta        float64
}

func readDDIM(p *params, eta float64) scheduler {
	d := &ddim{eta: eta}
	var betas []float32
	d.schedule, betas = readSchedule(p, 0.0001, 0.02)
	d.setBetas(betas, p.flag("rescale_betas_zero_snr", false))
	d.finalAlpha = 1
	if !p.flag("set_alpha_to_one", true) && len(d.alphas) > 0 {
		d.finalAlpha = d.alphas[0]
	}
	d.spacing = readSpacing(p, "leading")
	d.prediction = p.text("prediction_type", "epsilon")
	d.clip = readClipping(p, true)
	return d
}

func (d *ddim) plan(steps int, from start) (*plan, error) {
	if steps > d.trainSteps {
		return nil, fmt.Errorf("more steps than num_train_timesteps, %d", d.trainSteps)
	}
	if err := oneOf(d.prediction, "epsilon", "sample", "v_prediction"); err != nil {
		return nil, err
	}
	times := toInts(rounded(d.descending(d.trainSteps, steps)))[from.skip:]
	var calls []ddimCall
	for _, t := range times {
		c, err := d.call(t, t-d.trainSteps/steps)
		if err != nil {
			return nil, err
		}
		calls = append(calls, c)
	}
	return &plan{
		timesteps:  intsToFloat32(times),
		initSigma:  1,
		mix:        func(call int) (float32, float32) { return calls[call].rootAlpha, calls[call].rootBeta },
		stochastic: d.eta > 0,
		stepper:    func() stepper { return &ddimStepper{ddim: d, calls: calls} },
	}, nil
}

// ddimCall holds the factors of one step.
type ddimCall struct {
	rootAlpha, rootBeta            float32
	rootPrevious, direction, fresh float32
}

func (d *ddim) call(t, previous int) (ddimCall, error) {
	alpha, err := d.at(t)
	if err != nil {
		return ddimCall{}, err
	}
	alphaPrevious := d.finalAlpha
	if previous >= 0 {
		if alphaPrevious, err = d.at(previous); err != nil {
			return ddimCall{}, err
		}
	}
	beta := 1 - alpha
	variance := float32((1-alphaPrevious)/beta) * (1 - alpha/alphaPrevious)
	deviation := float32(d.eta) * sqrt32(variance)
	return ddimCall{
		rootAlpha:    sqrt32(alpha),
		rootBeta:     sqrt32(beta),
		rootPrevious: sqrt32(alphaPrevious),
		direction:    sqrt32(1 - alphaPrevious - float32(deviation*deviation)),
		fresh:        deviation,
	}, nil
}

type ddimStepper struct {
	*ddim
	calls []ddimCall
}

func (s *ddimStepper) step(latents, output []float32, call int, noise Source) error {
	c := s.calls[call]
	image, epsilon := make([]float32, len(latents)), output
	switch s.prediction {
	case "epsilon":
		for i, x := range latents {
			image[i] = (x - float32(c.rootBeta*output[i])) / c.rootAlpha
		}
	case "sample":
		copy(image, output)
		epsilon = make([]float32, len(latents))
		for i, x := range latents {
			epsilon[i] = (x - float32(c.rootAlpha*output[i])) / c.rootBeta
		}
	case "v_prediction":
		epsilon = make([]float32, len(latents))
		for i, x := range latents {
			image[i] = float32(c.rootAlpha*x) - float32(c.rootBeta*output[i])
			epsilon[i] = float32(c.rootAlpha*output[i]) + float32(c.rootBeta*x)
		}
	}
	s.clip.apply(image)
	for i := range latents {
		latents[i] = float32(c.rootPrevious*image[i]) + float32(c.direction*epsilon[i])
	}
	if s.eta > 0 {
		addFresh(latents, c.fresh, noise)
	}
	return nil
}
