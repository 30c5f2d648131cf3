package diffusion

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// dpm is diffusers' DPMSolverMultistepScheduler: DPM-Solver, arXiv 2206.00927,
// and DPM-Solver++, arXiv 2211.01095, of orders 1 to 3, and their stochastic
// variants.
type dpm struct {
	schedule
	spacing
	respacing
	solver
	prediction        string
	clip              clipping
	zeroAtEnd, lu     bool
	lowestLambda      float64
	varianceType      string
	euler, lowerOrder bool
}

// solver are the settings that choose among the formulas.
type solver struct {
	algorithm, variant string
	order              int
	// flow says that sigma is the share of noise itself, not its ratio to the
	// image; shift bends the flow's timesteps.
	flow  bool
	shift float64
}

// ofImage says that the formulas go by the predicted image, not the noise.
func (s solver) ofImage() bool {
	return s.algorithm == "dpmsolver++" || s.algorithm == "sde-dpmsolver++"
}
func (s solver) stochastic() bool {
	return s.algorithm == "sde-dpmsolver" || s.algorithm == "sde-dpmsolver++"
}

func readDPM(p *params) scheduler {
	d := &dpm{respacing: readRespacing(p)}
	var betas []float32
	d.schedule, betas = readSchedule(p, 0.0001, 0.02)
	zeroSNR := p.flag("rescale_betas_zero_snr", false)
	d.setBetas(betas, zeroSNR)
	if zeroSNR {
		d.avoidZero()
	}
	d.spacing = readSpacing(p, "linspace")
	d.solver = solver{
		algorithm: p.text("algorithm_type", "dpmsolver++"),
		variant:   p.text("solver_type", "midpoint"),
		order:     p.integer("solver_order", 2),
		flow:      p.flag("use_flow_sigmas", false),
		shift:     p.finite("flow_shift", 1),
	}
	d.prediction = p.text("prediction_type", "epsilon")
	d.clip = readThreshold(p)
	d.zeroAtEnd = readFinalSigma(p)
	d.lu = p.flag("use_lu_lambdas", false)
	d.lowestLambda = p.float("lambda_min_clipped", math.Inf(-1))
	d.varianceType = p.text("variance_type", "")
	d.lowerOrder = p.flag("lower_order_final", true)
	d.euler = p.flag("euler_at_final", false)

	// Diffusers asks this before it takes deis for dpmsolver++.
	if !d.ofImage() && d.zeroAtEnd {
		p.fail("final_sigmas_type zero: algorithm_type %s needs sigma_min", d.algorithm)
	}
	if d.algorithm == "deis" {
		d.algorithm = "dpmsolver++"
	} else if !slices.Contains([]string{"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"}, d.algorithm) {
		p.fail("algorithm_type %q: expected dpmsolver, dpmsolver++, sde-dpmsolver or sde-dpmsolver++", d.algorithm)
	}
	if slices.Contains([]string{"logrho", "bh1", "bh2"}, d.variant) {
		d.variant = "midpoint"
	} else if d.variant != "midpoint" && d.variant != "heun" {
		p.fail("solver_type %q: expected midpoint or heun", d.variant)
	}
	return d
}

func (d *dpm) plan(steps int, from start) (*plan, error) {
	known := []string{"epsilon", "sample", "v_prediction", "flow_prediction"}
	if !d.ofImage() {
		known = known[:3]
	}
	if err := oneOf(d.prediction, known...); err != nil {
		return nil, err
	}
	if err := checkOrder(d.order); err != nil {
		return nil, err
	}
	if d.varianceType == "learned" || d.varianceType == "learned_range" {
		return nil, fmt.Errorf("scheduler config: variance_type %q is not supported: a network that also predicts its variance", d.varianceType)
	}
	times, levels := d.levelsOf(steps)
	last := float64(d.sigmas()[0])
	if d.zeroAtEnd {
		last = 0
	}
	l, err := newLadder(toFloat32(cut(times)), toFloat32(append(levels, last)), 1, from)
	if err != nil {
		return nil, err
	}
	return &plan{
		timesteps:  l.timesteps,
		initSigma:  1,
		mix:        func(call int) (float32, float32) { return d.alphaSigma(l.sigma(call)) },
		stochastic: d.solver.stochastic(),
		stepper:    func() stepper { return &dpmStepper{ladder: l, dpm: d, count: len(times)} },
	}, nil
}

func checkOrder(order int) error {
	if order < 1 || order > 100 {
		return fmt.Errorf("scheduler config: solver_order %d: expected a positive integer", order)
	}
	return nil
}

