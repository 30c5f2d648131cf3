package inference

import (
	"cosmicman/diffusion"
	"cosmicman/weights/lora"
)

// Sequence is one image on its way: everything that drawing it changes. It is for
// one goroutine at a time.
type Sequence struct {
	request      *Request // checked, with its size
	seed         uint64
	lora         *combination  // nil without LoRAs
	cond, uncond *conditioning // uncond is nil without guidance
	sampler      diffusion.Sampler
	timesteps    []float32
	noise        *diffusion.Noise
	latents      []float32 // [channels, height, width]
	height       int64     // of the latents
	width        int64
	call         int     // network calls done
	around       *around // of an image that is repainted in parts, else nil
	failed       error   // what ended it before its time

	// input and output of the network's last call, after guidance; nil before the first.
	input, output []float32
}

// Calls returns how many network calls are done and how many there are: some
// samplers make two a step.
func (s *Sequence) Calls() (done, all int) { return s.call, len(s.timesteps) }

// Done reports whether the latents are final.
func (s *Sequence) Done() bool { return s.call == len(s.timesteps) }

// Latents are [channels, height, width], before the VAE's scaling is undone.
func (s *Sequence) Latents() []float32 { return s.latents }

// Shape is that of the latents.
func (s *Sequence) Shape() (channels, height, width int) {
	return len(s.latents) / int(s.height*s.width), int(s.height), int(s.width)
}

// Seed is the image's own.
func (s *Sequence) Seed() uint64 { return s.seed }

// Request is what is drawn, with the size filled in. It must not be changed.
func (s *Sequence) Request() *Request { return s.request }

// Rows is how many rows of the UNet's batch the sequence takes: 2 with guidance.
func (s *Sequence) Rows() int {
	if s.uncond != nil {
		return 2
	}
	return 1
}

// Variant names the form in which the UNet is run: "" for the network as it is. Sequences
// of different ones share no call.
func (s *Sequence) Variant() string { return s.form().String() }

func (s *Sequence) form() form {
	if f := s.lora.part(lora.UNet); f != nil {
		return f.form
	}
	return form{}
}

// Context is how many tokens the UNet attends to, padding included.
func (s *Sequence) Context() int { return int(s.cond.tokens) }

// Tokens is how many tokens of the prompt are drawn: without padding, begin and end.
func (s *Sequence) Tokens() int { return s.cond.real }

// Windows is how many windows of the text encoder the prompt fills.
func (s *Sequence) Windows() int { return s.cond.filled }

// Cut is the end of the prompt that is not drawn, "" if all is.
func (s *Sequence) Cut() string { return s.cond.cut }

// NegativeCut is the end of the negative prompt that has no effect, "" if all has.
func (s *Sequence) NegativeCut() string {
	if s.uncond == nil {
		return ""
	}
	return s.uncond.cut
}

// Preview returns the clean latents that the last call predicts, of the shape
// of Latents, nil before the first call.
func (s *Sequence) Preview() []float32 {
	if s.output == nil {
		return nil
	}
	clean := make([]float32, len(s.latents))
	s.sampler.Predict(clean, s.input, s.output, s.call-1)
	return clean
}
