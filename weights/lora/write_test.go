package lora

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// adapterOf makes layers of a rank for the modules of a set, with values that
// every element type holds.
func adapterOf(n *Names, targets Targets, rank int64, scale float64) *Adapter {
	a := &Adapter{}
	for i, m := range n.modules {
		if !targets.Has(m) {
			continue
		}
		l := Layer{Module: m, Rank: rank, Scale: scale, A: make([]float32, rank*m.In()), B: make([]float32, rank*m.Out())}
		for j := range l.A {
			l.A[j] = float32((i+j)%15-7) / 8
		}
		for j := range l.B {
			l.B[j] = float32((i+3*j)%13-6) / 4
		}
		a.Layers = append(a.Layers, l)
	}
	return a
}

type write = func(context.Context, string, *Names, *Adapter, Options) error

// header writes an adapter and opens the file.
func header(t *testing.T, w write, n *Names, a *Adapter, o Options) *weights.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.safetensors")
	if err := w(context.Background(), path, n, a, o); err != nil {
		t.Fatal(err)
	}
	f, err := weights.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRoundTrip writes every module of each shape in both formats and all
// element types and has the same layers again, to the bit.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"tiny-sd", "tiny-sdxl", "odd-xl", "odd-time"} {
		n := zoo(t, name)
		a := adapterOf(n, All, 3, 0.5)
		for _, dtype := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.BFloat16} {
			for format, w := range map[string]write{"kohya": WriteKohya, "diffusers": WriteDiffusers} {
				at := fmt.Sprint(name, " ", format, " ", dtype)
				f := header(t, w, n, a, Options{DType: dtype})
				back, err := Read(f.Path, n)
				if err != nil {
					t.Fatalf("%s: %v", at, err)
				}
				if len(back.Layers) != len(a.Layers) {
					t.Fatalf("%s: %d layers, want %d", at, len(back.Layers), len(a.Layers))
				}
				for i, l := range back.Layers {
					want := a.Layers[i]
					b, scale := want.B, want.Scale
					if format == "diffusers" {
						b, scale = slices.Clone(b), 1
						for j := range b {
							b[j] *= 0.5
						}
					}
					if l.Module.String() != want.Module.String() || l.Rank != 3 || l.Scale != scale || !slices.Equal(l.A, want.A) || !slices.Equal(l.B, b) {
						t.Errorf("%s: module %s comes back as %s, of rank %d and scale %v, or with other values", at, want.Module, l.Module, l.Rank, l.Scale)
					}
				}
			}
		}
	}
}

// TestAsDiffusersWrites compares names and shapes with a file that diffusers
// wrote, and one with sd-scripts' names that diffusers reads.
func TestAsDiffusersWrites(t *testing.T) {
	for file, w := range map[string]write{
		"sd-peft.safetensors": WriteDiffusers, "xl-peft.safetensors": WriteDiffusers,
		"sd-kohya.safetensors": WriteKohya, "xl-kohya.safetensors": WriteKohya,
	} {
		n := fixtureNames(t, file)
		theirs, err := weights.OpenFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		a, err := Read(theirs.Path, n)
		if err != nil {
			t.Fatal(err)
		}
		list := func(f *weights.File) (lines []string) {
			for _, e := range f.Entries {
				// The first encoder of transformers 5 has no text_model.; older readers ask for it.
				key := strings.Replace(e.Key, "text_encoder.encoder.", "text_encoder.text_model.encoder.", 1)
				lines = append(lines, fmt.Sprint(key, e.Shape))
			}
			slices.Sort(lines)
			return lines
		}
		ours, want := list(header(t, w, n, a, Options{DType: tensor.Float32})), list(theirs)
		for _, line := range ours {
			if !slices.Contains(want, line) {
				t.Errorf("%s: %s is written and not in the file", file, line)
			}
		}
		for _, line := range want {
			if !slices.Contains(ours, line) {
				t.Errorf("%s: %s is in the file and not written", file, line)
			}
		}
	}
}

