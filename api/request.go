package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"

	"cosmicman/job"
)

// What a request does not say.
const (
	defaultSampler  = "ddim"
	defaultGuidance = 7.5
	defaultStrength = 0.8 // of a picture that is drawn anew
	maskedStrength  = 1.0 // where a mask allows it
	auto            = "auto"
)

// request is a checked request for images, whichever route and spelling it came by:
// see fields for what its fields mean. Its JSON is one for all spellings.
type request struct {
	Route          routes
	Prompt         *string
	Model          *string
	Count          *int
	Width, Height  int     // pixels; 0: the model's native size, or the input's
	Size           *string `json:"-"`
	Quality        *string
	ResponseFormat *string // nil: both
	Format         *string
	Compression    *int
	Stream         *bool
	Partials       *int
	Background     *string
	Moderation     *string
	Style          *string
	Fidelity       *string
	User           *string `json:"-"`

	NegativePrompt *string
	Steps          *int
	stepsAlias     *int
	Guidance       *float64
	Sampler        *string
	Eta            *float64
	Seed           *uint64 // nil: at random
	Strength       *float64
	Body, Outfit   json.RawMessage
	LongPrompt     *string
	PromptSyntax   *string
	LoRAs          []job.LoRA `json:",omitempty"`

	Inputs []string // what the pictures are told by, the image first, then the mask

	composed bool      // the prompt is not as it was given
	notes    []warning // of what was composed
}

// member is one field of a body as it was given.
type member struct {
	name string
	value
}

// readRequest checks fields one by one and against each other, and fills in what
// was not given.
func readRequest(on routes, members []member) (*request, error) {
	r := &request{Route: on}
	for _, m := range members {
		f, err := lookup(m.name, on)
		if err != nil {
			return nil, err
		}
		if !m.form && string(m.raw) == "null" {
			continue // as if it were not given
		}
		if err := f.read(r, m.value); err != nil {
			return nil, err
		}
	}
	return r, r.complete()
}

func (r *request) complete() error {
	if err := r.steps(); err != nil {
		return err
	}
	fill(&r.Count, 1)
	fill(&r.Quality, auto)
	fill(&r.Format, "png")
	fill(&r.Compression, 100)
	fill(&r.Stream, false)
	fill(&r.Partials, 0)
	fill(&r.Background, auto)
	fill(&r.Steps, qualities[*r.Quality].steps)
	fill(&r.Guidance, defaultGuidance)
	fill(&r.Sampler, defaultSampler)
	fill(&r.Eta, 0)
	fill(&r.LongPrompt, "chunk")
	fill(&r.PromptSyntax, "plain")
	if err := r.compose(); err != nil {
		return err
	}
	switch {
	case r.Route == variations:
		fill(&r.Prompt, "")
	case r.Prompt == nil:
		return invalid("prompt", "prompt is required")
	case r.Route == edits && *r.Prompt == "":
		return invalid("prompt", "prompt is empty, expected 1 to %d characters", maxPrompt)
	}
	switch {
	case r.Model != nil && *r.Model == "":
		return invalid("model", "model is empty")
	case *r.Background == "transparent":
		return invalid("background", "background is transparent, expected opaque or auto: these models draw no transparency")
	case r.Seed != nil && *r.Seed > math.MaxUint64-uint64(*r.Count-1):
		return invalid("seed", "seed is %d, which leaves the last of %d images none: expected at most 2^64-%d", *r.Seed, *r.Count, *r.Count)
	case *r.Partials > 0 && !*r.Stream:
		return invalid("partial_images", "partial_images is %d without stream: there would be no way to show them", *r.Partials)
	case *r.Format == "png" && *r.Compression < 100:
		return invalid("output_compression", "output_compression is %d, expected 100 with the output_format png: only jpeg and webp are compressed with loss", *r.Compression)
	}
	return r.size()
}

// steps takes num_inference_steps and its other name as one.
func (r *request) steps() error {
	if r.stepsAlias == nil {
		return nil
	}
	if r.Steps != nil && *r.Steps != *r.stepsAlias {
		return invalid("steps", "steps is %d and num_inference_steps is %d: they are two names of one number", *r.stepsAlias, *r.Steps)
	}
	r.Steps, r.stepsAlias = r.stepsAlias, nil
	return nil
}

func fill[T any](dst **T, v T) {
	if *dst == nil {
		*dst = &v
	}
}

var sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,4})x([1-9][0-9]{0,4})$`)

// size reads "512x768" or "auto". How large a model draws is the catalogue's to say.
func (r *request) size() error {
	if r.Size == nil || *r.Size == auto {
		return nil
	}
	m := sizeForm.FindStringSubmatch(*r.Size)
	if m == nil {
		return invalid("size", "size is %.60q, expected auto or WIDTHxHEIGHT such as 512x768", *r.Size)
	}
	for i, side := range []*int{&r.Width, &r.Height} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil || n%8 != 0 {
			return invalid("size", "size is %s, expected multiples of 8", *r.Size)
		}
		*side = n
	}
	return nil
}

// spec is the job that is asked for. A seed at random is chosen here, once.
func (r *request) spec() job.Spec {
	seed := uint64(rand.Uint32())
	if r.Seed != nil {
		seed = *r.Seed
	}
	d := job.Drawing{
		Prompt: *r.Prompt, NegativePrompt: r.NegativePrompt, Sampler: *r.Sampler, Steps: *r.Steps, GuidanceScale: *r.Guidance,
		Eta: *r.Eta, Seed: seed, Width: r.Width, Height: r.Height, Previews: *r.Partials, LoRAs: r.LoRAs,
	}
	if *r.LongPrompt == "chunk" {
		d.LongPrompt = "chunk"
	}
	if *r.PromptSyntax == "weighted" {
		d.PromptSyntax = "weighted"
	}
	if *r.Format != "png" {
		d.Format = *r.Format
		if *r.Compression < 100 {
			d.Compression = r.Compression
		}
	}
	spec := job.Spec{Count: *r.Count, Drawing: d}
	if r.Model != nil {
		spec.Model = *r.Model
	}
	return spec
}

// digest tells this request from every other one.
func (r *request) digest() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, numbers, and JSON that was checked
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
