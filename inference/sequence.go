package inference

import (
	"context"
	"fmt"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/ort"
)

// Sequence is one image on its way: everything that drawing it changes.
type Sequence struct {
	request      *Request
	seed         uint64
	cond, uncond *conditioning // uncond is nil without guidance
	sampler      diffusion.Sampler
	timesteps    []float32
	noise        *diffusion.Noise
	latents      []float32 // [channels, height, width]
	height       int64     // of the latents
	width        int64
	call         int // network calls done
}

// Calls returns how many network calls are done and how many there are: some
// samplers make two a step.
func (s *Sequence) Calls() (done, all int) { return s.call, len(s.timesteps) }

// Done reports whether the latents are final.
func (s *Sequence) Done() bool { return s.call == len(s.timesteps) }

// Latents are [channels, height, width], before the VAE's scaling is undone.
func (s *Sequence) Latents() []float32 { return s.latents }

// Seed is the image's own.
func (s *Sequence) Seed() uint64 { return s.seed }

// Sequences starts the images of a request with seeds r.Seed, r.Seed + 1, ...
// Texts are encoded once for all.
func (m *Model) Sequences(ctx context.Context, r *Request, count int) ([]*Sequence, error) {
	if err := m.Check(r); err != nil {
		return nil, err
	}
	cond, uncond, err := m.encodeRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]*Sequence, count)
	for i := range out {
		if out[i], err = m.start(r, r.Seed+uint64(i), cond, uncond); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *Model) start(r *Request, seed uint64, cond, uncond *conditioning) (*Sequence, error) {
	sampler, err := m.sampler(r)
	if err != nil {
		return nil, &Error{"sampler", err.Error()}
	}
	f := int64(m.VAE.Factor())
	s := &Sequence{
		request: r, seed: seed, cond: cond, uncond: uncond,
		sampler: sampler, timesteps: sampler.Timesteps(), noise: diffusion.NewNoise(seed),
		height: int64(r.Height) / f, width: int64(r.Width) / f,
	}
	s.latents = make([]float32, m.UNet.InChannels*s.height*s.width)
	s.noise.Normal(s.latents)
	sigma := sampler.InitNoiseSigma()
	for i := range s.latents {
		s.latents[i] *= sigma
	}
	return s, nil
}

// rows is how many rows of the UNet's batch the sequence takes.
func (s *Sequence) rows() int {
	if s.uncond != nil {
		return 2
	}
	return 1
}

// Step runs the UNet once for all sequences, which must have one latent shape
// and not be done, and lets each go on by one network call.
func (m *Model) Step(ctx context.Context, seqs ...*Sequence) error {
	b := batch{}
	for _, s := range seqs {
		if s.Done() || s.height != seqs[0].height || s.width != seqs[0].width || s.cond.tokens != seqs[0].cond.tokens {
			return fmt.Errorf("inference: sequences of one step must be unfinished and of one shape")
		}
		b.add(s)
	}
	first := seqs[0]
	inputs := map[string]ort.Tensor{
		"sample":                ort.Floats(b.sample, b.rows, m.UNet.InChannels, first.height, first.width),
		"timestep":              ort.Floats(b.timesteps, b.rows),
		"encoder_hidden_states": ort.Floats(b.states, b.rows, first.cond.tokens, m.UNet.CrossAttentionDim[0]),
	}
	if m.UNet.TextTime {
		inputs["text_embeds"] = ort.Floats(b.pooled, b.rows, m.UNet.TextEmbedDim())
		inputs["time_ids"] = ort.Floats(b.timeIDs, b.rows, model.TimeIDs)
	}
	out, err := m.unet.run(ctx, inputs)
	if err != nil {
		return err
	}
	output := out["output"].Float32()
	for _, s := range seqs {
		n := len(s.latents)
		guided := output[:n]
		if s.uncond != nil {
			guided = make([]float32, n)
			diffusion.Guide(guided, output[:n], output[n:2*n], float32(s.request.GuidanceScale))
		}
		output = output[s.rows()*n:]
		if err := s.sampler.Step(s.latents, guided, s.call, s.noise); err != nil {
			return err
		}
		s.call++
		if err := diffusion.CheckFinite(s.latents); err != nil {
			return fmt.Errorf("latents of seed %d after network call %d of %d: %w", s.seed, s.call, len(s.timesteps), err)
		}
	}
	return nil
}

// batch is the UNet's inputs, row after row; with guidance a sequence's
// unconditional row comes first.
type batch struct {
	rows                                       int64
	sample, timesteps, states, pooled, timeIDs []float32
}

func (b *batch) add(s *Sequence) {
	scaled := make([]float32, len(s.latents))
	s.sampler.ScaleInput(scaled, s.latents, s.call)
	h, w := float32(s.request.Height), float32(s.request.Width)
	for _, c := range []*conditioning{s.uncond, s.cond} {
		if c == nil {
			continue
		}
		b.rows++
		b.sample = append(b.sample, scaled...)
		b.timesteps = append(b.timesteps, s.timesteps[s.call])
		b.states = append(b.states, c.states...)
		b.pooled = append(b.pooled, c.pooled...)
		b.timeIDs = append(b.timeIDs, h, w, 0, 0, h, w) // diffusers' default: nothing was cropped
	}
}
