package recipe

import (
	"cosmicman/train"
)

// Teach is what a run teaches.
type Teach string

// What can be taught. Text encoders learn beside the UNet where
// Config.TextEncoders says so.
const (
	TeachLoRA Teach = "lora" // low-rank changes of the UNet
	TeachUNet Teach = "unet" // all of its weights
	TeachVAE  Teach = "vae"  // the autoencoder, for a model from nothing
	TeachText Teach = "text" // the text encoders by themselves, for a model from nothing
)

// Config is everything that a run is told. Settings is the table of its fields, Default
// what they are when nothing is said.
type Config struct {
	Model, UNet, Variant string
	Teach                Teach
	TextEncoders         bool
	Output               string

	Data       []Source
	Unreadable string  // refuse or count
	HeldOut    float64 // below 1 a share, otherwise a number of images
	Images     Images
	Captions   Captions
	Maps       Maps

	Dropout Dropout
	Loss    Loss
	HOLA    HOLA
	VAE     VAE
	Text    Text

	LoRA LoRA

	Steps, Epochs     int // Epochs above 0 take the place of Steps
	Batch, Accumulate int
	LearningRate      float64
	Optimizer         train.AdamW
	Schedule          Schedule
	EMA               float64 // decay; 0 is no average
	Seed              uint64

	Checkpoint Checkpoint
	Validate   int // steps
	Samples    Samples
	Write      Write

	Cache     Cache
	Threads   int
	Recompute bool
	Ahead     int   // batches that are prepared before they are needed
	Memory    int64 // bytes that the run may take; 0: what is free
}

// Source is a data set or a folder of images.
type Source struct {
	Path    string
	Repeats int     // how often an epoch goes through it
	Weight  float64 // of its images in the loss
	Prior   bool    // what the model draws already and is to keep (prior preservation)
	Caption string  // of images without one; "" refuses them
	Trigger string  // words in front of all captions
}

// Images says how pictures are brought to size.
type Images struct {
	Width, Height int // pixels of the one size, or of the area of the buckets; 0: the model's
	Buckets       bool
	Step          int     // pixels that the buckets' sides are multiples of; 0: by the size
	MinSide       int     // pixels; 0: half of the size
	MaxSide       int     // pixels; 0: twice the size
	MaxRatio      float64 // of the longer side to the shorter
	Flip          float64 // share of the visits that see the mirror image
	Crop          string  // center or random
	Upscale       bool
	TrueSizes     bool // SDXL is told the pictures' own sizes and crops
}

// Captions says how captions are made from what is known of an image.
type Captions struct {
	Shuffle        bool    // groups and adjectives
	ShufflePhrases bool    // of texts
	Keep           int     // phrases of a text that stay at its beginning
	GroupDropout   float64 // share of the groups that are left out
	OutfitDropout  float64 // more, of groups from overall style on
}

// Maps says what parsing maps are and where they lie.
type Maps struct {
	Labels string // see [dataset.ParseLabels]
	Suffix string // of a map's name beside its image
	Folder string // parallel to the images'
}

// Dropout leaves the text out, so that the model learns to draw without.
type Dropout struct {
	Share float64
	Per   string // batch, as the published code does, or sample
}

// Loss says how what the UNet predicts is judged.
type Loss struct {
	NoiseOffset          float64
	MinSNRGamma          float64 // 0: every timestep counts as much
	PartWeight           float64 // how much small parts count: 0 as their area, 1 as any other
	NoisyShare, Noisiest float64 // see [train.Timesteps]
	Prediction           string  // auto, epsilon, v_prediction or sample
}

// HOLA is the supervision of attention.
type HOLA struct {
	Use string // auto: where there are maps; on: refuse data without; off
	train.HOLA
}

// VAE says how an autoencoder is judged.
type VAE struct {
	Loss     string // l1 or mse
	KLWeight float64
	Latents  string // how latents are brought to deviation 1: channels, scale or none
}

// Text says how text encoders learn by themselves.
type Text struct {
	EndWeight float64 // of the end mark, where a token counts 1
}

// LoRA says what the low-rank changes are.
type LoRA struct {
	Rank    int
	Alpha   float64 // 0: the rank
	Targets []string
	Format  string // kohya or diffusers
}

