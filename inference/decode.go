package inference

import (
	"context"
	"fmt"
	"image"
	"math"

	"cosmicman/diffusion"
	"cosmicman/ort"
	"cosmicman/weights"
)

// Decode turns a sequence's latents into an image, as diffusers does: the
// scaling undone, decoded, [-1, 1] mapped to 0..255, rounded half to even.
func (m *Model) Decode(ctx context.Context, s *Sequence) (*image.NRGBA, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	plane := int(s.height * s.width)
	latents := make([]float32, len(s.latents))
	for i, x := range s.latents {
		latents[i] = m.unscale(x, i/plane)
	}
	out, err := m.decoder.run(ctx, map[string]ort.Tensor{
		"latents": ort.Floats(latents, 1, m.VAE.LatentChannels, s.height, s.width),
	})
	if err != nil {
		return nil, err
	}
	pixels := out["image"].Float32()
	if err := diffusion.CheckFinite(pixels); err != nil {
		return nil, fmt.Errorf("the decoded image of seed %d: %w", s.seed, err)
	}
	w, h := s.request.Width, s.request.Height
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		for c := range 3 {
			img.Pix[4*i+c] = toByte(pixels[c*w*h+i])
		}
		img.Pix[4*i+3] = 255
	}
	return img, nil
}

func (m *Model) unscale(x float32, channel int) float32 {
	scale := float32(m.VAE.ScalingFactor)
	if m.Pipeline.Family == weights.SDXL && m.VAE.LatentsMean != nil && m.VAE.LatentsStd != nil {
		return x*float32(m.VAE.LatentsStd[channel])/scale + float32(m.VAE.LatentsMean[channel])
	}
	return x / scale
}

func toByte(x float32) uint8 {
	x = min(max(x*0.5+0.5, 0), 1)
	return uint8(math.RoundToEven(float64(x * 255)))
}
