package diffusion

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// unipc is diffusers' UniPCMultistepScheduler: "UniPC: A Unified
// Predictor-Corrector Framework for Fast Sampling of Diffusion Models",
// arXiv 2302.04867.
type unipc struct {
	schedule
	spacing
	respacing
	solver
	prediction           string
	clip                 clipping
	zeroAtEnd            bool
	ofImage, lowerOrder  bool
	uncorrected          []int
	dynamicShift, nested bool
	terminal             *float64
}

func readUniPC(p *params) scheduler {
	u := &unipc{respacing: readRespacing(p)}
	var betas []float32
	u.schedule, betas = readSchedule(p, 0.0001, 0.02)
	zeroSNR := p.flag("rescale_betas_zero_snr", false)
	u.setBetas(betas, zeroSNR)
	if zeroSNR {
		u.avoidZero()
	}
	u.spacing = readSpacing(p, "linspace")
	u.solver = solver{
		variant: p.text("solver_type", "bh2"),
		order:   p.integer("solver_order", 2),
		flow:    p.flag("use_flow_sigmas", false),
		shift:   p.finite("flow_shift", 1),
	}
	u.prediction = p.text("prediction_type", "epsilon")
	u.clip = readThreshold(p)
	u.zeroAtEnd = readFinalSigma(p)
	u.ofImage = p.flag("predict_x0", true)
	u.lowerOrder = p.flag("lower_order_final", true)
	u.uncorrected = p.ints("disable_corrector")
	u.dynamicShift = p.flag("use_dynamic_shifting", false)
	u.nested = p.values["solver_p"] != nil
	u.terminal = p.optionalFloat("shift_terminal")
	if u.terminal != nil && !u.flow {
		p.fail("shift_terminal: only with use_flow_sigmas")
	}
	if slices.Contains([]string{"midpoint", "heun", "logrho"}, u.variant) {
		u.variant = "bh2"
	} else if u.variant != "bh1" && u.variant != "bh2" {
		p.fail("solver_type %q: expected bh1 or bh2", u.variant)
	}
	return u
}

func (u *unipc) plan(steps int, from start) (*plan, error) {
	known := []string{"epsilon", "sample", "v_prediction", "flow_prediction"}
	if !u.ofImage {
		known = known[:3]
	}
	if err := oneOf(u.prediction, known...); err != nil {
		return nil, err
	}
	if err := checkOrder(u.order); err != nil {
		return nil, err
	}
	if u.dynamicShift {
		return nil, errors.New("scheduler config: use_dynamic_shifting is not supported: it needs a shift that the pipelines of Stable Diffusion don't pass")
	}
	times, sigmas := u.levelsOf(steps)
	l, err := newLadder(toFloat32(cut(times)), toFloat32(sigmas), 1, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps: l.timesteps,
		initSigma: 1,
		mix:       func(call int) (float32, float32) { return u.alphaSigma(l.sigma(call)) },
		stepper:   func() stepper { return &unipcStepper{ladder: l, unipc: u, count: len(times)} },
	}, nil
}

// levelsOf returns the timesteps of all steps, and their sigmas and a last one.
func (u *unipc) levelsOf(steps int) (times, sigmas []float64) {
	table := u.sigmas()
	low, high := float64(table[0]), float64(table[len(table)-1])
	switch {
	case u.karras:
		sigmas = u.levels(high, low, steps)
		if !u.flow {
			times = rounded(timesteps(sigmas, table))
			break
		}
		for i, s := range sigmas {
			sigmas[i] = s / (s + 1)
			times = append(times, sigmas[i]*float64(u.trainSteps))
		}
	case u.on():
		sigmas = u.levels(high, low, steps)
		times = timesteps(sigmas, table)
	case u.flow:
		sigmas = u.flowSigmas(steps)
		for _, s := range sigmas {
			times = append(times, s*float64(u.trainSteps))
		}
	default:
		times = u.multistep(u.trainSteps, u.trainSteps, steps)
		for _, t := range times {
			sigmas = append(sigmas, interpolate(table, t))
		}
		if u.zeroAtEnd {
			return times, append(sigmas, 0)
		}
		return times, append(sigmas, low)
	}
	// Unlike the plain sigmas, these end at their own last.
	if u.zeroAtEnd {
		return times, append(sigmas, 0)
	}
	return times, append(sigmas, sigmas[len(sigmas)-1])
}

