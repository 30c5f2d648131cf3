package diffusion

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sampler takes one image's latents from noise to image. A call is one run of
// the network; calls are numbered from 0 and taken in order. It keeps what it
// needs of past calls, so each image has its own.
//
// For every call: ScaleInput, the network at Timesteps()[call], Step.
type Sampler interface {
	// Timesteps returns the network's timestep of each call. PNDM repeats one,
	// Heun takes two calls a step, Karras sigmas give fractions.
	Timesteps() []float32
	// InitNoiseSigma is what the initial noise is multiplied by.
	InitNoiseSigma() float32
	// ScaleInput sets dst to the network's input for a call. dst may be latents.
	ScaleInput(dst, latents []float32, call int)
	// AddNoise sets dst to original with as much noise as latents have at a call,
	// for starting from an image. dst may be either of the others.
	AddNoise(dst, original, noise []float32, call int)
	// Step updates latents in place from the network's output after guidance.
	// It draws from noise only where diffusers draws; see Stochastic. It fails
	// where a call is out of order, lengths differ, or a number is not finite.
	Step(latents, output []float32, call int, noise Source) error
	// Predict sets dst to the clean latents that the network's output at a call
	// predicts; input is what ScaleInput gave. It clips nothing, and changes nothing
	// of the sampler, so it may be asked for any call at any time. dst may be
	// either of the others.
	Predict(dst, input, output []float32, call int)
	// Stochastic reports whether Step draws noise.
	Stochastic() bool
}

// Pipeline names the diffusers pipeline whose denoising loop is followed.
type Pipeline int

const (
	// StableDiffusion sets steps_offset to 1 and clip_sample to false where the
	// file says otherwise, and starts at the second of equal first timesteps.
	StableDiffusion Pipeline = iota
	// StableDiffusionXL takes the file as it is.
	StableDiffusionXL
)

// Options are a request's settings beside sampler and steps.
type Options struct {
	Pipeline Pipeline
	// Eta is the share of fresh noise in every step of ddim: 0 none, 1 as much as DDPM.
	Eta float64
	// Strength above 0 and up to 1 starts part way, as image-to-image does, and
	// leaves out that many of the first steps: latents then come from AddNoise.
	// 0 is text to image.
	Strength float64
}

// maxSteps bounds the steps of a sampler; diffusers' ddim alone sets one.
const maxSteps = 10_000

// scheduler is a class of diffusers set up from a config.
type scheduler interface {
	// plan lays out the calls of an image.
	plan(steps int, from start) (*plan, error)
}

// start is where in the steps an image begins.
type start struct {
	// skip is how many first steps are left out.
	skip int
	// known says that the pipeline tells the scheduler so; else the scheduler
	// looks for the first timestep, and takes the second of equal ones.
	known bool
}

// plan is a sampler's constant part.
type plan struct {
	timesteps []float32
	// initSigma is InitNoiseSigma.
	initSigma float32
	// divisors are what the latents are divided by for the network; nil: nothing.
	divisors []float32
	// mix returns the factors of image and noise at a call.
	mix        func(call int) (signal, noise float32)
	stochastic bool
	// prediction is what the network's output means, as the config says it.
	prediction string
	// stepper makes an image's state.
	stepper func() stepper
}

// stepper is a sampler's method and its memory.
type stepper interface {
	// step updates latents; output may be kept and is not changed.
	step(latents, output []float32, call int, noise Source) error
}

// method is a name that users choose.
type method struct {
	name, class string
	karras      bool
}

var methods = []method{
	{"ddim", "DDIMScheduler", false},
	{"pndm", "PNDMScheduler", false},
	{"lms", "LMSDiscreteScheduler", false},
	{"euler", "EulerDiscreteScheduler", false},
	{"euler_a", "EulerAncestralDiscreteScheduler", false},
	{"dpm", "DPMSolverMultistepScheduler", false},
	{"dpm_karras", "DPMSolverMultistepScheduler", true},
	{"unipc", "UniPCMultistepScheduler", false},
	{"heun", "HeunDiscreteScheduler", false},
}

// Names returns the samplers, in the order in which lists show them.
func Names() []string {
	out := make([]string, len(methods))
	for i, m := range methods {
		out[i] = m.name
	}
	return out
}

// New sets up a sampler as diffusers' <class>.from_config does from the config
// of the model's own scheduler. It fails, naming the key, on settings that
// change the result and are not supported, and on those at which diffusers
// fails or computes numbers that are not finite.
func New(name string, cfg Config, steps int, opt Options) (Sampler, error) {
	i := slices.IndexFunc(methods, func(m method) bool { return m.name == name })
	if i < 0 {
		return nil, fmt.Errorf("unknown sampler %q: expected one of %s", name, strings.Join(Names(), ", "))
	}
	m := methods[i]
	if steps < 1 || steps > maxSteps {
		return nil, fmt.Errorf("steps %d: expected 1 to %d", steps, maxSteps)
	}
	if err := checkOptions(name, opt); err != nil {
		return nil, err
	}
	pl, err := m.plan(cfg, steps, opt)
	if err != nil {
		return nil, fmt.Errorf("sampler %s, %d steps: %w", name, steps, err)
	}
	return &run{name: name, plan: pl, stepper: pl.stepper()}, nil
}

