package train

import (
	"math/rand/v2"

	"cosmicman/diffusion"
)

// MinSNR bounds how much a timestep with little noise counts (Hang et al., 2023): it
// returns the weight of a row's squared error, min(SNR, gamma) over what the error of a
// prediction is worth. A gamma of 0 is no bound: every timestep counts 1.
func MinSNR(n diffusion.Noising, timestep int, gamma float64) float64 {
	if gamma == 0 {
		return 1
	}
	snr := n.SNR(timestep)
	switch n.Prediction {
	case "v_prediction":
		return min(snr, gamma) / (snr + 1)
	case "sample":
		return min(snr, gamma)
	}
	if snr <= gamma {
		return 1 // without a division by the last timestep's 0
	}
	return gamma / snr
}

// Timesteps says how the timesteps of training are drawn.
type Timesteps struct {
	// Share of the rows, from 0 to 1, that is drawn from the noisiest timesteps, on top of
	// what falls there by itself.
	Share float64
	// Noisiest is how many of all timesteps, from 0 to 1, these are. A small model learns
	// whole figures there.
	Noisiest float64
}

// Draw draws one of count timesteps: each as likely, but for the share of the
// noisiest.
func (t Timesteps) Draw(chance *rand.Rand, count int) int {
	high, at := chance.Float64() < t.Share, chance.Float64()
	if high {
		at = 1 - t.Noisiest*(1-at)
	}
	return min(int(at*float64(count)), count-1)
}

// OffsetNoise adds amount times a standard normal number to each channel of a row's
// noise [channels, height, width] (noise offset): the numbers are torch's of the seed.
// The network is to predict the sum.
func OffsetNoise(noise []float32, channels int, amount float64, seed uint64) {
	if amount == 0 {
		return
	}
	offsets := make([]float32, channels)
	diffusion.NewNoise(seed).Normal(offsets)
	size := len(noise) / channels
	for c, o := range offsets {
		for i := range size {
			noise[c*size+i] += float32(amount) * o
		}
	}
}
