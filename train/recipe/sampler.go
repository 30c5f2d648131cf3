package recipe

import (
	"context"
	"image"
)

// Sampler draws with what was learned so far. It is the engine's place in a run, which
// knows no engine.
type Sampler interface {
	Draw(ctx context.Context, r SampleRequest) ([]*image.NRGBA, error)
}

// SampleRequest is a sheet of images to draw.
type SampleRequest struct {
	Model, UNet, Variant string // folders and references, as [Config] has them
	LoRA                 string // a file, "" for none

	Prompts       []string // one image each, image i with the seed Seed + i
	Negative      string   // "" is none
	Sampler       string
	Steps         int
	Guidance      float64
	Seed          uint64
	Width, Height int // pixels
}
