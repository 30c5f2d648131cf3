package inference

import (
	"context"
	"errors"
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
	img, err := m.decode(ctx, s.latents, int(s.height), int(s.width))
	if err != nil {
		return nil, fmt.Errorf("the image of seed %d: %w", s.seed, err)
	}
	m.sketches.learn(s.latents, img, m.VAE.Factor())
	return img, nil
}

// DecodePreview is Decode of what the last call predicts. The sequence is not changed.
func (m *Model) DecodePreview(ctx context.Context, s *Sequence) (*image.NRGBA, error) {
	clean := s.Preview()
	if clean == nil {
		return nil, errors.New("inference: there is no preview before the first call")
	}
	return m.decode(ctx, clean, int(s.height), int(s.width))
}

// decode runs the decoder on latents [channels, height, width].
func (m *Model) decode(ctx context.Context, scaled []float32, height, width int) (*image.NRGBA, error) {
	plane := height * width
	latents := make([]float32, len(scaled))
	for i, x := range scaled {
		latents[i] = m.unscale(x, i/plane)
	}
	out, err := m.decoder.run(ctx, map[string]ort.Tensor{
		"latents": ort.Floats(latents, 1, m.VAE.LatentChannels, int64(height), int64(width)),
	})
	if err != nil {
		return nil, err
	}
	pixels := out["image"].Float32()
	if err := diffusion.CheckFinite(pixels); err != nil {
		return nil, fmt.Errorf("the decoded pixels: %w", err)
	}
	w, h := width*m.VAE.Factor(), height*m.VAE.Factor()
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
