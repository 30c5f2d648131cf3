package inference

import (
	"errors"
	"fmt"
	"image"
	"math"
	"unicode/utf8"

	"cosmicman/diffusion"
	"cosmicman/prompt"
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
	// Width and Height are pixels. 0 is the model's native size, or with Init and no
	// Mask that of Init, cut to whole latents: diffusers' pipelines do so.
	Width, Height int

	// Init is the image to begin from and Mask, of the same size, where it is repainted:
	// from the middle of gray on to white. Their transparency is left aside, but a mask
	// that has some is refused. Strength, above 0 and up to 1, goes with them: the share
	// of the steps that is taken. All are zero for an image from text alone.
	Init, Mask *image.NRGBA
	Strength   float64

	// LongPrompt says what becomes of texts beyond the text encoder's window: "chunk" goes
	// on in more windows, up to prompt.MaxWindows; "truncate" or "" is diffusers' way.
	LongPrompt string
	// PromptSyntax is "weighted" where brackets are emphasis, as in AUTOMATIC1111's web UI;
	// "plain" or "" where they are text.
	PromptSyntax string

	// LoRAs change the networks, all together; their order matters to the last bits alone.
	LoRAs []LoRA
}

// options of the texts.
func (r *Request) options() prompt.Options {
	return prompt.Options{Chunk: r.LongPrompt == "chunk", Weighted: r.PromptSyntax == "weighted"}
}

// guided reports whether two rows are needed, by diffusers' rule.
func (r *Request) guided() bool { return r.GuidanceScale > 1 }

// Bounds of what a request may ask for.
const (
	maxSide  = 8192
	maxSteps = 1000
)

// StepsTaken is how many of the steps are taken: with an image to begin from those
// that Strength leaves.
func (r *Request) StepsTaken() int {
	if r.Strength == 0 {
		return r.Steps
	}
	return int(float64(r.Steps) * r.Strength)
}

// Check names everything that is wrong with a request whatever the model is, as
// *Error values joined. Sizes and the sampler are for Model.Check.
func (r *Request) Check() error { return errors.Join(r.check()...) }

func (r *Request) check() (errs faults) {
	errs.checkText("prompt", r.Prompt, r.options())
	if r.NegativePrompt != nil {
		errs.checkText("negative prompt", *r.NegativePrompt, r.options())
	}
	switch r.LongPrompt {
	case "", "chunk", "truncate":
	default:
		errs.add("long prompt", "is %.40q, expected chunk or truncate", r.LongPrompt)
	}
	switch r.PromptSyntax {
	case "", "plain", "weighted":
	default:
		errs.add("prompt syntax", "is %.40q, expected plain or weighted", r.PromptSyntax)
	}
	if r.Steps < 1 || r.Steps > maxSteps {
		errs.add("steps", "is %d, expected 1 to %d", r.Steps, maxSteps)
	}
	if math.IsNaN(r.GuidanceScale) || math.IsInf(r.GuidanceScale, 0) {
		errs.add("guidance scale", "is %v, expected a finite number", r.GuidanceScale)
	}
	r.checkInit(&errs)
	r.checkLoRAs(&errs)
	switch {
	case math.IsNaN(r.Eta) || math.IsInf(r.Eta, 0) || r.Eta < 0:
		errs.add("eta", "is %v, expected a finite number from 0 on", r.Eta)
	case r.Eta != 0 && r.Sampler != "ddim":
		errs.add("eta", "is %v, expected 0: only the sampler ddim takes it, not %s", r.Eta, r.Sampler)
	}
	return errs
}

// checkInit looks at what goes with Init. That Init is there is for Model.Begin: a
// request may be checked before its image is at hand.
func (r *Request) checkInit(errs *faults) {
	switch {
	case r.Init == nil && r.Strength == 0:
	case !(r.Strength > 0 && r.Strength <= 1):
		errs.add("strength", "is %v, expected a number above 0 and up to 1", r.Strength)
	case r.Steps >= 1 && r.Steps <= maxSteps && r.StepsTaken() == 0:
		errs.add("strength", "is %v, which leaves none of %d steps: expected at least %.3g, or more steps", r.Strength, r.Steps, 1/float64(r.Steps))
	}
	if r.Init != nil && r.Init.Rect.Empty() {
		errs.add("init image", "is empty")
	}
	switch {
	case r.Mask == nil:
	case r.Init == nil:
		errs.add("mask", "is there without an image to begin from")
	case r.Mask.Rect.Size() != r.Init.Rect.Size():
		errs.add("mask", "is %s pixels, expected %s, the size of the image", pixels(r.Mask), pixels(r.Init))
	case !r.Mask.Opaque():
		errs.add("mask", "has transparent pixels, expected white where the image is repainted and black elsewhere")
	}
}

func pixels(img *image.NRGBA) string { return fmt.Sprintf("%dx%d", img.Rect.Dx(), img.Rect.Dy()) }

func (f *faults) checkText(field, text string, o prompt.Options) {
	if !utf8.ValidString(text) {
		f.add(field, "is not UTF-8")
		return
	}
	if o.Weighted {
		if err := prompt.CheckWeights(text); err != nil {
			f.add(field, "%v", err)
		}
	}
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
	m.checkAdapters(&c, &errs)
	f := m.VAE.Factor()
	w, h := m.DefaultSize(&c)
	if drawnAnew(&c) && len(errs) == 0 && (w == 0 && c.Width == 0 || h == 0 && c.Height == 0) {
		errs.add("init image", "is %s pixels, expected at least %dx%d", pixels(c.Init), f, f)
		return &c, errors.Join(errs...)
	}
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

// DefaultSize is what stands in for a width or height that a request leaves out, in
// pixels, as Request says; 0 where nothing is known.
func (m *Model) DefaultSize(r *Request) (width, height int) {
	if !drawnAnew(r) {
		return m.NativeSize()
	}
	f := m.VAE.Factor()
	return r.Init.Rect.Dx() / f * f, r.Init.Rect.Dy() / f * f
}

func drawnAnew(r *Request) bool { return r.Init != nil && r.Mask == nil }

func (m *Model) sampler(r *Request) (diffusion.Sampler, error) {
	o := diffusion.Options{Eta: r.Eta, Strength: r.Strength, Pipeline: diffusion.StableDiffusion}
	if m.Pipeline.Family == weights.SDXL {
		o.Pipeline = diffusion.StableDiffusionXL
	}
	return diffusion.New(r.Sampler, m.Schedule, r.Steps, o)
}
