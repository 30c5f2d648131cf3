package diffusion

import (
	"fmt"
	"math"
	"slices"
)

// clipping bounds the predicted image, not at all by default. Thresholding is
// the dynamic one of "Photorealistic Text-to-Image Diffusion Models", arXiv 2205.11487.
type clipping struct {
	threshold    bool
	ratio, upper float64
	clip         bool
	limit        float32
}

func readClipping(p *params, clip bool) clipping {
	c := readThreshold(p)
	c.clip = p.flag("clip_sample", clip)
	c.limit = float32(p.float("clip_sample_range", 1))
	return c
}

func readThreshold(p *params) clipping {
	c := clipping{
		threshold: p.flag("thresholding", false),
		ratio:     p.float("dynamic_thresholding_ratio", 0.995),
		upper:     p.float("sample_max_value", 1),
	}
	if c.threshold && !(c.ratio >= 0 && c.ratio <= 1) {
		p.fail("dynamic_thresholding_ratio %v: expected a number from 0 to 1", c.ratio)
	}
	return c
}

func (c clipping) apply(image []float32) {
	switch {
	case c.threshold && len(image) > 0:
		limit := min(max(quantile(image, c.ratio), 1), float32(c.upper))
		for i, x := range image {
			image[i] = min(max(x, -limit), limit) / limit
		}
	case c.clip:
		for i, x := range image {
			image[i] = min(max(x, -c.limit), c.limit)
		}
	}
}

// quantile is torch.quantile of the absolute values.
func quantile(x []float32, q float64) float32 {
	sorted := make([]float32, len(x))
	for i, v := range x {
		sorted[i] = float32(math.Abs(float64(v)))
	}
	slices.Sort(sorted)
	if math.IsNaN(float64(sorted[0])) {
		return sorted[0]
	}
	rank := float32(q) * float32(len(x)-1)
	below := float32(math.Floor(float64(rank)))
	low, high := sorted[int(below)], sorted[int(math.Ceil(float64(rank)))]
	if w := rank - below; w < 0.5 {
		return low + float32(w*(high-low))
	} else {
		return high - float32((high-low)*(1-w))
	}
}

// oneOf fails unless the prediction type is one that the class knows.
func oneOf(prediction string, known ...string) error {
	if slices.Contains(known, prediction) {
		return nil
	}
	return fmt.Errorf("scheduler config: prediction_type %q: the sampler knows %q", prediction, known)
}

// addFresh adds newly drawn noise to latents.
func addFresh(latents []float32, amount float32, noise Source) {
	fresh := make([]float32, len(latents))
	noise.Normal(fresh)
	for i, n := range fresh {
		latents[i] += float32(amount * n)
	}
}

func intsToFloat32(x []int) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
