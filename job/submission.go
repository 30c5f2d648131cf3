package job

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Submission is a job on its way into the queue.
type Submission struct {
	ID      ID     `json:"id"` // fresh, by the caller, so that a call that is repeated after a lost answer enters once
	Spec    Spec   `json:"spec"`
	Key     string `json:"key,omitempty"`     // idempotency key, "" for none; its scope is Spec.Tenant
	Digest  string `json:"digest,omitempty"`  // of what was asked, with a key: tells a repetition from another request
	Watcher string `json:"watcher,omitempty"` // registered as a watcher in the same step, "" for none
}

// Bounds of a job in any queue.
const (
	MaxImages  = 1000
	MaxSeconds = 1e6 // estimated, of one image
)

// Check refuses what no queue could keep as it is: the error is an Invalid that names
// the field. What can be drawn is the engine's to say.
func (s *Submission) Check() error {
	fault := func(field, format string, args ...any) error {
		err := Errorf(Invalid, format, args...)
		err.Field = field
		return err
	}
	spec := &s.Spec
	if _, err := ParseID(string(s.ID)); err != nil {
		return fault("id", "%v", err)
	}
	switch {
	case spec.Model == "":
		return fault("model", "the job names no model")
	case spec.Count < 1 || spec.Count > MaxImages:
		return fault("n", "the job asks for %d images, expected 1 to %d", spec.Count, MaxImages)
	case spec.Drawing.Seed > math.MaxUint64-uint64(spec.Count-1):
		return fault("seed", "the seed %d leaves the last of %d images none, expected at most 2^64-%d", spec.Drawing.Seed, spec.Count, spec.Count)
	case spec.Priority < High || spec.Priority > Low:
		return fault("priority", "the priority is %d, expected -1, 0 or 1", int(spec.Priority))
	case !(spec.Seconds >= 0 && spec.Seconds < MaxSeconds):
		return fault("seconds", "the job is estimated at %v seconds an image, expected 0 to %v", spec.Seconds, MaxSeconds)
	}
	if n := len(spec.Drawing.LoRAs); n > MaxLoRAs {
		return fault("lora", "the job has %d LoRAs, expected at most %d", n, MaxLoRAs)
	}
	// JSON would change them in silence.
	type text struct{ field, value string }
	texts := []text{
		{"model", spec.Model}, {"tenant", spec.Tenant}, {"prompt", spec.Drawing.Prompt}, {"negative_prompt", value(spec.Drawing.NegativePrompt)},
		{"sampler", spec.Drawing.Sampler}, {"idempotency_key", s.Key}, {"digest", s.Digest}, {"watcher", s.Watcher},
	}
	for i, l := range spec.Drawing.LoRAs {
		if !(math.Abs(l.Weight) <= MaxLoRAWeight) { // NaN is not
			return fault(fmt.Sprintf("lora[%d].weight", i), "lora[%d].weight is %v, expected a number from -%d to %d", i, l.Weight, MaxLoRAWeight, MaxLoRAWeight)
		}
		texts = append(texts, text{fmt.Sprintf("lora[%d].name", i), l.Name}, text{fmt.Sprintf("lora[%d].digest", i), l.Digest})
	}
	for _, text := range texts {
		if !utf8.ValidString(text.value) {
			return fault(text.field, "%s is not UTF-8", text.field)
		}
	}
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
