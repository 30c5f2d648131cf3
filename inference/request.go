package inference

import (
	"errors"
	"math"
	"unicode/utf8"

	"cosmicman/diffusion"
	"cosmicman/weights"
)

// Request is what one image is drawn from, or several that differ in their
// seeds alone.
type Request struct {
	Prompt         string
	NegativePrompt *string // nil: none was given, which SDXL tells from an empty one
	Sampler        string
	Steps          int
	GuidanceScale  float64
	Eta            float64
	Seed           uint64
	Width, Height  int // pixels; 0: the model's native size
}

// guided reports whether two rows are needed, by diffusers' rule.
func (r *Request) guided() bool { return r.GuidanceScale > 1 }

// Bounds of what a request may ask for.
const (
	maxSide  = 8192
	maxSteps = 1000
)

// Check names everything that is wrong with a request whatever the model is, as
// *Error values joined. Sizes and the sampler are for Model.Check.
func (r *Request) Check() error { return errors.Join(r.check()...) }

func (r *Request) check() (errs faults) {
	if !utf8.ValidString(r.Prompt) {
		errs.add("prompt", "is not UTF-8")
	}
	if r.NegativePrompt != nil && !utf8.ValidString(*r.NegativePrompt) {
		errs.add("negative prompt", "is not UTF-8")
	}
	if r.Steps < 1 || r.Steps > maxSteps {
		errs.add("steps", "is %d, expected 1 to %d", r.Steps, maxSteps)
	}
	if math.IsNaN(r.GuidanceScale) || math.IsInf(r.GuidanceScale, 0) {
		errs.add("guidance scale", "is %v, expected a finite number", r.GuidanceScale)
	}
	switch {
	case math.IsNaN(r.Eta) || math.IsInf(r.Eta, 0) || r.Eta < 0:
		errs.add("eta", "is %v, expected a finite number from 0 on", r.Eta)
	case r.Eta != 0 && r.Sampler != "ddim":
		errs.add("eta", "is %v, expected 0: only the sampler ddim takes it, not %s", r.Eta, r.Sampler)
	}
	return errs
}

// Check names everything that is wrong with a request, as *Error values joined,
// before any work is done.
func (m *Model) Check(r *Request) error {
	_, err := m.checked(r)
	return err
}

// checked is Check that returns a copy whose size is filled in.
func (m *Model) checked(r *Request) (*Request, error) {
	c := *r
	errs := c.check()
	f := m.VAE.Factor()
	w, h := m.NativeSize()
	for _, side := range []struct {
		name   string
		n      *int
		native int
	}{{"width", &c.Width, w}, {"height", &c.Height, h}} {
		if *side.n == 0 {
			*side.n = side.native
		}
		switch n := *side.n; {
		case n == 0:
			errs.add(side.name, "is required: the model's config has no sample_size")
		case n < f || n > maxSide:
			errs.add(side.name, "is %d, expected %d to %d", n, f, maxSide)
		case n%f != 0:
			errs.add(side.name, "is %d, expected a multiple of %d", n, f)
		}
	}
	if len(errs) == 0 {
		if _, err := m.sampler(&c); err != nil {
			errs.add("sampler", "%v", err)
		}
	}
	return &c, errors.Join(errs...)
}

func (m *Model) sampler(r *Request) (diffusion.Sampler, error) {
	o := diffusion.Options{Eta: r.Eta, Pipeline: diffusion.StableDiffusion}
	if m.Pipeline.Family == weights.SDXL {
		o.Pipeline = diffusion.StableDiffusionXL
	}
	return diffusion.New(r.Sampler, m.Schedule, r.Steps, o)
}