// levelsOf returns the timesteps and the sigmas of all steps.
func (d *dpm) levelsOf(steps int) (times, levels []float64) {
	table := d.sigmas()
	low, high := float64(table[0]), float64(table[len(table)-1])
	switch {
	case d.karras:
		levels = d.levels(high, low, steps)
		times = timesteps(levels, table)
	case d.lu:
		levels = linspace(0, 1, steps)
		top, bottom := float64(log32(table[len(table)-1])), float64(log32(table[0]))
		for i, ramp := range levels {
			levels[i] = math.Exp(top + float64(ramp*(bottom-top)))
		}
		times = timesteps(levels, table)
	case d.on():
		levels = d.levels(high, low, steps)
		return timesteps(levels, table), levels
	case d.flow:
		for _, alpha := range linspace(1, 1/float64(d.trainSteps), steps+1)[1:] {
			levels = append(levels, d.bend(1-alpha))
		}
		levels = reversed(levels)
		for _, s := range levels {
			times = append(times, s*float64(d.trainSteps))
		}
		return times, levels
	default:
		times = d.multistep(d.trainSteps, d.lastTimestep(), steps)
		for _, t := range times {
			levels = append(levels, interpolate(table, t))
		}
		return times, levels
	}
	if d.curve != "squaredcos_cap_v2" {
		rounded(times)
	}
	return times, levels
}

// bend shifts a flow's sigma towards noise.
func (s solver) bend(sigma float64) float64 {
	return s.shift * sigma / (1 + (s.shift-1)*sigma)
}

// lastTimestep is how many timesteps there are whose log signal-to-noise ratio
// is above lambda_min_clipped.
func (d *dpm) lastTimestep() int {
	n := len(d.alphas)
	clipped := sort.Search(n, func(i int) bool {
		a := d.alphas[n-1-i]
		lambda := ln32(sqrt32(a)) - ln32(sqrt32(1-a))
		return lambda >= float32(d.lowestLambda)
	})
	return d.trainSteps - clipped
}

// cut drops fractions, as the conversion to an integer tensor does.
func cut(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Trunc(v)
	}
	return out
}

// alphaSigma splits a noise level into the factors of image and noise.
func (s solver) alphaSigma(sigma float32) (alpha, amount float32) {
	if s.flow {
		return 1 - sigma, sigma
	}
	alpha = 1 / sqrt32(float32(sigma*sigma)+1)
	return alpha, sigma * alpha
}

// point is a noise level in the terms of the formulas.
type point struct{ alpha, sigma, lambda float32 }

func (s solver) point(level float32) point {
	alpha, sigma := s.alphaSigma(level)
	return point{alpha, sigma, ln32(alpha) - ln32(sigma)}
}

type dpmStepper struct {
	ladder
	*dpm
	// count is how many timesteps there are, left out ones included.
	count int
	// models are past predictions, newest first.
	models [][]float32
}

func (s *dpmStepper) step(latents, output []float32, call int, noise Source) error {
	at := s.base + call
	last := at == s.count-1 && (s.euler || s.lowerOrder && s.count < 15 || s.zeroAtEnd)
	second := at == s.count-2 && s.lowerOrder && s.count < 15
	past := len(s.models)
	s.models = append([][]float32{s.convert(latents, output, s.sigma(call))}, s.models[:min(past, s.order-1)]...)

	var fresh []float32
	if s.solver.stochastic() {
		fresh = make([]float32, len(latents))
		noise.Normal(fresh)
	}
	var f factors
	switch {
	case s.order == 1 || past < 1 || last:
		f = s.first(s.point(s.sigmas[at+1]), s.point(s.sigmas[at]))
	case s.order == 2 || past < 2 || second:
		f = s.second(s.point(s.sigmas[at+1]), s.point(s.sigmas[at]), s.point(s.sigmas[at-1]))
	default:
		if s.algorithm == "sde-dpmsolver" {
			return errors.New("scheduler config: solver_order 3 has no formula for algorithm_type sde-dpmsolver")
		}
		f = s.third(s.point(s.sigmas[at+1]), s.point(s.sigmas[at]), s.point(s.sigmas[at-1]), s.point(s.sigmas[at-2]))
	}
	f.apply(latents, s.models, fresh)
	return nil
}

// convert returns the image, or the noise, that the network's output predicts.
func (s *dpmStepper) convert(latents, output []float32, level float32) []float32 {
	alpha, sigma := s.alphaSigma(level)
	if s.ofImage() {
		return toImage(latents, output, alpha, sigma, level, s.prediction, s.clip)
	}
	out := make([]float32, len(latents))
	copy(out, output)
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
	if s.clip.threshold {
		image := make([]float32, len(latents))
		for i, x := range latents {
			image[i] = (x - float32(sigma*out[i])) / alpha
		}
		s.clip.apply(image)
		for i, x := range latents {
			out[i] = (x - float32(alpha*image[i])) / sigma
		}
	}
	return out
}

// toImage is the image that the network's output predicts, bounded.
func toImage(latents, output []float32, alpha, sigma, level float32, prediction string, clip clipping) []float32 {
	image := make([]float32, len(latents))
	predictImage(image, latents, output, alpha, sigma, level, prediction)
	clip.apply(image)
	return image
}
