package inference

import (
	"context"
	"fmt"
	"image"
	"math"

	"cosmicman/diffusion"
	"cosmicman/ort"
	"cosmicman/picture"
	"cosmicman/weights"
)

// initial is what a request's images begin from. It is shared and never changed.
type initial struct {
	moments []float32 // the VAE's: mean, then log-variance, each [channels, height, width]
	repaint []bool    // [height, width] of the latents; nil: everywhere
}

// initialOf encodes a request's image, nil where there is none.
func (m *Model) initialOf(ctx context.Context, r *Request) (*initial, error) {
	if r.Init == nil {
		return nil, nil
	}
	moments, err := m.encodeImage(ctx, picture.Resize(r.Init, r.Width, r.Height))
	if err != nil {
		return nil, err
	}
	in := &initial{moments: moments}
	if r.Mask != nil {
		in.repaint = latentMask(picture.Resize(r.Mask, r.Width, r.Height), m.VAE.Factor())
	}
	return in, nil
}

// latentMask is where a mask is white, from the middle of gray on: resized with smooth
// borders, cut in two, and of each latent pixel's square the first pixel counts, as
// diffusers' nearest interpolation takes it.
func latentMask(mask *image.NRGBA, factor int) []bool {
	w, h := mask.Rect.Dx(), mask.Rect.Dy()
	gray := picture.Gray(mask)
	out := make([]bool, 0, w/factor*(h/factor))
	for y := 0; y < h; y += factor {
		for x := 0; x < w; x += factor {
			out = append(out, float32(gray[y*w+x])/255 >= 0.5)
		}
	}
	return out
}

// encodeImage runs the VAE's encoder on one image a call, so that nothing else has a
// say in its bits, or returns what is kept of the same image.
func (m *Model) encodeImage(ctx context.Context, img *image.NRGBA) ([]float32, error) {
	key := keyOf(img)
	if kept, ok := m.images.Get(key); ok {
		return kept, nil
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	pixels := make([]float32, 3*w*h)
	for i := range w * h {
		for c := range 3 {
			pixels[c*w*h+i] = float32(2*(float32(img.Pix[4*i+c])/255)) - 1
		}
	}
	out, err := m.encoder.run(ctx, map[string]ort.Tensor{"image": ort.Floats(pixels, 1, 3, int64(h), int64(w))})
	if err != nil {
		return nil, err
	}
	moments := out["moments"].Float32()
	if err := diffusion.CheckFinite(moments); err != nil {
		return nil, fmt.Errorf("the encoded image: %w", err)
	}
	m.images.Put(key, moments)
	return moments, nil
}

// sample draws latents from what the VAE's encoder says of an image.
func (m *Model) sample(in *initial, noise *diffusion.Noise) []float32 {
	n := len(in.moments) / 2
	latents := make([]float32, n)
	noise.Normal(latents)
	plane := n / int(m.VAE.LatentChannels)
	for i, x := range latents {
		deviation := float32(math.Exp(float64(0.5 * min(max(in.moments[n+i], -30), 20))))
		latents[i] = m.scale(in.moments[i]+float32(deviation*x), i/plane, in.repaint != nil)
	}
	return latents
}

// scale is the opposite of unscale, but for inpainting: of latents' mean and deviation
// diffusers' SDXL pipeline for it knows nothing when it encodes.
func (m *Model) scale(x float32, channel int, inpaint bool) float32 {
	factor := float32(m.VAE.ScalingFactor)
	if m.Pipeline.Family == weights.SDXL && m.VAE.LatentsMean != nil && m.VAE.LatentsStd != nil && !inpaint {
		return float32((x-float32(m.VAE.LatentsMean[channel]))*factor) / float32(m.VAE.LatentsStd[channel])
	}
	return factor * x
}

// begin sets a sequence's first latents, in the order in which diffusers' pipelines
// draw from the generator.
func (s *Sequence) begin(m *Model, in *initial) {
	s.latents = make([]float32, m.UNet.InChannels*s.height*s.width)
	if in == nil {
		s.noise.Normal(s.latents)
		s.scaleNoise()
		return
	}
	original := m.sample(in, s.noise)
	noise := make([]float32, len(s.latents))
	s.noise.Normal(noise)
	if in.repaint == nil {
		s.sampler.AddNoise(s.latents, original, noise, 0)
		return
	}
	if s.request.Strength == 1 { // nothing of the image shows through
		copy(s.latents, noise)
		s.scaleNoise()
	} else {
		s.sampler.AddNoise(s.latents, original, noise, 0)
	}
	s.around = &around{original, noise, in.repaint}
	// The pipelines sample latents of the masked image too, which only UNets of nine
	// channels take.
	s.noise.Normal(make([]float32, len(noise)))
}

// scaleNoise makes first latents of pure noise.
func (s *Sequence) scaleNoise() {
	sigma := s.sampler.InitNoiseSigma()
	for i := range s.latents {
		s.latents[i] *= sigma
	}
}

// around is what is kept of an image that is repainted in parts.
type around struct {
	original, noise []float32 // as latents
	repaint         []bool    // a latent pixel
}

// restore puts the image back where it is not repainted, with as much noise as the
// latents have at the call that is next, none after the last.
func (a *around) restore(s *Sequence) {
	as := a.original
	if !s.Done() {
		as = make([]float32, len(a.original))
		s.sampler.AddNoise(as, a.original, a.noise, s.call)
	}
	for i := range s.latents {
		if !a.repaint[i%len(a.repaint)] {
			s.latents[i] = as[i]
		}
	}
}
