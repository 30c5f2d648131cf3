package model

import (
	"math"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// TestAdaptedRowsEqualMergedWeights evaluates adapted networks in float64, each row
// with another slot, and compares every row with the plain network that has the same
// change in its weights, and with ONNX Runtime.
func TestAdaptedRowsEqualMergedWeights(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	all := func(Module) bool { return true }
	for _, c := range []struct {
		name, part string
		graph      func() (*onnx.Graph, error)
		pick       func(Module) bool
		symbols    map[string]int64
		least      int // modules
	}{
		{"unet", "unet", func() (*onnx.Graph, error) { return buildUNet(zooConfig(t, "tiny-sd/unet")) }, all, map[string]int64{"rows": 2, "height": 3, "width": 2, "tokens": 3}, 60},
		{"unet xl", "unet", func() (*onnx.Graph, error) { return buildUNet(zooConfig(t, "tiny-sdxl/unet")) }, all, map[string]int64{"rows": 2, "height": 1, "width": 3, "tokens": 2}, 60},
		{"text", "text_encoder_2", func() (*onnx.Graph, error) { return buildText(zooConfig(t, "tiny-sdxl/text_encoder_2"), true) }, all, map[string]int64{"rows": 2}, 13},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, err := c.graph()
			if err != nil {
				t.Fatal(err)
			}
			g, err := Adapt(plain, c.pick)
			if err != nil {
				t.Fatal(err)
			}
			modules := map[string]Module{}
			for _, m := range Modules(plain) {
				if c.pick(m) {
					modules[m.Path] = m
				}
			}
			if len(modules) < c.least || len(g.Inputs) != len(plain.Inputs)+1+2*len(modules) {
				t.Fatalf("%d modules and %d inputs beside %d, expected at least %d modules", len(modules), len(g.Inputs), len(plain.Inputs), c.least)
			}
			c.symbols["slots"], c.symbols["rank"] = 3, 2
			slots := []int64{2, 0}
			given, wide := map[string]ort.Tensor{}, map[string]onnxtest.Tensor{}
			for i, v := range g.Inputs {
				shape := numbers(t, v.Shape, c.symbols)
				n, _ := shape.Elements()
				if v.DType == tensor.Int64 {
					ints := make([]int64, n)
					for k := range ints {
						ints[k] = int64(k*7+3) % 40
					}
					switch v.Name {
					case AdapterSlot:
						copy(ints, slots)
					case "pooled_index":
						copy(ints, []int64{3, wide["input_ids"].Shape[1] + 3})
					}
					given[v.Name], wide[v.Name] = ort.Ints(ints, shape...), onnxtest.Ints(ints, shape...)
					continue
				}
				values := make([]float32, n)
				diffusion.NewNoise(uint64(i)).Normal(values)
				if strings.Contains(v.Name, ".lora_") {
					for k := range values {
						values[k] *= 0.2
					}
				}
				given[v.Name], wide[v.Name] = ort.Floats(values, shape...), widen(values, shape)
			}
			params := func(slot int64) func(string) (onnxtest.Tensor, error) {
				return func(name string) (onnxtest.Tensor, error) {
					for _, p := range plain.Params {
						if p.Name == name {
							shape := numbers(t, p.Shape, nil)
							n, _ := shape.Elements()
							values := make([]float32, n)
							fill.Tensor(values, fill.Key{Part: c.part, Name: name}, shape)
							w := widen(values, shape)
							if m, is := modules[strings.TrimSuffix(name, ".weight")]; is && slot >= 0 && strings.HasSuffix(name, ".weight") {
								merge(w.Float64(), m, slot, c.symbols["rank"], wide)
							}
							return w, nil
						}
					}
					t.Fatalf("no parameter %s", name)
					return onnxtest.Tensor{}, nil
				}
			}
			got, err := onnxtest.Eval(g, wide, params(-1))
			if err != nil {
				t.Fatal(err)
			}
			for row, slot := range slots {
				own := map[string]onnxtest.Tensor{}
				for _, v := range plain.Inputs {
					own[v.Name] = oneRow(wide[v.Name], int64(row), c.symbols["rows"])
				}
				if index, is := own["pooled_index"]; is {
					index.Int64()[0] = 3
				}
				want, err := onnxtest.Eval(plain, own, params(slot))
				if err != nil {
					t.Fatal(err)
				}
				for name, w := range want {
					all := got[name]
					if d := far(oneRow(all, int64(row), c.symbols["rows"]).Float64(), w.Float64()); !(d < 1e-12) {
						t.Errorf("row %d with slot %d: %s is %.2g from merged weights", row, slot, name, d)
					}
				}
				if row > 0 {
					continue
				}
				bare, err := onnxtest.Eval(plain, own, params(-1))
				if err != nil {
					t.Fatal(err)
				}
				for name, b := range bare {
					if d := far(b.Float64(), want[name].Float64()); !(d > 1e-3) {
						t.Errorf("row %d: the change moves %s by %.2g only", row, name, d)
					}
				}
			}
			z := zooModel{rt: rt}
			s := z.session(t, g, c.part)
			defer s.Close()
			ran, err := s.Run(t.Context(), given)
			if err != nil {
				t.Fatal(err)
			}
			for name, w := range got {
				values := make([]float64, len(ran[name].Float32()))
				for i, v := range ran[name].Float32() {
					values[i] = float64(v)
				}
				if d := far(values, w.Float64()); !(d < bar) {
					t.Errorf("%s: ONNX Runtime is %.2g away", name, d)
				}
			}
		})
	}
}

