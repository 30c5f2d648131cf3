package encode

import (
	"math"

	"cosmicman/diffusion"
	"cosmicman/weights"
)

// Sample draws latents from moments by torch's noise, and scales them as the UNet takes
// them: (mean + deviation * noise) * scaling_factor, by which SDXL's VAEs that name a
// mean and a deviation of their latents are normalized first. A nil noise stands for
// none: the latents are the mean, which is where they are most likely. dst is [channels,
// height/f, width/f], half of moments.
func (v *VAE) Sample(dst, moments []float32, noise *diffusion.Noise) {
	n := len(moments) / 2
	dst = dst[:n]
	if noise != nil {
		noise.Normal(dst)
	} else {
		clear(dst)
	}
	plane := n / v.Channels()
	for i, x := range dst {
		deviation := float32(math.Exp(float64(0.5 * min(max(moments[n+i], -30), 20))))
		dst[i] = v.scale(moments[i]+float32(deviation*x), i/plane)
	}
}

func (v *VAE) scale(x float32, channel int) float32 {
	factor := float32(v.config.ScalingFactor)
	if v.family == weights.SDXL && v.config.LatentsMean != nil && v.config.LatentsStd != nil {
		return float32((x-float32(v.config.LatentsMean[channel]))*factor) / float32(v.config.LatentsStd[channel])
	}
	return factor * x
}
