package diffusion

import "fmt"

// pndm is diffusers' PNDMScheduler: "Pseudo Numerical Methods for Diffusion
// Models on Manifolds", arXiv 2202.09778. With skip_prk_steps, as the base
// models have it, the linear multistep method starts by itself and repeats the
// second timestep; without, three steps of Runge-Kutta, four calls each, go first.
type pndm struct {
	schedule
	spacing
	skipPRK    bool
	finalAlpha float32
	prediction string
}

const (
	pndmOrder = 4
	prkCalls  = 12
)

func readPNDM(p *params) scheduler {
	n := &pndm{skipPRK: p.flag("skip_prk_steps", false), finalAlpha: 1}
	var betas []float32
	n.schedule, betas = readSchedule(p, 0.0001, 0.02)
	n.setBetas(betas, false)
	if !p.flag("set_alpha_to_one", false) && len(n.alphas) > 0 {
		n.finalAlpha = n.alphas[0]
	}
	n.spacing = readSpacing(p, "leading")
	n.prediction = p.text("prediction_type", "epsilon")
	return n
}

func (n *pndm) plan(steps int, from start) (*plan, error) {
	if err := oneOf(n.prediction, "epsilon", "v_prediction"); err != nil {
		return nil, err
	}
	times := toInts(rounded(n.descending(n.trainSteps, steps)))
	ratio := n.trainSteps / steps
	var prk []int
	switch {
	case n.skipPRK && len(times) > 1:
		times = append([]int{times[0], times[1]}, times[1:]...)
	case !n.skipPRK:
		if len(times) < pndmOrder {
			return nil, fmt.Errorf("fewer than %d timesteps, the Runge-Kutta steps' (skip_prk_steps is false)", pndmOrder)
		}
		for i := range pndmOrder - 1 {
			a, b := times[i], times[i+1]
			prk = append(prk, a, b+ratio/2, b+ratio/2, b)
		}
		times = append(prk[:prkCalls:prkCalls], times[pndmOrder-1:]...)
	}
	if from.skip >= len(times) {
		return nil, fmt.Errorf("%d timesteps, and the first %d are left out", len(times), from.skip)
	}
	times = times[from.skip:]
	var calls []pndmCall
	for i, t := range times {
		c, err := n.call(i, t, ratio, prk)
		if err != nil {
			return nil, err
		}
		calls = append(calls, c)
	}
	return &plan{
		timesteps: intsToFloat32(times),
		initSigma: 1,
		mix: func(call int) (float32, float32) {
			alpha := calls[call].alpha
			return sqrt32(alpha), sqrt32(1 - alpha)
		},
		stepper: func() stepper { return &pndmStepper{pndm: n, calls: calls, runge: len(prk)} },
	}, nil
}

// pndmCall holds the factors of one call's move.
type pndmCall struct {
	alpha                 float32 // at the call's own timestep
	rootAlpha, rootBeta   float32 // at the timestep that is stepped from
	sample, output, under float32
}

func (n *pndm) call(i, t, ratio int, prk []int) (pndmCall, error) {
	var c pndmCall
	var err error
	if c.alpha, err = n.at(t); err != nil {
		return c, err
	}
	from, to := t, t-ratio
	switch {
	case i < len(prk):
		from, to = prk[i/4*4], t
		if i%2 == 0 {
			to -= ratio / 2
		}
	case i == 1:
		// The repeated timestep: the first step is taken again.
		from, to = t+ratio, t
	}
	alpha, err := n.at(from)
	if err != nil {
		return c, err
	}
	previous := n.finalAlpha
	if to >= 0 {
		if previous, err = n.at(to); err != nil {
			return c, err
		}
	}
	beta, betaPrevious := 1-alpha, 1-previous
	c.rootAlpha, c.rootBeta = sqrt32(alpha), sqrt32(beta)
	// Formula 9.
	c.sample = sqrt32(previous / alpha)
	c.output = previous - alpha
	c.under = float32(alpha*sqrt32(betaPrevious)) + sqrt32(float32(alpha*beta)*previous)
	return c, nil
}

type pndmStepper struct {
	*pndm
	calls []pndmCall
	runge int
	// outputs are the last ones, newest first.
	outputs [][]float32
	// latents are those at the start of the step that several calls make.
	latents []float32
	// mixed is the weighted sum of outputs of the Runge-Kutta step.
	mixed []float32
}

func (s *pndmStepper) step(latents, output []float32, call int, _ Source) error {
	kept := append([]float32(nil), output...)
	if call < s.runge {
		s.rungeKutta(latents, kept, call)
		return nil
	}
	if call != 1 || s.runge > 0 {
		s.keep(kept, pndmOrder)
	}
	sample := latents
	mixed := kept
	switch past := s.outputs; {
	case len(past) == 1 && call == 0:
		s.latents = append([]float32(nil), latents...)
	case len(past) == 1 && call == 1:
		mixed = make([]float32, len(kept))
		for i, o := range kept {
			mixed[i] = (o + past[0][i]) / 2
		}
		sample = s.latents
		s.latents = nil
	case len(past) == 2:
		mixed = make([]float32, len(kept))
		for i := range mixed {
			mixed[i] = (float32(3*past[0][i]) - past[1][i]) / 2
		}
	case len(past) == 3:
		mixed = make([]float32, len(kept))
		for i := range mixed {
			mixed[i] = (float32(23*past[0][i]) - float32(16*past[1][i]) + float32(5*past[2][i])) / 12
		}
	default:
		mixed = make([]float32, len(kept))
		for i := range mixed {
			mixed[i] = float32(1.0/24) * (float32(55*past[0][i]) - float32(59*past[1][i]) + float32(37*past[2][i]) - float32(9*past[3][i]))
		}
	}
	s.move(latents, sample, mixed, call)
	return nil
}

// rungeKutta makes a call of the classical method: two at the middle, and the
// outputs weighted 1, 2, 2, 1.
func (s *pndmStepper) rungeKutta(latents, output []float32, call int) {
	weight := float32(1.0 / 3)
	switch call % 4 {
	case 0:
		weight = float32(1.0 / 6)
		s.keep(output, pndmOrder)
		s.latents = append([]float32(nil), latents...)
		s.mixed = make([]float32, len(output))
	case 3:
		weight = float32(1.0 / 6)
	}
	for i, o := range output {
		s.mixed[i] += float32(weight * o)
	}
	if call%4 == 3 {
		output = s.mixed
	}
	s.move(latents, s.latents, output, call)
}

func (s *pndmStepper) keep(output []float32, n int) {
	s.outputs = append([][]float32{output}, s.outputs[:min(len(s.outputs), n-1)]...)
}

// move sets latents to where sample goes along an output.
func (s *pndmStepper) move(latents, sample, output []float32, call int) {
	c := s.calls[call]
	for i, x := range sample {
		o := output[i]
		if s.prediction == "v_prediction" {
			o = float32(c.rootAlpha*o) + float32(c.rootBeta*x)
		}
		latents[i] = float32(c.sample*x) - float32(c.output*o)/c.under
	}
}
