// Package newmodel makes models from nothing: a diffusers folder with random
// weights, of a built-in architecture or of any that configs describe. They are
// for tests, benchmarks and training from the start.
package newmodel

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/tokenizer"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

//go:embed archs/*.json
var archs embed.FS

// Names lists the built-in architectures.
func Names() []string {
	entries, err := fs.Glob(archs, "archs/*.json")
	if err != nil {
		return nil
	}
	for i, e := range entries {
		entries[i] = strings.TrimSuffix(filepath.Base(e), ".json")
	}
	return entries
}

// Arch is a pipeline's configs by part: model_index, unet, vae, text_encoder,
// text_encoder_2 (SDXL) and scheduler, each as its config file says it.
type Arch map[string]json.RawMessage

// LoadArch returns a built-in architecture by name, or the one in a JSON file
// whose keys are the parts.
func LoadArch(ref string) (Arch, error) {
	data, err := archs.ReadFile("archs/" + ref + ".json")
	if err != nil || strings.ContainsAny(ref, "/\\") {
		if !strings.HasSuffix(ref, ".json") {
			return nil, fmt.Errorf("no architecture %q: expected %s or a .json file", ref, strings.Join(Names(), ", "))
		}
		if data, err = os.ReadFile(ref); err != nil {
			return nil, err
		}
	}
	var a Arch
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("%s: expected a JSON object of configs by part: %w", ref, err)
	}
	known := []string{"model_index", "unet", "vae", "text_encoder", "text_encoder_2", "scheduler"}
	var faults []error
	for part := range a {
		if !slices.Contains(known, part) {
			faults = append(faults, fmt.Errorf("%s: no pipeline has a part %q, only %s", ref, part, strings.Join(known, ", ")))
		}
	}
	for _, part := range known {
		if a[part] == nil && part != "text_encoder_2" {
			faults = append(faults, fmt.Errorf("%s: the part %q is missing", ref, part))
		}
	}
	return a, errors.Join(faults...)
}

// Values says which rule weights follow.
type Values string

const (
	// Contrast are values with which images answer to all that a model is given, for
	// tests and benchmarks: package fill's Tensor.
	Contrast Values = "contrast"
	// Torch are those that PyTorch's modules start from, to be trained: fill.Start.
	Torch Values = "torch"
)

// Options of a new model.
type Options struct {
	Seed     uint64
	Values   Values       // "" stands for Contrast
	DType    tensor.DType // of the files; Invalid stands for Float32
	MaxShard int64        // bytes, 0 for diffusers' 10 GB
	Progress func(part string, params int64)
}

// Write makes the folder dir, which must not exist or be empty. Every weight
// follows from the seed, its part and its name (see package fill). Everything that
// is wrong with the configs is in the error.
func Write(ctx context.Context, dir string, a Arch, o Options) (err error) {
	if o.DType == tensor.Invalid {
		o.DType = tensor.Float32
	}
	if o.Values == "" {
		o.Values = Contrast
	}
	if o.Values != Contrast && o.Values != Torch {
		return fmt.Errorf("values %q, expected %s or %s", o.Values, Contrast, Torch)
	}
	nets, err := networks(a)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return err
	}
	// Everything is written aside, so that dir is a model or nothing.
	aside, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".cosmicman-new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(aside))
		}
	}()
	if err := os.Chmod(aside, 0o755); err != nil {
		return err
	}
	for part, raw := range a {
		name := map[string]string{"model_index": "model_index.json", "scheduler": "scheduler/scheduler_config.json"}[part]
		if name == "" {
			name = part + "/config.json"
		}
		var text bytes.Buffer
		if err := json.Indent(&text, raw, "", "  "); err != nil {
			return err
		}
		path := filepath.Join(aside, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, append(text.Bytes(), '\n'), 0o644); err != nil {
			return err
		}
	}
	for i, t := range []struct {
		part string
		save func(string) error
	}{{"tokenizer", tokenizer.Default().Save}, {"tokenizer_2", tokenizer.DefaultZeroPad().Save}} {
		if i == 1 && a["text_encoder_2"] == nil {
			break
		}
		if err := t.save(filepath.Join(aside, t.part)); err != nil {
			return err
		}
	}
	for _, n := range nets {
		if o.Progress != nil {
			var sum int64
			for _, p := range n.params {
				e, _ := p.Shape.Elements()
				sum += e
			}
			o.Progress(n.part, sum)
		}
		values, err := n.values(a[n.part], o)
		if err != nil {
			return err
		}
		out := weights.Output{Tensors: n.params, DType: o.DType, Values: func(i int, dst []float32) error {
			return errors.Join(values(i, dst), ctx.Err())
		}}
		if err := weights.WriteSharded(ctx, filepath.Join(aside, n.part), n.stem, out, o.MaxShard); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(aside, dir)
}