func (u *unipc) flowSigmas(steps int) []float64 {
	sigmas := linspace(1, 1/float64(u.trainSteps), steps+1)[:steps]
	for i, s := range sigmas {
		sigmas[i] = u.bend(s)
	}
	if u.terminal != nil && *u.terminal != 0 {
		scale := (1 - sigmas[steps-1]) / (1 - *u.terminal)
		for i, s := range sigmas {
			sigmas[i] = 1 - (1-s)/scale
		}
	}
	const tiny = 1e-6
	if math.Abs(sigmas[0]-1) < tiny {
		sigmas[0] -= tiny
	}
	return sigmas
}

type unipcStepper struct {
	ladder
	*unipc
	count int
	// models are past predictions, newest first.
	models [][]float32
	// latents are those the last prediction started from, and order its order.
	latents []float32
	order   int
	// taken counts the steps up to the solver's order.
	taken int
}

func (s *unipcStepper) step(latents, output []float32, call int, _ Source) error {
	at := s.base + call
	model := s.convert(latents, output, s.sigma(call))
	if at > 0 && s.latents != nil && !slices.Contains(s.uncorrected, at-1) {
		if err := s.update(latents, s.latents, at-1, s.order, model); err != nil {
			return err
		}
	}
	s.models = append([][]float32{model}, s.models[:min(len(s.models), s.solver.order-1)]...)
	order := s.solver.order
	if s.lowerOrder {
		order = min(order, s.count-at)
	}
	s.order = min(order, s.taken+1)
	s.latents = append(s.latents[:0], latents...)
	if s.taken < s.solver.order {
		s.taken++
	}
	return s.update(latents, s.latents, at, s.order, nil)
}

// convert returns the image, or the noise, that the network's output predicts.
func (s *unipcStepper) convert(latents, output []float32, level float32) []float32 {
	alpha, sigma := s.alphaSigma(level)
	if s.ofImage {
		return toImage(latents, output, alpha, sigma, level, s.prediction, s.clip)
	}
	out := append([]float32(nil), output...)
	switch s.prediction {
	case "sample":
		for i, x := range latents {
			out[i] = (x - float32(alpha*output[i])) / sigma
		}
	case "v_prediction":
		for i, x := range latents {
			out[i] = float32(alpha*output[i]) + float32(sigma*x)
		}
	}
	return out
}

// update sets latents to the step from sample at sigmas[at] to the next sigma.
// With a prediction there, ahead, it corrects that step; without, it predicts.
func (s *unipcStepper) update(latents, sample []float32, at, order int, ahead []float32) error {
	if order > at+1 {
		return fmt.Errorf("order %d at step %d", order, at)
	}
	t, s0 := s.point(s.sigmas[at+1]), s.point(s.sigmas[at])
	h := t.lambda - s0.lambda
	hh := h
	if s.ofImage {
		hh = -h
	}
	// Ratios of the past steps' lengths to this one's, and 1 for this one.
	ratios := make([]float32, 0, order)
	for i := 1; i < order; i++ {
		ratios = append(ratios, (s.point(s.sigmas[at-i]).lambda-s0.lambda)/h)
	}
	ratios = append(ratios, 1)
	phi := expm132(hh)
	scale := phi
	if s.variant == "bh1" {
		scale = hh
	}
	weights := unipcWeights(ratios, hh, scale, ahead == nil)

	signal, keep := t.alpha, t.sigma/s0.sigma
	if !s.ofImage {
		signal, keep = t.sigma, t.alpha/s0.alpha
	}
	newest := s.models[0]
	shrink, reach := signal*phi, signal*scale
	for i, x := range sample {
		var difference float32
		for k := 0; k < order-1; k++ {
			difference += float32(weights[k] * ((s.models[k+1][i] - newest[i]) / ratios[k]))
		}
		if ahead != nil {
			difference += float32(weights[order-1] * (ahead[i] - newest[i]))
		}
		latents[i] = float32(keep*x) - float32(shrink*newest[i]) - float32(reach*difference)
	}
	return nil
}

// unipcWeights solves for the weights of the differences: the paper's rho.
func unipcWeights(ratios []float32, hh, scale float32, predict bool) []float32 {
	n := len(ratios)
	right := make([]float64, n)
	phi := expm132(hh)/hh - 1
	factorial := 1.0
	for i := range n {
		right[i] = float64(float32(phi*float32(factorial)) / scale)
		factorial *= float64(i + 2)
		phi = phi/hh - float32(1/factorial)
	}
	size := n
	if predict {
		// The step ahead isn't known; of order 2, the paper's simple choice.
		size--
		if n == 2 {
			return []float32{0.5}
		}
	} else if n == 1 {
		return []float32{0.5}
	}
	matrix := make([]float64, size*size)
	for row := range size {
		for col := range size {
			matrix[row*size+col] = float64(float32(math.Pow(float64(ratios[col]), float64(row))))
		}
	}
	weights := solve(matrix, right[:size])
	return toFloat32(weights)
}
