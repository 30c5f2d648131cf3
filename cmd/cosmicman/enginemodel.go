package main

import (
	"context"
	"image"
	"slices"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/picture"
	"cosmicman/scheduler/worker"
)

// engineModel is an opened model as a worker sees it. Its methods Bytes and Close
// are the model's own.
type engineModel struct {
	*inference.Model
	name     string
	adapters *adapters
}

func (m *engineModel) Begin(ctx context.Context, starts []worker.Start) ([]worker.Sequence, []error) {
	seqs, errs := make([]worker.Sequence, len(starts)), make([]error, len(starts))
	files := uploads{ctx, map[*byte]*image.NRGBA{}}
	var asked []inference.Start
	var places []int // of what is asked among starts
	for i, s := range starts {
		r := requestOf(&s.Drawing)
		if r.Init, errs[i] = files.decode(s.Init, "image"); errs[i] == nil {
			r.Mask, errs[i] = files.decode(s.Mask, "mask")
		}
		if errs[i] == nil {
			r.LoRAs, errs[i] = m.adapters.drawn(&s.Drawing)
		}
		if errs[i] == nil {
			asked, places = append(asked, inference.Start{Request: r, Image: s.Image}), append(places, i)
		}
	}
	begun, faults := m.Model.Begin(ctx, asked)
	if slices.ContainsFunc(starts, func(s worker.Start) bool { return s.Drawing.Sketches }) {
		_ = m.PrepareSketches(ctx) // without, there are none: images do not need them
	}
	for k, s := range begun {
		i := places[k]
		if faults[k] != nil {
			errs[i] = engineError(faults[k])
			continue
		}
		file, err := imageFileOf(&starts[i].Drawing)
		if err != nil {
			errs[i] = err
			continue
		}
		seqs[i] = &engineSequence{Sequence: s, of: m.Model, model: m.name, file: file, bare: starts[i].Drawing.NoMetadata}
	}
	return seqs, errs
}

// requestOf is the request of a drawing, without the images that it begins from and
// without LoRAs.
func requestOf(d *job.Drawing) *inference.Request {
	return &inference.Request{
		Prompt: d.Prompt, NegativePrompt: d.NegativePrompt, Sampler: d.Sampler, Steps: d.Steps, GuidanceScale: d.GuidanceScale,
		Eta: d.Eta, Seed: d.Seed, Width: d.Width, Height: d.Height, Strength: d.Strength,
		LongPrompt: d.LongPrompt, PromptSyntax: d.PromptSyntax,
	}
}

func (m *engineModel) Step(ctx context.Context, seqs []worker.Sequence) ([]error, error) {
	own := make([]*inference.Sequence, len(seqs))
	for i, s := range seqs {
		e, ok := s.(*engineSequence)
		if !ok || e.model != m.name {
			return nil, job.Errorf(job.Engine, "a sequence of another model than %s cannot be stepped by it", m.name)
		}
		own[i] = e.Sequence
	}
	errs, err := m.Advance(ctx, own)
	if err != nil {
		return nil, engineError(err)
	}
	for i := range errs {
		errs[i] = engineError(errs[i])
	}
	return errs, nil
}

func (m *engineModel) Decode(ctx context.Context, s worker.Sequence) (worker.Picture, error) {
	return m.picture(ctx, s, m.Model.Decode)
}

func (m *engineModel) Preview(ctx context.Context, s worker.Sequence) (worker.Picture, error) {
	return m.picture(ctx, s, m.DecodePreview)
}

func (m *engineModel) picture(ctx context.Context, s worker.Sequence, decode func(context.Context, *inference.Sequence) (*image.NRGBA, error)) (worker.Picture, error) {
	e, ok := s.(*engineSequence)
	if !ok || e.model != m.name {
		return nil, job.Errorf(job.Engine, "a sequence of another model than %s cannot be decoded by it", m.name)
	}
	img, err := decode(ctx, e.Sequence)
	if err != nil {
		return nil, engineError(err)
	}
	p := &enginePicture{image: img, file: e.file}
	if !e.bare {
		p.parameters = parameters(m.Model, e.Request(), e.Seed())
	}
	return p, nil
}

func (m *engineModel) Rows(g job.Group, n int) int {
	return m.Model.Rows(g.Variant, g.Height, g.Width, g.Tokens, n)
}

// engineSequence is an image on its way; Rows and Calls are the sequence's own.
type engineSequence struct {
	*inference.Sequence
	of    *inference.Model
	model string
	file  imageFile
	bare  bool // without metadata
}

func (s *engineSequence) Group() job.Group {
	_, h, w := s.Shape()
	return job.Group{Model: s.model, Variant: s.Variant(), Height: h, Width: w, Tokens: s.Context()}
}

func (s *engineSequence) Text() worker.Text {
	return worker.Text{Tokens: s.Tokens(), Windows: s.Windows(), Cut: s.Cut(), NegativeCut: s.NegativeCut()}
}

// Sketch bears the mark of synthetic images, but no parameters.
func (s *engineSequence) Sketch() worker.Picture {
	k := s.of.Sketch(s.Sequence)
	if k == nil {
		return nil
	}
	return &engineSketch{k, s.file.meta.Synthetic}
}

// engineSketch is a rough and small picture of an image on its way.
type engineSketch struct {
	*inference.Sketch
	marked bool
}

func (k *engineSketch) Size() (width, height int) {
	img := k.Image()
	return img.Rect.Dx(), img.Rect.Dy()
}

func (k *engineSketch) Encode() ([]byte, error) {
	const quality = 80
	return picture.Encode(k.Image(), picture.JPEG, quality, picture.Meta{Synthetic: k.marked})
}

// enginePicture is a decoded image and what its file will be.
type enginePicture struct {
	image      *image.NRGBA
	file       imageFile
	parameters string
}

func (p *enginePicture) Size() (width, height int) { return p.image.Rect.Dx(), p.image.Rect.Dy() }

func (p *enginePicture) Encode() ([]byte, error) {
	data, err := p.file.encode(p.image, p.parameters)
	if err != nil {
		return nil, &job.Error{Kind: job.Engine, Message: "the image cannot be encoded", Cause: err}
	}
	return data, nil
}
