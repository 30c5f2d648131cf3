package inference

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"cosmicman/job"
	"cosmicman/weights/bind"
	"cosmicman/weights/lora"
)

// LoRA is a low-rank change of the networks that a request is drawn with.
type LoRA struct {
	Name string // for errors and image files
	*Adapter
	Weight float64 // of the whole change: 1 is as trained, 0 none
}

// maxRank bounds the ranks of a request's LoRAs together; job has the other bounds.
const maxRank = 2048

// Adapter is a LoRA file that fits a model. Its values are read when they are needed.
type Adapter struct {
	path   string
	digest string
	of     *Model
	layers []lora.Layer // without values
}

// Digest is the SHA-256 of the file's content, in hexadecimal digits.
func (a *Adapter) Digest() string { return a.digest }

// Path is where the file lies.
func (a *Adapter) Path() string { return a.path }

// Outline is what a LoRA file changes, by its names and shapes.
type Outline struct {
	Rank  int      // the highest of a module
	Parts []string // the networks, by their folders in a pipeline
}

// Outline is that of the adapter.
func (a *Adapter) Outline() Outline { return outlineOf(a.layers) }

func outlineOf(layers []lora.Layer) (o Outline) {
	for _, l := range layers {
		o.Rank = max(o.Rank, int(l.Rank))
		if !slices.Contains(o.Parts, l.Module.Component) {
			o.Parts = append(o.Parts, l.Module.Component)
		}
	}
	return o
}

// Adapter opens a LoRA file in any of the formats of package lora. One that is made
// for another model is an error that names the tensors which the model has no place for.
func (m *Model) Adapter(path string) (*Adapter, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	// The values are looked at once here, so that what is wrong with them is said now.
	read, err := lora.Read(path, names)
	if err != nil {
		return nil, err
	}
	a := &Adapter{path: path, of: m}
	for _, l := range read.Layers {
		l.A, l.B = nil, nil
		a.layers = append(a.layers, l)
	}
	if a.digest, err = FileDigest(path); err != nil {
		return nil, err
	}
	return a, nil
}

// Outline looks at the names and shapes in a LoRA file alone; the error says why it is
// none for this model.
func (m *Model) Outline(path string) (Outline, error) {
	names, err := m.names()
	if err != nil {
		return Outline{}, err
	}
	a, err := lora.Inspect(path, names)
	if err != nil {
		return Outline{}, err
	}
	return outlineOf(a.Layers), nil
}

// FileDigest is the SHA-256 of a file's content, in hexadecimal digits.
func FileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// names knows the modules of the model's networks.
func (m *Model) names() (*lora.Names, error) {
	m.namesOnce.Do(func() {
		parts := []lora.Component{{Name: lora.UNet, Params: bind.Params(m.unet.graph)}}
		for i := range m.texts {
			parts = append(parts, lora.Component{Name: textParts[i], Params: bind.Params(m.texts[i].graph)})
		}
		m.loraNames, m.namesErr = lora.NewNames(parts...)
	})
	return m.loraNames, m.namesErr
}

// textParts are the folders of the text encoders.
var textParts = [...]string{lora.TextEncoder, lora.TextEncoder2}

// checkLoRAs looks at the LoRAs of a request but for whose model they are of.
func (r *Request) checkLoRAs(errs *faults) {
	if n := len(r.LoRAs); n > job.MaxLoRAs {
		errs.add("lora", "has %d entries, at most %d are accepted", n, job.MaxLoRAs)
	}
	for _, l := range r.LoRAs {
		if !(math.Abs(l.Weight) <= job.MaxLoRAWeight) { // NaN is not
			errs.add("lora", "%s has the weight %v, expected a number from -%d to %d", l.Name, l.Weight, job.MaxLoRAWeight, job.MaxLoRAWeight)
		}
	}
}

// checkAdapters holds a request's LoRAs against the model.
func (m *Model) checkAdapters(r *Request, errs *faults) {
	ranks := map[string]int64{}
	most := int64(0)
	for _, l := range r.LoRAs {
		switch {
		case l.Adapter == nil:
			errs.add("lora", "%s has no file", l.Name)
		case l.of != m:
			errs.add("lora", "%s was opened for another model", l.Name)
		default:
			for _, layer := range l.layers {
				ranks[layer.Module.String()] += layer.Rank
				most = max(most, ranks[layer.Module.String()])
			}
		}
	}
	if most > maxRank {
		errs.add("lora", "has ranks of %d together, at most %d are accepted", most, maxRank)
	}
}

// effective are the LoRAs that change something.
func (r *Request) effective() []LoRA {
	return slices.DeleteFunc(slices.Clone(r.LoRAs), func(l LoRA) bool { return l.Weight == 0 })
}

// loraKey tells the changes of requests apart: "" is none.
func loraKey(all []LoRA) string {
	var b strings.Builder
	for _, l := range all {
		fmt.Fprintf(&b, "%s*%x ", l.digest, math.Float64bits(l.Weight))
	}
	return b.String()
}

// ErrAdapterChanged is what an error is when a LoRA file is not any more what was opened.
var ErrAdapterChanged = errors.New("the LoRA file has changed since it was opened")

// read returns the adapter with its values.
func (a *Adapter) read() (*lora.Adapter, error) {
	read, err := lora.Read(a.path, a.of.loraNames)
	now := ""
	if err == nil {
		now, err = FileDigest(a.path)
	}
	switch {
	case err != nil: // it could be read once
		return nil, fmt.Errorf("%w: %w", ErrAdapterChanged, err)
	case now != a.digest:
		return nil, fmt.Errorf("%s: %w", a.path, ErrAdapterChanged)
	}
	return read, nil
}
