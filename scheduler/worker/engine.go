package worker

import (
	"context"

	"cosmicman/job"
)

// Engine is a device and the models that it can run. cmd adapts package
// inference to it; the simulator and tests have one whose time is made up.
type Engine interface {
	// Fingerprint names everything besides the request that an image depends on.
	Fingerprint() string
	// Device names the device for people.
	Device() string
	// Models lists what Open can open, the first being the default. Bytes are
	// estimates until a model is loaded.
	Models() []ModelInfo
	// Open loads a model, which may take long. Its error is a *job.Error.
	Open(ctx context.Context, name string) (Model, error)
}

// ModelInfo is a model that an engine can open.
type ModelInfo struct {
	Name  string
	Bytes int64 // of memory that it takes when loaded, estimated
}

// Model is a loaded model. Its methods are called by one goroutine, except Encode
// of an image file, which is not here: Picture.Encode may run beside the device.
type Model interface {
	// Begin starts the sequences of images. Texts that are not cached are encoded
	// in as few calls as possible; at most one Init with its Mask is among the starts. errs[i] is nil or a *job.Error: one bad item
	// fails alone.
	Begin(ctx context.Context, starts []Start) (seqs []Sequence, errs []error)
	// Step runs the UNet once for sequences of one group and lets each go on by one
	// network call. err is the call's: no sequence has moved, and job.OutOfMemory
	// means that fewer rows may work. errs[i] is one sequence's own, such as NaN.
	Step(ctx context.Context, seqs []Sequence) (errs []error, err error)
	// Decode runs the VAE on the final latents.
	Decode(ctx context.Context, s Sequence) (Picture, error)
	// Preview runs the VAE on the clean latents that the sequence's last call predicts. The
	// sequence is not changed.
	Preview(ctx context.Context, s Sequence) (Picture, error)
	// Rows returns how many rows the device is given when n are wanted: n, or the
	// bucket that n is padded to.
	Rows(g job.Group, n int) int
	// Bytes is the memory that the model takes.
	Bytes() int64
	Close() error
}

// Start is one image to begin.
type Start struct {
	Drawing job.Drawing
	Image   int // its seed is Drawing.Seed + Image

	// Init and Mask are the files that Drawing names, nil where it names none.
	Init, Mask []byte
}

// Sequence is one image on its way.
type Sequence interface {
	Group() job.Group
	Rows() int              // 1, or 2 with guidance
	Calls() (done, all int) // network calls
	Text() Text
	// Sketch returns a small JPEG of what the last call predicts, at no cost worth
	// counting; nil where there is none.
	Sketch() Picture
}

// Text says what of an image's texts is drawn.
type Text struct {
	Tokens, Windows  int    // of the prompt: its own tokens, and the windows of the text encoder that they fill
	Cut, NegativeCut string // the ends of prompt and negative prompt that did not fit, "" if all did
}

// Picture is a decoded image.
type Picture interface {
	// Size in pixels.
	Size() (width, height int)
	// Encode makes the image file. It may run on another goroutine than the device's.
	Encode() ([]byte, error)
}
