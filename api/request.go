package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"cosmicman/job"
)

const (
	maxBody   = 1 << 20
	maxPrompt = 32000 // characters, OpenAI's limit for its GPT image models
	maxImages = 10
)

// What a request does not say.
const (
	defaultSampler  = "ddim"
	defaultSteps    = 30
	defaultGuidance = 7.5
)

// generationRequest is a checked request, of which the JSON is one for all
// spellings.
type generationRequest struct {
	Model         string
	Prompt        string
	Count         int
	Width, Height int     // 0: the model's native size
	Seed          *uint64 // nil: at random
}

// spec is the job that is asked for. A seed at random is chosen here, once.
func (r *generationRequest) spec() job.Spec {
	seed := uint64(rand.Uint32())
	if r.Seed != nil {
		seed = *r.Seed
	}
	return job.Spec{
		Needs: job.Version, Model: r.Model, Count: r.Count,
		Drawing: job.Drawing{
			Prompt: r.Prompt, Sampler: defaultSampler, Steps: defaultSteps, GuidanceScale: defaultGuidance,
			Seed: seed, Width: r.Width, Height: r.Height,
		},
	}
}

// digest tells this request from every other one.
func (r *generationRequest) digest() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// decode reads the body strictly: JSON, UTF-8, one object, known fields once,
// each of its type and within its limits.
func decode(w http.ResponseWriter, r *http.Request) (*generationRequest, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "the Content-Type must be application/json"}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", message: "a Content-Encoding is not accepted"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", message: fmt.Sprintf("the body is over %d bytes", maxBody)}
	case err != nil:
		return nil, invalid("", "the body could not be read")
	case !utf8.Valid(body):
		return nil, invalid("", "the body is not UTF-8")
	}
	fields, err := object(body)
	if err != nil {
		return nil, err
	}
	out := &generationRequest{Count: 1}
	seen := false
	for name, raw := range fields {
		if string(raw) == "null" && name != "prompt" {
			continue
		}
		switch name {
		case "prompt":
			seen = true
			err = text(name, raw, &out.Prompt)
			if n := utf8.RuneCountInString(out.Prompt); err == nil && n > maxPrompt {
				err = invalid(name, "prompt has %d characters, at most %d are accepted", n, maxPrompt)
			}
		case "model":
			if err = text(name, raw, &out.Model); err == nil && out.Model == "" {
				err = invalid(name, "model is empty")
			}
		case "n":
			err = number(name, raw, &out.Count)
			if n := out.Count; err == nil && (n < 1 || n > maxImages) {
				err = invalid(name, "n is %d, expected 1 to %d", n, maxImages)
			}
		case "size":
			err = size(raw, out)
		case "seed":
			var n uint64
			if json.Unmarshal(raw, &n) != nil {
				err = invalid(name, "seed must be a whole number from 0 to 2^64-1")
			}
			out.Seed = &n
		case "response_format":
			var s string
			if err = text(name, raw, &s); err == nil && s != "b64_json" {
				err = invalid(name, "response_format is %q, only b64_json is supported", s)
			}
		default:
			err = invalid(name, "unknown field %q", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seen {
		return nil, invalid("prompt", "prompt is required")
	}
	return out, nil
}

// object splits a JSON object into its fields and refuses duplicates and
// anything after it.
func object(body []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	bad := func() error { return invalid("", "the body must be one JSON object") }
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad()
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, bad()
		}
		if _, twice := fields[name]; twice {
			return nil, invalid(name, "the field %q is given twice", name)
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, bad()
		}
		fields[name] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, bad()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad()
	}
	return fields, nil
}

func text(name string, raw json.RawMessage, dst *string) error {
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, dst) != nil {
		return invalid(name, "%s must be a string", name)
	}
	return nil
}

func number(name string, raw json.RawMessage, dst *int) error {
	if json.Unmarshal(raw, dst) != nil {
		return invalid(name, "%s must be a whole number", name)
	}
	return nil
}

// size reads "512x768" or "auto".
func size(raw json.RawMessage, out *generationRequest) error {
	var s string
	if err := text("size", raw, &s); err != nil || s == "auto" {
		return err
	}
	w, h, ok := strings.Cut(s, "x")
	width, err1 := strconv.ParseUint(w, 10, 16)
	height, err2 := strconv.ParseUint(h, 10, 16)
	if !ok || err1 != nil || err2 != nil || width == 0 || height == 0 {
		return invalid("size", "size is %q, expected auto or WIDTHxHEIGHT such as 512x768", s)
	}
	out.Width, out.Height = int(width), int(height)
	return nil
}
