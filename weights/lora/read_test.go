package lora

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"cosmicman/tensor"
)

// measure returns u' D v and the norm of D, with the vectors of oracle/lora.py.
func measure(t *testing.T, l Layer) [2]float64 {
	t.Helper()
	out, in := int(l.Module.Out()), int(l.Module.In())
	d := make([]float32, out*in)
	if err := l.AddTo(d, 1); err != nil {
		t.Fatal(err)
	}
	var m [2]float64
	for o := range out {
		for i := range in {
			v := float64(d[o*in+i])
			m[0] += float64(o*7%11-5) / 8 * v * float64(i*5%13-6) / 8
			m[1] += v * v
		}
	}
	m[1] = math.Sqrt(m[1])
	return m
}

func near(got, want [2]float64) bool {
	return math.Abs(got[0]-want[0]) <= 1e-5*want[1]+1e-9 && math.Abs(got[1]-want[1]) <= 1e-5*want[1]
}

// compare holds an adapter against what diffusers read from the same file.
func compare(t *testing.T, a *Adapter, want map[string][2]float64) {
	t.Helper()
	if len(a.Layers) != len(want) {
		t.Errorf("%d modules, diffusers has %d", len(a.Layers), len(want))
	}
	for _, l := range a.Layers {
		w, there := want[l.Module.String()]
		if got := measure(t, l); !there || !near(got, w) {
			t.Errorf("module %s: %v, diffusers has %v", l.Module, got, w)
		}
	}
}

// TestDiffusersFiles reads every spelling and compares each module's change with
// diffusers' own reading of the file; then writes it in both formats, in three
// element types, and reads it again.
func TestDiffusersFiles(t *testing.T) {
	for file, want := range deltas(t) {
		t.Run(file, func(t *testing.T) {
			n := fixtureNames(t, file)
			a, err := Read(filepath.Join("testdata", file), n)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, a, want)
			seen, err := Inspect(filepath.Join("testdata", file), n)
			if err != nil || len(seen.Layers) != len(a.Layers) {
				t.Fatalf("%d layers are seen and %d read: %v", len(seen.Layers), len(a.Layers), err)
			}
			for i, l := range a.Layers {
				if s := seen.Layers[i]; s.Module.String() != l.Module.String() || s.Rank != l.Rank || s.A != nil {
					t.Errorf("layer %d is seen as %s of rank %d, it is %s of rank %d", i, s.Module, s.Rank, l.Module, l.Rank)
				}
			}
			for format, write := range map[string]func(context.Context, string, *Names, *Adapter, Options) error{
				"kohya": WriteKohya, "diffusers": WriteDiffusers,
			} {
				path := filepath.Join(t.TempDir(), format+".safetensors")
				if err := write(context.Background(), path, n, a, Options{DType: tensor.Float32}); err != nil {
					t.Fatal(err)
				}
				again, err := Read(path, n)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, again, want)
			}
		})
	}
}