func TestMetadata(t *testing.T) {
	sd15, sdxl := builtin(t, "sd15"), builtin(t, "sdxl")
	keys := func(a *Adapter) *Adapter { // a few layers are enough
		a.Layers = a.Layers[:3]
		return a
	}
	mixed := keys(adapterOf(sd15, Transformer, 4, 0.25))
	mixed.Layers = append(mixed.Layers, adapterOf(sd15, Transformer, 2, 2).Layers[3])
	for _, c := range []struct {
		names            *Names
		a                *Adapter
		dim, alpha, base string
	}{
		{sd15, keys(adapterOf(sd15, Transformer, 4, 0.25)), "4", "1", "sd_v1"},
		{sdxl, keys(adapterOf(sdxl, Transformer, 4, 2)), "4", "8", "sdxl_base_v1-0"},
		{sd15, mixed, "Dynamic", "Dynamic", "sd_v1"},
		{zoo(t, "zero-snr"), adapterOf(zoo(t, "zero-snr"), Transformer, 3, 0.1), "3", "0.3", ""},
	} {
		f := header(t, WriteKohya, c.names, c.a, Options{DType: tensor.Float32, Metadata: map[string]string{"ss_output_name": "doll"}})
		for key, want := range map[string]string{
			"ss_network_module": "networks.lora", "ss_network_dim": c.dim, "ss_network_alpha": c.alpha,
			"ss_base_model_version": c.base, "ss_output_name": "doll",
		} {
			if got := f.Metadata[key]; got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
	}
	f := header(t, WriteDiffusers, sd15, mixed, Options{DType: tensor.Float32})
	if f.Metadata["format"] != "pt" {
		t.Errorf("metadata %v: diffusers' own says format pt", f.Metadata)
	}
}

// TestAlphaThatDoesNotFit writes scales whose alpha no bfloat16 holds: the
// change stays the same to the rounding of the factors.
func TestAlphaThatDoesNotFit(t *testing.T) {
	n := zoo(t, "zero-snr")
	for _, c := range []struct {
		dtype tensor.DType
		scale float64
		alpha bool
	}{
		{tensor.BFloat16, 0.5, true}, {tensor.BFloat16, 257.0 / 3, false}, {tensor.Float16, 257.0 / 3, true},
		{tensor.Float16, 0.1, false}, {tensor.Float32, 0.1, true}, {tensor.Float16, 1e-6, false}, {tensor.Float32, -2, true}, {tensor.Float32, 0, false},
	} {
		a := adapterOf(n, Attention, 3, c.scale)
		f := header(t, WriteKohya, n, a, Options{DType: c.dtype})
		has := slices.ContainsFunc(f.Entries, func(e weights.Entry) bool { return strings.HasSuffix(e.Key, ".alpha") })
		if has != c.alpha {
			t.Errorf("%v %v: an alpha is there: %v, want %v", c.dtype, c.scale, has, c.alpha)
		}
		back, err := Read(f.Path, n)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range back.Layers {
			got, want := l.Scale*float64(l.B[1]), c.scale*float64(a.Layers[i].B[1])
			if math.Abs(got-want) > 0.004*math.Abs(want)+4e-8 {
				t.Errorf("%v %v: %s: scale times an element is %v, want %v", c.dtype, c.scale, l.Module, got, want)
			}
		}
	}
}

func TestWriteRefused(t *testing.T) {
	n := zoo(t, "zero-snr")
	for want, change := range map[string]func(a *Adapter){
		"no layers":           func(a *Adapter) { a.Layers = nil },
		"given twice":         func(a *Adapter) { a.Layers[1] = a.Layers[0] },
		"none of this name":   func(a *Adapter) { a.Layers[0].Module.Path = "nowhere" },
		"and shape":           func(a *Adapter) { a.Layers[0].Module.Shape = tensor.Shape{1} },
		"A has 1 elements":    func(a *Adapter) { a.Layers[0].A = a.Layers[0].A[:1] },
		"B has 0 elements":    func(a *Adapter) { a.Layers[0].B = nil },
		"rank 0":              func(a *Adapter) { a.Layers[0].Rank = 0 },
		"scale NaN":           func(a *Adapter) { a.Layers[0].Scale = math.NaN() },
		"element 0 is 100000": func(a *Adapter) { a.Layers[0].A = slices.Repeat([]float32{1e5}, len(a.Layers[0].A)) },
		"element 1 is NaN":    func(a *Adapter) { a.Layers[0].B[1] = float32(math.NaN()) },
		"element 1 is +Inf":   func(a *Adapter) { a.Layers[0].B[1] = float32(math.Inf(1)) },
	} {
		for format, w := range map[string]write{"kohya": WriteKohya, "diffusers": WriteDiffusers} {
			a := adapterOf(n, Attention, 2, 1)
			change(a)
			path := filepath.Join(t.TempDir(), format+".safetensors")
			wantError(t, w(context.Background(), path, n, a, Options{DType: tensor.Float16}), want, path)
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s, %s: a file is left: %v", want, format, err)
			}
		}
	}
}

// TestAddTo adds a change to a weight, by hand on a convolution.
func TestAddTo(t *testing.T) {
	l := Layer{
		Module: Module{UNet, "conv", tensor.Shape{2, 1, 1, 3}}, Rank: 2, Scale: 0.5,
		A: []float32{1, 2, 3, 10, 20, 30}, B: []float32{1, 0, 2, -1},
	}
	w := []float32{100, 100, 100, 0, 0, 0}
	if err := l.AddTo(w, 2); err != nil {
		t.Fatal(err)
	}
	if want := []float32{101, 102, 103, -8, -16, -24}; !slices.Equal(w, want) {
		t.Errorf("weight %v, want %v", w, want)
	}
	if l.Alpha() != 1 {
		t.Errorf("alpha %v, want 1", l.Alpha())
	}
	wantError(t, l.AddTo(w[:5], 1), "conv", "5 elements, 2 x 3")
	l.B = l.B[:3]
	wantError(t, l.AddTo(w, 1), "B has 3 elements")
}
