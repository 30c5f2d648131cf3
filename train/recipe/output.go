package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cosmicman/artifact"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// values are what was trained, by the names of components and of their tensors. What is
// not there is as it was.
type values map[string]map[string][]float32

func (v values) set(component, name string, data []float32) {
	if v[component] == nil {
		v[component] = map[string][]float32{}
	}
	v[component][name] = data
}

// dtypeOf is the element type of a setting's name.
func dtypeOf(precision string) tensor.DType {
	switch precision {
	case "fp16":
		return tensor.Float16
	case "bf16":
		return tensor.BFloat16
	}
	return tensor.Float32
}

// asidePattern names folders that are removed when what is in them has its place.
const asidePattern = ".aside-*"

// replaceFolder makes dir anew: what write leaves in a folder beside it takes its place
// once it is whole.
func replaceFolder(dir string, write func(aside string) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), asidePattern)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	fresh, old := filepath.Join(aside, "new"), filepath.Join(aside, "old")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	if err := write(fresh); err != nil {
		return err
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		// The name is free again where there was one before.
		if back := os.Rename(old, dir); back != nil && !errors.Is(back, fs.ErrNotExist) {
			return errors.Join(err, back)
		}
		return err
	}
	return nil
}

// writeComponent writes a network's folder: its config as it is, and its weights, of
// which those in trained are new.
func (b *base) writeComponent(ctx context.Context, dir string, c *weights.Component, trained map[string][]float32, dtype tensor.DType) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	params := b.params[c.Name]
	for name := range trained {
		if _, ok := b.param(c.Name, name); !ok {
			return fmt.Errorf("%s has no tensor %s to write", c.Name, name)
		}
	}
	if err := artifact.WriteFile(filepath.Join(dir, "config.json"), c.Config.JSON); err != nil {
		return err
	}
	stem := "diffusion_pytorch_model"
	if c.Kind == weights.TextEncoder {
		stem = "model"
	}
	return weights.WriteSharded(ctx, dir, stem, weights.Output{Tensors: params, DType: dtype, Values: func(i int, dst []float32) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v, is := trained[params[i].Name]; is {
			if len(v) != len(dst) {
				return fmt.Errorf("%s: %s has %d values, expected %d", c.Name, params[i].Name, len(v), len(dst))
			}
			copy(dst, v)
			return nil
		}
		e, ok := c.Index.Lookup(params[i].Name)
		if !ok {
			return fmt.Errorf("%s: no tensor %s", c.Dir, params[i].Name)
		}
		return weights.ReadFloat32(dst, e)
	}}, 0)
}

// writePipeline writes the whole model into dir, a folder that is there and empty. Where
// linked, what was not trained is a link to where it lies, for a folder that lives for a
// moment.
func (b *base) writePipeline(ctx context.Context, dir string, trained values, dtype tensor.DType, prediction string, linked bool) error {
	keep := map[string]bool{"scheduler": true}
	for _, c := range b.Components() {
		keep[c.Name] = true
		to := filepath.Join(dir, c.Name)
		var err error
		if linked && trained[c.Name] == nil {
			var from string
			if from, err = filepath.Abs(c.Dir); err == nil {
				err = os.Symlink(from, to)
			}
		} else {
			err = b.writeComponent(ctx, to, c, trained[c.Name], dtype)
		}
		if err != nil {
			return err
		}
	}
	for name, from := range map[string]string{"tokenizer": b.Tokenizer, "tokenizer_2": b.Tokenizer2} {
		if from == "" {
			continue
		}
		keep[name] = true
		if err := copyFolder(from, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	scheduler, err := withPrediction(b.Scheduler.JSON, prediction)
	if err != nil {
		return fmt.Errorf("%s: %w", b.Scheduler.Path, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "scheduler"), 0o755); err != nil {
		return err
	}
	if err := artifact.WriteFile(filepath.Join(dir, "scheduler", "scheduler_config.json"), scheduler); err != nil {
		return err
	}
	path := filepath.Join(b.Dir, "model_index.json")
	index, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if index, err = withoutParts(index, keep); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return artifact.WriteFile(filepath.Join(dir, "model_index.json"), index)
}

// withPrediction is a scheduler's config with what the UNet predicts now; "" leaves it.
func withPrediction(config []byte, prediction string) ([]byte, error) {
	if prediction == "" {
		return config, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(config, &keys); err != nil {
		return nil, err
	}
	keys["prediction_type"], _ = json.Marshal(prediction) // a text always can be
	return indented(keys)
}

// withoutParts is a model_index.json that names no part but those that are kept: a
// safety checker or a feature extractor is not written.
func withoutParts(index []byte, keep map[string]bool) ([]byte, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(index, &keys); err != nil {
		return nil, err
	}
	for name, raw := range keys {
		if part := []string(nil); !strings.HasPrefix(name, "_") && json.Unmarshal(raw, &part) == nil && len(part) == 2 && !keep[name] {
			keys[name] = json.RawMessage(`[null, null]`)
			if name == "safety_checker" {
				keys["requires_safety_checker"] = json.RawMessage("false")
			}
		}
	}
	return indented(keys)
}

func indented(keys map[string]json.RawMessage) ([]byte, error) {
	data, err := json.MarshalIndent(keys, "", "  ")
	return append(data, '\n'), err
}

// copyFolder copies the files of a folder, without folders in it. Links are followed, as
// a snapshot of the hub's cache is made of them.
func copyFolder(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		if info, err := os.Stat(path); err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := artifact.WriteFile(filepath.Join(to, e.Name()), data); err != nil {
			return err
		}
	}
	return nil
}
