package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Latents are what is known of an autoencoder's latents over some images: a UNet wants
// them with a deviation of 1. Sums are made in the order of Add's calls.
type Latents struct {
	channels []latentSums
}

type latentSums struct{ count, sum, squares float64 }

// Add takes the moments [rows, 2*channels, height, width] of images: the means of their
// latents, then the log-variances.
func (l *Latents) Add(moments []float32, channels, area int) error {
	if channels < 1 || area < 1 || len(moments) == 0 || len(moments)%(2*channels*area) != 0 {
		return fmt.Errorf("%d moments, expected a multiple of two for each of %d latents of %d channels", len(moments), area, channels)
	}
	if l.channels == nil {
		l.channels = make([]latentSums, channels)
	}
	if len(l.channels) != channels {
		return fmt.Errorf("moments of %d channels after those of %d", channels, len(l.channels))
	}
	for from := 0; from < len(moments); from += 2 * channels * area {
		for c := range channels {
			means := moments[from+c*area:][:area]
			spreads := moments[from+(channels+c)*area:][:area]
			s := &l.channels[c]
			for i, m := range means {
				// The square of a sample has the mean m^2 + variance.
				variance := math.Exp(math.Min(math.Max(float64(spreads[i]), -30), 20))
				s.count++
				s.sum += float64(m)
				s.squares += float64(m)*float64(m) + variance
			}
		}
	}
	return nil
}

// Moments are each channel's mean and deviation, of samples of the latents.
func (l *Latents) Moments() (mean, deviation []float64) {
	for _, s := range l.channels {
		m := s.sum / s.count
		mean = append(mean, m)
		deviation = append(deviation, math.Sqrt(math.Max(s.squares/s.count-m*m, 0)))
	}
	return mean, deviation
}

// ScalingFactor is one over the deviation of all channels together, as published
// models have it in their configs.
func (l *Latents) ScalingFactor() (float64, error) {
	var all latentSums
	for _, s := range l.channels {
		all.count += s.count
		all.sum += s.sum
		all.squares += s.squares
	}
	m := all.sum / all.count
	f := 1 / math.Sqrt(all.squares/all.count-m*m)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("the latents have no deviation to be scaled by")
	}
	return f, nil
}

// Fold changes an autoencoder's last convolution before the latents and its first one
// behind them so that every channel has the mean 0 and the deviation 1, and the scaling
// factor is 1. What is decoded stays the same. values are the tensors quant_conv and
// post_quant_conv, weight and bias, by their names.
func (l *Latents) Fold(values map[string][]float32) error {
	c := len(l.channels)
	var faults []error
	get := func(name string, want int) []float32 {
		v := values[name]
		if len(v) != want {
			faults = append(faults, fmt.Errorf("%s has %d values, expected %d: latents can be folded only into autoencoders with both convolutions around them", name, len(v), want))
		}
		return v
	}
	weight, bias := get("quant_conv.weight", 4*c*c), get("quant_conv.bias", 2*c)
	after, afterBias := get("post_quant_conv.weight", c*c), get("post_quant_conv.bias", c)
	mean, deviation := l.Moments()
	for i, d := range deviation {
		if !(d > 1e-6) || math.IsInf(d, 0) || math.IsNaN(mean[i]) {
			faults = append(faults, fmt.Errorf("channel %d of the latents has the mean %v and the deviation %v: there is nothing in it to be scaled", i, mean[i], d))
		}
	}
	if c == 0 {
		faults = append(faults, errors.New("no image's latents are known"))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	for i := range c {
		m, d := mean[i], deviation[i]
		for j := range 2 * c {
			weight[i*2*c+j] = float32(float64(weight[i*2*c+j]) / d)
		}
		bias[i] = float32((float64(bias[i]) - m) / d)
		bias[c+i] = float32(float64(bias[c+i]) - 2*math.Log(d))
	}
	for out := range c {
		b := float64(afterBias[out])
		for i := range c {
			w := float64(after[out*c+i])
			b += w * mean[i]
			after[out*c+i] = float32(w * deviation[i])
		}
		afterBias[out] = float32(b)
	}
	return nil
}

// WithScaling returns an autoencoder's config with another scaling factor.
func WithScaling(config []byte, factor float64) ([]byte, error) {
	var all map[string]any
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("the autoencoder's config: %w", err)
	}
	if all == nil {
		return nil, errors.New("the autoencoder's config is no JSON object")
	}
	if all["latents_mean"] != nil || all["latents_std"] != nil {
		return nil, errors.New("the autoencoder's config has latents_mean and latents_std, which a scaling factor would be on top of")
	}
	all["scaling_factor"] = factor
	return json.MarshalIndent(all, "", "  ")
}
