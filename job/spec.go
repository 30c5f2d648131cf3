package job

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the schema of the records that this program writes. A worker leaves
// alone a record whose Needs is above its own Version, so that old and new workers
// can share a queue while a site is upgraded.
const Version = 3

// Spec is a job as it was accepted. The queue stores it whole and never changes it.
type Spec struct {
	Needs    int       `json:"needs"`            // the least Version that understands it
	Tenant   string    `json:"tenant,omitempty"` // whose share of the devices it takes
	Priority Priority  `json:"priority"`
	Model    string    `json:"model"`
	Count    int       `json:"count"`   // images; image i is drawn with seed Drawing.Seed + i
	Seconds  float64   `json:"seconds"` // estimated device seconds of one image: admission and fairness count in them
	Deadline time.Time `json:"deadline,omitzero"`
	Detached bool      `json:"detached,omitempty"` // asked for asynchronously: lives on without watchers
	Drawing  Drawing   `json:"drawing"`

	// Trace is the W3C traceparent of the request that asked for it, "" for none.
	Trace string `json:"trace,omitempty"`

	// Meta is for whoever submitted it: what is needed to answer. Nobody else reads it.
	Meta json.RawMessage `json:"meta,omitempty"`
}

// Drawing is what one image is drawn from; see inference.Request for the meaning
// and limits of the fields.
type Drawing struct {
	Prompt         string  `json:"prompt"`
	NegativePrompt *string `json:"negative_prompt,omitempty"`
	Sampler        string  `json:"sampler"`
	Steps          int     `json:"steps"`
	GuidanceScale  float64 `json:"guidance_scale"`
	Eta            float64 `json:"eta,omitempty"`
	Seed           uint64  `json:"seed"`
	Width          int     `json:"width"`  // pixels; 0: the model's native size
	Height         int     `json:"height"` // pixels; 0: the model's native size

	// LongPrompt says what becomes of text beyond the text encoder's window: "chunk",
	// or "" for truncate, diffusers' way. PromptSyntax is "weighted" where parentheses
	// are emphasis, "" where they are text.
	LongPrompt   string `json:"long_prompt,omitempty"`
	PromptSyntax string `json:"prompt_syntax,omitempty"`

	// Init and Mask name artifacts, PNGs: the image to begin from, and where it may
	// change (white: repaint). Strength, above 0 and up to 1, is theirs: the share of
	// the steps that is taken. 0 without Init.
	Init     string  `json:"init,omitempty"`
	Mask     string  `json:"mask,omitempty"`
	Strength float64 `json:"strength,omitempty"`

	// LoRAs are what changes the model's networks, at most MaxLoRAs.
	LoRAs []LoRA `json:"loras,omitempty"`

	// Format of the file: "" or "png", "jpeg", "webp". Compression is OpenAI's
	// output_compression, 0 to 100, nil for 100: the quality of jpeg and webp.
	Format      string `json:"format,omitempty"`
	Compression *int   `json:"compression,omitempty"`

	Previews   int  `json:"previews,omitempty"`    // how many decoded previews are wanted, at evenly spaced steps
	Sketches   bool `json:"sketches,omitempty"`    // cheap previews are wanted, as often as progress is told
	NoMetadata bool `json:"no_metadata,omitempty"` // leave the parameters out of the image file
	NoMark     bool `json:"no_mark,omitempty"`     // leave out the mark that the image is synthetic
}

// LoRA is a LoRA file and how much of it is taken.
type LoRA struct {
	Name   string  `json:"name"`   // that workers know it by
	Digest string  `json:"digest"` // SHA-256 of the file, in hexadecimal digits: which file of that name is meant
	Weight float64 `json:"weight"` // 1 is as it was trained
}

// MaxLoRAs bounds those of one drawing, MaxLoRAWeight their weights to either side of 0.
const (
	MaxLoRAs      = 8
	MaxLoRAWeight = 10
)

// Needs is the least Version that draws d as it is meant.
func (d *Drawing) Needs() int {
	if len(d.LoRAs) > 0 {
		return 3
	}
	if d.LongPrompt != "" || d.PromptSyntax != "" || d.Init != "" || d.Mask != "" || d.Format != "" && d.Format != "png" || d.Compression != nil {
		return 2
	}
	return 1
}

// Ext is the extension of the file that d asks for, with its dot.
func (d *Drawing) Ext() string {
	switch d.Format {
	case "":
		return ".png"
	case "jpeg":
		return ".jpg"
	}
	return "." + d.Format
}

// MediaType is that of the file that d asks for.
func (d *Drawing) MediaType() string {
	if d.Format == "" {
		return "image/png"
	}
	return "image/" + d.Format
}

// Priority orders jobs; a lower class is never starved, see package scheduler.
type Priority int

// Three classes. The zero value is the usual one.
const (
	High   Priority = -1
	Normal Priority = 0
	Low    Priority = 1
)

var priorityNames = map[Priority]string{High: "high", Normal: "normal", Low: "low"}

func (p Priority) String() string { return priorityNames[p] }

// MarshalText writes high, normal or low.
func (p Priority) MarshalText() ([]byte, error) {
	if s, ok := priorityNames[p]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("priority %d is none of -1, 0, 1", int(p))
}

// UnmarshalText reads high, normal or low.
func (p *Priority) UnmarshalText(text []byte) error {
	for k, s := range priorityNames {
		if s == string(text) {
			*p = k
			return nil
		}
	}
	return fmt.Errorf("priority is %.40q, expected high, normal or low", text)
}
