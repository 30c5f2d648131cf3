package train

import (
	"errors"
	"fmt"
	"math"

	"cosmicman/model"
	"cosmicman/ort"
)

// inputs makes what the graph takes from a batch: noisy latents, their target, and how
// much each of them counts.
func (l *UNetLearner) inputs(b *UNetBatch) (map[string]ort.Tensor, error) {
	tokens, err := l.check(b)
	if err != nil {
		return nil, err
	}
	o := l.options
	rows, channels := len(b.Timesteps), int(o.Config.InChannels)
	height, width := b.Height/int(o.Pixels), b.Width/int(o.Pixels)
	area := height * width
	size := channels * area
	noisy, target := make([]float32, rows*size), make([]float32, rows*size)
	counts, timesteps := make([]float32, rows*area), make([]float32, rows)
	for i, t := range b.Timesteps {
		from, end := i*size, (i+1)*size
		if err := o.Noising.Mix(noisy[from:end], target[from:end], b.Latents[from:end], b.Noise[from:end], t); err != nil {
			return nil, err
		}
		count := MinSNR(o.Noising, t, o.MinSNR) / float64(rows*size)
		if b.Weights != nil {
			count *= b.Weights[i]
		}
		for j := range area {
			counts[i*area+j] = float32(count)
			if b.Areas != nil {
				counts[i*area+j] = float32(count * float64(b.Areas[i*area+j]))
			}
		}
		timesteps[i] = float32(t)
	}
	n, c, h, w := int64(rows), int64(channels), int64(height), int64(width)
	given := map[string]ort.Tensor{
		"sample":                ort.Floats(noisy, n, c, h, w),
		targetInput:             ort.Floats(target, n, c, h, w),
		weightsInput:            ort.Floats(counts, n, 1, h, w),
		"timestep":              ort.Floats(timesteps, n),
		"encoder_hidden_states": ort.Floats(b.States, n, int64(tokens), o.Config.CrossAttentionDim[0]),
	}
	if o.Config.TextTime {
		given["text_embeds"] = ort.Floats(b.TextEmbeds, n, o.Config.TextEmbedDim())
		given["time_ids"] = ort.Floats(b.TimeIDs, n, model.TimeIDs)
	}
	if o.HOLA == nil {
		return given, nil
	}
	samples := b.Samples
	if samples == nil {
		samples = make([]Sample, rows)
	}
	targets, err := o.HOLA.Targets(samples, Shape{Height: b.Height, Width: b.Width, Pixels: o.Pixels, Tokens: tokens}, l.layers)
	if err != nil {
		return nil, err
	}
	for name, t := range targets {
		given[name] = t
	}
	return given, nil
}

// check names every fault of a batch, and returns how many tokens its rows have.
func (l *UNetLearner) check(b *UNetBatch) (tokens int, err error) {
	o := l.options
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("a batch: "+format, args...)) }
	rows, pixels := len(b.Timesteps), int(o.Pixels)
	if rows == 0 {
		return 0, errors.New("a batch: there are no rows")
	}
	if b.Height < pixels || b.Width < pixels || b.Height%pixels != 0 || b.Width%pixels != 0 {
		return 0, fmt.Errorf("a batch: images of %dx%d pixels, expected multiples of %d", b.Width, b.Height, pixels)
	}
	area := b.Height / pixels * (b.Width / pixels)
	size := int(o.Config.InChannels) * area
	holds := func(what string, have, want int) {
		if have != want {
			fault("%s has %d values, expected %d for %d rows of %dx%d pixels", what, have, want, rows, b.Width, b.Height)
		}
	}
	holds("Latents", len(b.Latents), rows*size)
	holds("Noise", len(b.Noise), rows*size)
	wide := rows * int(o.Config.CrossAttentionDim[0])
	if tokens = len(b.States) / wide; tokens == 0 || len(b.States)%wide != 0 {
		fault("States has %d values, expected a multiple of %d: %d rows of %d a token", len(b.States), wide, rows, o.Config.CrossAttentionDim[0])
	}
	if o.Config.TextTime {
		holds("TextEmbeds", len(b.TextEmbeds), rows*int(o.Config.TextEmbedDim()))
		holds("TimeIDs", len(b.TimeIDs), rows*model.TimeIDs)
	} else if b.TextEmbeds != nil || b.TimeIDs != nil {
		fault("TextEmbeds and TimeIDs are for SDXL's networks")
	}
	if b.Areas != nil {
		holds("Areas", len(b.Areas), rows*area)
	}
	if b.Weights != nil {
		holds("Weights", len(b.Weights), rows)
	}
	for i, w := range b.Weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			fault("Weights: row %d is %v, expected a finite number", i, w)
		}
	}
	for i, t := range b.Timesteps {
		if t < 0 || t >= len(o.Noising.Alphas) {
			fault("Timesteps: row %d is %d, expected 0 to %d", i, t, len(o.Noising.Alphas)-1)
		}
	}
	if b.Samples != nil {
		holds("Samples", len(b.Samples), rows)
	}
	if (b.ByStates != nil || b.ByTextEmbeds != nil) && !o.Through {
		fault("gradients by the text are asked for, but the learner was made without them")
	}
	if b.ByStates != nil {
		holds("ByStates", len(b.ByStates), len(b.States))
	}
	if b.ByTextEmbeds != nil {
		holds("ByTextEmbeds", len(b.ByTextEmbeds), len(b.TextEmbeds))
	}
	return tokens, errors.Join(faults...)
}