type netParams struct {
	part, stem string
	params     []weights.Param
}

// values returns what fills a tensor by its number.
func (n netParams) values(config json.RawMessage, o Options) (func(i int, dst []float32) error, error) {
	if o.Values == Contrast {
		return func(i int, dst []float32) error {
			fill.Tensor(dst, fill.Key{Seed: o.Seed, Part: n.part, Name: n.params[i].Name}, n.params[i].Shape)
			return nil
		}, nil
	}
	shapes := map[string]tensor.Shape{}
	for _, p := range n.params {
		shapes[p.Name] = p.Shape
	}
	s := fill.Start{Seed: o.Seed, Part: n.part, Shape: func(name string) tensor.Shape { return shapes[name] }}
	if strings.HasPrefix(n.part, "text_encoder") {
		own := struct {
			Layers int64    `json:"num_hidden_layers"`
			Factor *float64 `json:"initializer_factor"`
		}{Layers: 12}
		if err := json.Unmarshal(config, &own); err != nil {
			return nil, fmt.Errorf("%s: %w", n.part, err)
		}
		s.Layers, s.Factor = own.Layers, 1
		if own.Factor != nil {
			s.Factor = *own.Factor
		}
	}
	return func(i int, dst []float32) error { return s.Tensor(dst, n.params[i].Name) }, nil
}

// networks writes every graph, which checks the configs, and lists their
// parameters.
func networks(a Arch) ([]netParams, error) {
	var out []netParams
	var faults []error
	add := func(part, stem string, err error, graphs ...*onnx.Graph) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", part, err))
			return
		}
		out = append(out, netParams{part: part, stem: stem, params: bind.Params(graphs...)})
	}
	for _, part := range []string{"text_encoder", "text_encoder_2"} {
		if a[part] == nil {
			continue
		}
		c, err := model.ParseText(a[part], part == "text_encoder_2")
		var g *onnx.Graph
		if n := int64(tokenizer.Default().VocabSize()); err == nil && c.Vocabulary < n {
			err = fmt.Errorf("vocab_size is %d, expected at least %d: the tokenizer is CLIP's", c.Vocabulary, n)
		}
		if err == nil {
			g, err = model.Text(c)
		}
		add(part, "model", err, g)
	}
	u, err := model.ParseUNet(a["unet"])
	var g *onnx.Graph
	if err == nil {
		g, err = model.UNet(u)
	}
	add("unet", "diffusion_pytorch_model", err, g)
	v, err := model.ParseVAE(a["vae"])
	var enc, dec *onnx.Graph
	if err == nil {
		if enc, err = model.VAEEncoder(v); err == nil {
			dec, err = model.VAEDecoder(v)
		}
	}
	add("vae", "diffusion_pytorch_model", err, enc, dec)
	if _, err := diffusion.ParseConfig(a["scheduler"]); err != nil {
		faults = append(faults, fmt.Errorf("scheduler: %w", err))
	}
	return out, errors.Join(faults...)
}