// TestAdaptPicks adapts a part of the modules: the others have no inputs.
func TestAdaptPicks(t *testing.T) {
	plain, err := buildUNet(zooConfig(t, "tiny-sd/unet"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := Adapt(plain, func(m Module) bool { return strings.HasSuffix(m.Path, ".attn2.to_k") })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range g.Inputs[len(plain.Inputs):] {
		got = append(got, v.Name+" "+v.Shape.String())
	}
	if len(got) < 5 || got[0] != "adapter_slot [rows]" || !strings.HasSuffix(got[1], ".attn2.to_k.lora_A [slots, 32, rank]") || !strings.HasSuffix(got[2], ".attn2.to_k.lora_B [slots, rank, 32]") {
		t.Errorf("the further inputs are %q", got)
	}
	if none, err := Adapt(plain, func(Module) bool { return false }); err != nil || len(none.Inputs) != len(plain.Inputs) {
		t.Errorf("without modules there are %d inputs instead of %d: %v", len(none.Inputs), len(plain.Inputs), err)
	}
}

// merge adds a slot's change to a module's weight.
func merge(w []float64, m Module, slot, rank int64, given map[string]onnxtest.Tensor) {
	a, b := given[m.Path+".lora_A"].Float64(), given[m.Path+".lora_B"].Float64()
	size := func(axis int) int64 {
		if axis >= len(m.Shape) {
			return 1
		}
		n, _ := m.Shape[axis].Const()
		return n
	}
	out, in, taps := size(0), size(1), size(2)*size(3)
	a, b = a[slot*rank*in*taps:], b[slot*rank*out:]
	for o := range out {
		for i := range in {
			for tap := range taps {
				sum := 0.0
				for r := range rank {
					switch {
					case len(m.Shape) == 2:
						sum += a[i*rank+r] * b[r*out+o]
					default:
						sum += a[(tap*rank+r)*in+i] * b[o*rank+r]
					}
				}
				w[(o*in+i)*taps+tap] += sum
			}
		}
	}
}

func oneRow(x onnxtest.Tensor, row, rows int64) onnxtest.Tensor {
	shape := append(tensor.Shape{1}, x.Shape[1:]...)
	n, _ := x.Shape.Elements()
	n /= rows
	if ints := x.Int64(); ints != nil {
		return onnxtest.Ints(append([]int64(nil), ints[row*n:(row+1)*n]...), shape...)
	}
	return onnxtest.Floats(x.Float64()[row*n:(row+1)*n], shape...)
}

// far is norm(a - b) / norm(b).
func far(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var diff, norm float64
	for i := range a {
		diff += (a[i] - b[i]) * (a[i] - b[i])
		norm += b[i] * b[i]
	}
	return math.Sqrt(diff / norm)
}