// Schedule is how the learning rate changes.
type Schedule struct {
	Name   string
	Warmup int // steps
	Cycles int
	Power  float64
}

// Checkpoint says when the run is saved.
type Checkpoint struct {
	Every   int // steps; 0: at the end alone
	Minutes int // also after so many; 0: no
	Keep    int
}

// Samples are images that are drawn on the way.
type Samples struct {
	Prompts       []string
	Negative      string
	Every         int // steps; 0: at the end alone
	Count         int // of prompts from the held-out captions where none are given
	Steps         int
	Guidance      float64
	Sampler       string
	Seed          uint64
	Width, Height int
}

// Write says what is left behind.
type Write struct {
	Precision string // fp32, fp16 or bf16
	Weights   string // average, live or both; average is live without EMA
	Pipeline  bool   // the whole of a model, not its changed parts alone
}

// Cache keeps what frozen networks say of the data.
type Cache struct {
	Dir   string // "": in the output; off: none
	Bytes int64  // 0: no bound
	Half  bool   // in float16
}

// Default is what holds where nothing is said: a LoRA as the field trains it, with the
// published code's loss.
func Default(t Teach) Config {
	c := Config{
		Teach: t, Unreadable: "refuse",
		Images:   Images{Buckets: true, MaxRatio: 2, Crop: "center", Upscale: true},
		Captions: Captions{GroupDropout: 0.1, OutfitDropout: 0.5, Shuffle: true},
		Maps:     Maps{Labels: "atr"},
		Dropout:  Dropout{Share: 0.1, Per: "batch"},
		Loss:     Loss{Prediction: "auto", Noisiest: 0.3},
		HOLA:     HOLA{Use: "auto", HOLA: train.DefaultHOLA()},
		VAE:      VAE{Loss: "l1", KLWeight: 1e-6, Latents: "channels"},
		Text:     Text{EndWeight: 1},
		LoRA:     LoRA{Rank: 16, Targets: []string{"attention"}, Format: "kohya"},
		Steps:    1000, Batch: 1, Accumulate: 1, LearningRate: 1e-4,
		Optimizer:  train.DefaultAdamW(),
		Schedule:   Schedule{Name: "constant", Cycles: 1, Power: 1},
		Checkpoint: Checkpoint{Every: 100, Keep: 2},
		Validate:   100,
		Samples:    Samples{Every: 200, Count: 4, Steps: 25, Guidance: 7.5, Sampler: "ddim", Seed: 17},
		Write:      Write{Precision: "fp32", Weights: "average"},
		Recompute:  true, Ahead: 4,
	}
	c.HOLA.Strides = nil
	switch t {
	case TeachUNet:
		// The published run.
		c.LearningRate, c.Batch, c.Accumulate, c.EMA = 1e-5, 4, 4, 0.9999
		c.Loss.NoiseOffset = 0.05
		c.Images.Flip = 0.5
	case TeachVAE:
		c.Write.Pipeline = true
		c.LearningRate, c.Batch, c.EMA = 1e-3, 8, 0.999
		c.Images.Buckets = false
		c.Images.Flip = 0.5
		c.Optimizer.WeightDecay = 0
	case TeachText:
		c.Write.Pipeline = true
		c.LearningRate, c.Batch = 1e-3, 64
		c.Optimizer.WeightDecay = 0
	}
	return c
}

// FromNothing is Default for the UNet of a small model that begins with random weights,
// after its autoencoder and its text encoders have learned.
func FromNothing() Config {
	c := Default(TeachUNet)
	c.Images.Buckets = false
	c.Dropout.Per = "sample"
	c.Loss.NoiseOffset, c.Loss.PartWeight = 0, 0.5
	// What colour a garment has is decided while there is much noise.
	c.Loss.NoisyShare, c.Loss.Noisiest = 0.5, 0.6
	c.Steps, c.Batch, c.Accumulate = 10000, 16, 1
	c.LearningRate, c.EMA = 5e-4, 0.999
	c.Schedule.Name, c.Schedule.Warmup = "cosine", 200
	c.Write.Pipeline = true
	return c
}
