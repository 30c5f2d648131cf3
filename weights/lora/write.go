package lora

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// Options of a file to be written.
type Options struct {
	DType tensor.DType // Float32, Float16 or BFloat16
	// Metadata goes into the file's header, over what a format says of itself.
	Metadata map[string]string
}

// tensorOut is one tensor to be written: values times factor, or a number.
type tensorOut struct {
	values []float32
	factor float64
}

// WriteKohya writes a in sd-scripts' format: their names of the modules, alpha
// beside each, and the keys of their metadata that programs look at
// (ss_network_module, ss_network_dim, ss_network_alpha, ss_base_model_version).
func WriteKohya(ctx context.Context, path string, n *Names, a *Adapter, o Options) error {
	if err := a.check(n); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w := writer{a: a, o: o}
	for _, l := range a.Layers {
		at, _ := n.place(l.Module)
		name := n.kohya[at]
		// An alpha that the element type cannot hold goes into up; none means the rank.
		alpha, factor := l.Alpha(), 1.0
		if !exact(alpha, o.DType) || alpha == 0 {
			alpha, factor = 0, l.Scale
		}
		w.add(name+".lora_down.weight", l.factorShape(down), l.A, 1)
		w.add(name+".lora_up.weight", l.factorShape(up), l.B, factor)
		if alpha != 0 {
			w.add(name+".alpha", tensor.Shape{}, []float32{float32(alpha)}, 1)
		}
	}
	about := map[string]string{"ss_network_module": "networks.lora"}
	about["ss_network_dim"] = w.common(func(l Layer) string { return strconv.FormatInt(l.Rank, 10) })
	about["ss_network_alpha"] = w.common(func(l Layer) string { return strconv.FormatFloat(l.Alpha(), 'g', -1, 32) })
	if base := n.baseModel(); base != "" {
		about["ss_base_model_version"] = base
	}
	return w.write(ctx, path, about)
}

// WriteDiffusers writes a as diffusers does: lora_A and lora_B behind the paths
// of the modules. The scale goes into lora_B, since its readers take alpha for
// the rank.
func WriteDiffusers(ctx context.Context, path string, n *Names, a *Adapter, o Options) error {
	if err := a.check(n); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w := writer{a: a, o: o}
	for _, l := range a.Layers {
		w.add(l.Module.String()+".lora_A.weight", l.factorShape(down), l.A, 1)
		w.add(l.Module.String()+".lora_B.weight", l.factorShape(up), l.B, l.Scale)
	}
	return w.write(ctx, path, map[string]string{"format": "pt"})
}

// factorShape returns a factor's shape in a file: a convolution has down's
// kernel, and up of 1x1.
func (l Layer) factorShape(p part) tensor.Shape {
	shape := slices.Clone(l.Module.Shape)
	if p == down {
		shape[0] = l.Rank
		return shape
	}
	for i := range shape[1:] {
		shape[1+i] = 1
	}
	shape[1] = l.Rank
	return shape
}

type writer struct {
	a       *Adapter
	o       Options
	params  []weights.Param
	tensors []tensorOut
}

func (w *writer) add(name string, shape tensor.Shape, values []float32, factor float64) {
	w.params = append(w.params, weights.Param{Name: name, Shape: shape})
	w.tensors = append(w.tensors, tensorOut{values, factor})
}

// common returns what all layers say, or sd-scripts' word for files where they differ.
func (w *writer) common(of func(Layer) string) (text string) {
	for i, l := range w.a.Layers {
		if i == 0 {
			text = of(l)
		} else if of(l) != text {
			return "Dynamic"
		}
	}
	return text
}

func (w *writer) write(ctx context.Context, path string, about map[string]string) error {
	maps.Copy(about, w.o.Metadata)
	return weights.WriteFile(ctx, path, weights.Output{
		Tensors: w.params, DType: w.o.DType, Metadata: about,
		Values: func(i int, dst []float32) error {
			t := w.tensors[i]
			for j, v := range t.values {
				dst[j] = float32(float64(v) * t.factor)
				// float16 ends at 65504; from 65520 it rounds to infinity.
				if x := math.Abs(float64(dst[j])); !(x <= math.MaxFloat32) || w.o.DType == tensor.Float16 && x >= 65520 {
					return fmt.Errorf("element %d is %v, more than %s holds", j, dst[j], w.o.DType)
				}
			}
			return nil
		},
	})
}

// exact reports whether an element type holds a number as float32 does.
func exact(v float64, t tensor.DType) bool {
	bits := math.Float32bits(float32(v))
	switch t {
	case tensor.Float16: // ten bits of mantissa, normal numbers only
		x := math.Abs(v)
		return bits&(1<<13-1) == 0 && x >= 1.0/(1<<14) && x <= 65504
	case tensor.BFloat16:
		return bits&(1<<16-1) == 0
	}
	return true
}

// baseModel returns sd-scripts' name of the model that the modules are of, or "".
func (n *Names) baseModel() string {
	for _, m := range n.modules {
		if m.Component != UNet || len(m.Shape) != 2 || len(m.Path) < 10 || m.Path[len(m.Path)-10:] != "attn2.to_k" {
			continue
		}
		switch width := m.In(); {
		case n.two && width == 2048:
			return "sdxl_base_v1-0"
		case !n.two && width == 768:
			return "sd_v1"
		case !n.two && width == 1024:
			return "sd_v2"
		}
		return ""
	}
	return ""
}
