package train

import "fmt"

// EMA is an exponential moving average of weights, which starts fast: what diffusers'
// EMAModel does by default.
type EMA struct {
	Decay float64 // the share of the average that stays at most, 0.9999
}

// DecayAt is the share of the average that stays at an update, counted from 1: none
// at the first, then (1 + n) / (10 + n) of n updates before, Decay at most.
func (e EMA) DecayAt(update int) float64 {
	if update <= 1 {
		return 0
	}
	n := float64(update - 1)
	return min((1+n)/(10+n), e.Decay)
}

// Update moves the average of each tensor, in place, toward its values.
func (e EMA) Update(update int, average, values [][]float32) error {
	if !(e.Decay >= 0 && e.Decay < 1) {
		return fmt.Errorf("ema.decay is %v, expected a number from 0 to below 1", e.Decay)
	}
	if update < 1 {
		return fmt.Errorf("ema: update %d, expected 1 or a later one", update)
	}
	if len(average) != len(values) {
		return fmt.Errorf("ema: there are %d averages of %d tensors", len(average), len(values))
	}
	tensors := make([]Weights, len(values))
	for i, v := range values {
		if len(average[i]) != len(v) {
			return fmt.Errorf("ema: tensor %d has %d values and %d in its average", i, len(v), len(average[i]))
		}
		tensors[i].Values = v
	}
	toward := float32(1 - e.DecayAt(update))
	pieces := cut(tensors)
	parallel(len(pieces), func(i int) {
		p := pieces[i]
		from, to := average[p.tensor][p.from:p.end], values[p.tensor][p.from:p.end]
		for j, v := range to {
			from[j] -= toward * (from[j] - v)
		}
	})
	return nil
}