func checkOptions(name string, opt Options) error {
	switch {
	case math.IsNaN(opt.Eta) || math.IsInf(opt.Eta, 0) || opt.Eta < 0:
		return fmt.Errorf("eta %v: expected a number from 0 on", opt.Eta)
	case opt.Eta != 0 && name != "ddim":
		return fmt.Errorf("eta %v: only the sampler ddim takes it, not %s", opt.Eta, name)
	case !(opt.Strength >= 0 && opt.Strength <= 1):
		return fmt.Errorf("strength %v: expected a number from 0 to 1", opt.Strength)
	}
	return nil
}

func (m method) plan(cfg Config, steps int, opt Options) (*plan, error) {
	values, err := cfg.loaded(opt.Pipeline)
	if err != nil {
		return nil, err
	}
	p := &params{class: m.class, values: values}
	if m.karras {
		p.values["use_karras_sigmas"] = true
	}
	s := read(p, opt.Eta)
	if p.err != nil {
		return nil, p.err
	}
	from := start{known: opt.Pipeline == StableDiffusionXL}
	if opt.Strength > 0 {
		from = start{skip: steps - int(float64(steps)*opt.Strength), known: true}
	}
	if from.skip >= steps {
		return nil, fmt.Errorf("strength %v leaves no step to take", opt.Strength)
	}
	pl, err := s.plan(steps, from)
	if err != nil {
		return nil, err
	}
	pl.prediction = p.text("prediction_type", "epsilon")
	return pl, pl.rehearse()
}

// read sets up the scheduler of p's class, nil for a class that is none of ours.
func read(p *params, eta float64) scheduler {
	switch p.class {
	case "DDIMScheduler":
		return readDDIM(p, eta)
	case "PNDMScheduler":
		return readPNDM(p)
	case "LMSDiscreteScheduler":
		return readLMS(p)
	case "EulerDiscreteScheduler":
		return readEuler(p)
	case "EulerAncestralDiscreteScheduler":
		return readEulerAncestral(p)
	case "DPMSolverMultistepScheduler":
		return readDPM(p)
	case "UniPCMultistepScheduler":
		return readUniPC(p)
	case "HeunDiscreteScheduler":
		return readHeun(p)
	}
	return nil
}

// rehearse runs the calls on a single value and fails where a factor is not
// finite: from there on diffusers' latents are lost, whatever the image.
func (pl *plan) rehearse() error {
	if len(pl.timesteps) == 0 {
		return errors.New("the noise schedule leaves no timestep")
	}
	for call, t := range pl.timesteps {
		if !finite(t) {
			return fmt.Errorf("the timestep of call %d is not finite", call)
		}
	}
	if !finite(pl.initSigma) {
		return fmt.Errorf("the initial noise is multiplied by %v", pl.initSigma)
	}
	s := pl.stepper()
	for call, t := range pl.timesteps {
		latents := []float32{0}
		if err := s.step(latents, []float32{1}, call, silence{}); err != nil {
			return err
		}
		if !finite(latents[0]) || pl.divisors != nil && !finite(pl.divisors[call]) {
			return fmt.Errorf("at timestep %v (call %d of %d) the noise schedule gives a division by zero or an overflow", t, call+1, len(pl.timesteps))
		}
	}
	return nil
}

// silence is a Source of zeros.
type silence struct{}

func (silence) Normal(dst []float32) { clear(dst) }

// run is the Sampler: a plan, a memory, and the checks in front of them.
type run struct {
	name string
	*plan
	stepper stepper
	next    int
}

func (r *run) Timesteps() []float32    { return r.timesteps }
func (r *run) InitNoiseSigma() float32 { return r.initSigma }
func (r *run) Stochastic() bool        { return r.stochastic }

func (r *run) ScaleInput(dst, latents []float32, call int) {
	if r.divisors == nil {
		copy(dst, latents)
		return
	}
	d := r.divisors[call]
	for i, x := range latents {
		dst[i] = x / d
	}
}

func (r *run) AddNoise(dst, original, noise []float32, call int) {
	signal, amount := r.mix(call)
	for i, x := range original {
		dst[i] = float32(signal*x) + float32(amount*noise[i])
	}
}

func (r *run) Step(latents, output []float32, call int, noise Source) error {
	switch {
	case call != r.next:
		return fmt.Errorf("sampler %s: call %d, expected %d of %d", r.name, call, r.next, len(r.timesteps))
	case call >= len(r.timesteps):
		return fmt.Errorf("sampler %s: all %d calls are made", r.name, call)
	case len(latents) != len(output):
		return fmt.Errorf("sampler %s: %d latents but %d outputs", r.name, len(latents), len(output))
	case r.stochastic && noise == nil:
		return fmt.Errorf("sampler %s: draws noise, but has no source", r.name)
	}
	if err := CheckFinite(output); err != nil {
		return fmt.Errorf("network output at call %d of %d: %w", call+1, len(r.timesteps), err)
	}
	if err := r.stepper.step(latents, output, call, noise); err != nil {
		return fmt.Errorf("sampler %s: %w", r.name, err)
	}
	if err := CheckFinite(latents); err != nil {
		return fmt.Errorf("latents after call %d of %d: %w", call+1, len(r.timesteps), err)
	}
	r.next++
	return nil
}
