package main

import (
	"context"
	"errors"
	"image"
	"path/filepath"

	"cosmicman/inference"
	"cosmicman/ort"
	"cosmicman/train/recipe"
	"cosmicman/weights"
)

// trainSampler draws a run's samples with the engine. A model is opened for a sheet and
// closed again, so that its memory is the learner's in between.
type trainSampler struct {
	runtime  *ort.Runtime
	hubCache string
	threads  int
}

func (s *trainSampler) Draw(ctx context.Context, r recipe.SampleRequest) (images []*image.NRGBA, err error) {
	ref := modelRef{Ref: r.Model, UNet: r.UNet}
	ref.expand()
	p, err := weights.Open(ref.Ref, weights.Options{UNet: ref.UNet, Variant: r.Variant, HubCache: s.hubCache})
	if err != nil {
		return nil, err
	}
	m, err := inference.Load(s.runtime, p, inference.Settings{Threads: s.threads, Lean: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	var loras []inference.LoRA
	if r.LoRA != "" {
		a, err := m.Adapter(r.LoRA)
		if err != nil {
			return nil, err
		}
		loras = append(loras, inference.LoRA{Name: filepath.Base(r.LoRA), Adapter: a, Weight: 1})
	}
	for i, prompt := range r.Prompts {
		q := inference.Request{
			Prompt: prompt, Sampler: r.Sampler, Steps: r.Steps, GuidanceScale: r.Guidance, Seed: r.Seed + uint64(i),
			Width: r.Width, Height: r.Height, LoRAs: loras,
		}
		if r.Negative != "" {
			q.NegativePrompt = &r.Negative
		}
		seqs, err := m.Sequences(ctx, &q, 1)
		if err != nil {
			return nil, err
		}
		for !seqs[0].Done() {
			if err := m.Step(ctx, seqs...); err != nil {
				return nil, err
			}
		}
		img, err := m.Decode(ctx, seqs[0])
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}
