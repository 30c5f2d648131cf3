package inference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/ort"
	"cosmicman/weights/lora"
)

// Step is Advance for sequences that fail together.
func (m *Model) Step(ctx context.Context, seqs ...*Sequence) error {
	errs, err := m.Advance(ctx, seqs)
	return errors.Join(append(errs, err)...)
}

// Advance runs the UNet once for all sequences, which must have one latent shape,
// context and variant, and lets each go on by one network call. What a sequence becomes does not
// depend on the others (see Proofs).
//
// err is the call's own: no sequence has moved, the call can be made again, and
// with [ErrOutOfMemory] fewer sequences may work. errs[i] is what ended seqs[i],
// such as numbers that are not finite; the others have gone on.
func (m *Model) Advance(ctx context.Context, seqs []*Sequence) (errs []error, err error) {
	errs = make([]error, len(seqs))
	var b batch
	seen := map[*Sequence]bool{}
	for i, s := range seqs {
		if s.Done() || seen[s] || s.shape() != seqs[0].shape() {
			return nil, errors.New("inference: sequences of one step must be unfinished, different ones and of one shape")
		}
		seen[s] = true
		if errs[i] = s.failed; s.failed == nil {
			b.add(s)
		}
	}
	if len(b.rows) == 0 {
		return errs, ctx.Err()
	}
	first := seqs[0]
	out, err := m.adapted[lora.UNet].runRows(ctx, first.form().class, first.shape(), b.pieces, func(rows []int) map[string]ort.Tensor {
		return m.unetInputs(&b, rows, first)
	})
	if err != nil {
		return nil, err
	}
	output := out["output"]
	for i, s := range seqs {
		if s.failed != nil {
			continue
		}
		errs[i] = s.advance(b.scaled[s], output[:s.Rows()])
		output = output[s.Rows():]
	}
	return errs, nil
}

// advance lets a sequence go on by the network's output. What fails ends it: its
// latents may have changed.
func (s *Sequence) advance(input []float32, rows [][]float32) error {
	output := make([]float32, len(s.latents)) // its own: the rows' memory is the whole batch's
	if s.uncond != nil {
		diffusion.Guide(output, rows[0], rows[1], float32(s.request.GuidanceScale))
	} else {
		copy(output, rows[0])
	}
	if err := s.sampler.Step(s.latents, output, s.call, s.noise); err != nil {
		s.failed = fmt.Errorf("seed %d, network call %d of %d: %w", s.seed, s.call+1, len(s.timesteps), err)
		return s.failed
	}
	s.call++
	if s.around != nil {
		s.around.restore(s)
	}
	s.input, s.output = input, output
	return nil
}

// shape names what the UNet's inputs depend on beside the rows.
func (s *Sequence) shape() string {
	return shapeName(s.Variant(), int(s.height), int(s.width), s.Context())
}

func shapeName(variant string, height, width, tokens int) string {
	name := fmt.Sprintf("%dx%d/%d", height, width, tokens)
	if variant != "" {
		name += "+" + variant
	}
	return name
}

// Rows is how many rows the device is given where n rows of a variant are packed: n, or
// more by padding. Sizes are those of the latents.
func (m *Model) Rows(variant string, height, width, tokens, n int) int {
	return m.adapted[lora.UNet].given(classOf(variant), shapeName(variant, height, width, tokens), n)
}

// batch is the UNet's rows; with guidance a sequence's unconditional row comes
// first.
type batch struct {
	pieces []int // rows of each sequence
	rows   []batchRow
	scaled map[*Sequence][]float32

	slots []*factors // of adapted rows, each once
	bank  map[string]ort.Tensor
}

type batchRow struct {
	*Sequence
	scaled []float32
	text   *conditioning
}

func (b *batch) add(s *Sequence) {
	scaled := make([]float32, len(s.latents))
	s.sampler.ScaleInput(scaled, s.latents, s.call)
	if b.scaled == nil {
		b.scaled = map[*Sequence][]float32{}
	}
	b.scaled[s] = scaled
	b.pieces = append(b.pieces, s.Rows())
	if f := s.lora.part(lora.UNet); f != nil && !slices.Contains(b.slots, f) {
		b.slots = append(b.slots, f)
	}
	for _, c := range []*conditioning{s.uncond, s.cond} {
		if c != nil {
			b.rows = append(b.rows, batchRow{s, scaled, c})
		}
	}
}

// unetInputs puts chosen rows together.
func (m *Model) unetInputs(b *batch, rows []int, first *Sequence) map[string]ort.Tensor {
	var sample, timesteps, states, pooled, timeIDs []float32
	var slot []int64
	for _, i := range rows {
		r := b.rows[i]
		sample = append(sample, r.scaled...)
		timesteps = append(timesteps, r.timesteps[r.call])
		for _, w := range r.text.windows {
			states = append(states, w.states...)
		}
		pooled = append(pooled, r.text.pooled()...)
		h, w := float32(r.request.Height), float32(r.request.Width)
		timeIDs = append(timeIDs, h, w, 0, 0, h, w) // diffusers' default: nothing was cropped
		slot = append(slot, int64(slices.Index(b.slots, r.lora.part(lora.UNet))))
	}
	n := int64(len(rows))
	inputs := map[string]ort.Tensor{
		"sample":                ort.Floats(sample, n, m.UNet.InChannels, first.height, first.width),
		"timestep":              ort.Floats(timesteps, n),
		"encoder_hidden_states": ort.Floats(states, n, first.cond.tokens, m.UNet.CrossAttentionDim[0]),
	}
	if m.UNet.TextTime {
		inputs["text_embeds"] = ort.Floats(pooled, n, m.UNet.TextEmbedDim())
		inputs["time_ids"] = ort.Floats(timeIDs, n, model.TimeIDs)
	}
	if len(b.slots) > 0 {
		if b.bank == nil {
			b.bank = slots(b.slots)
		}
		maps.Copy(inputs, b.bank)
		inputs[model.AdapterSlot] = ort.Ints(slot, n)
	}
	return inputs
}
