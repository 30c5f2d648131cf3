package lora

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/model"
	"cosmicman/newmodel"
	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/weights"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zoo returns the modules of a small model by its name in testdata/zoo.
func zoo(t testing.TB, name string) *Names {
	t.Helper()
	return namesOf(t, func(part string) []byte {
		config, err := os.ReadFile(filepath.Join("../../testdata/zoo", name, part, "config.json"))
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return config
	})
}

// builtin returns the modules of an architecture that newmodel knows.
func builtin(t testing.TB, name string) *Names {
	t.Helper()
	arch, err := newmodel.LoadArch(name)
	if err != nil {
		t.Fatal(err)
	}
	return namesOf(t, func(part string) []byte { return arch[part] })
}

func namesOf(t testing.TB, config func(part string) []byte) *Names {
	t.Helper()
	var components []Component
	for _, part := range []string{UNet, TextEncoder, TextEncoder2} {
		text := config(part)
		if text == nil {
			continue
		}
		var g *onnx.Graph
		var err error
		if part == UNet {
			var c model.UNetConfig
			if c, err = model.ParseUNet(text); err == nil {
				g, err = model.UNet(c)
			}
		} else {
			var c model.TextConfig
			if c, err = model.ParseText(text, part == TextEncoder2); err == nil {
				g, err = model.Text(c)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		c := Component{Name: part}
		for _, p := range g.Params {
			shape := make(tensor.Shape, len(p.Shape))
			for i, d := range p.Shape {
				shape[i], _ = d.Const()
			}
			c.Params = append(c.Params, weights.Param{Name: p.Name, Shape: shape})
		}
		components = append(components, c)
	}
	n, err := NewNames(components...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stored is a tensor of a file that a test writes by hand.
type stored struct {
	name   string
	shape  tensor.Shape
	values []float32 // nil counts 1, 2, 3, ...
}

// writeFile writes tensors as float32.
func writeFile(t testing.TB, metadata map[string]string, tensors ...stored) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lora.safetensors")
	out := weights.Output{DType: tensor.Float32, Metadata: metadata, Values: func(i int, dst []float32) error {
		for j := range dst {
			dst[j] = float32(j + 1)
		}
		copy(dst, tensors[i].values)
		return nil
	}}
	for _, s := range tensors {
		out.Tensors = append(out.Tensors, weights.Param{Name: s.name, Shape: s.shape})
	}
	if err := weights.WriteFile(context.Background(), path, out); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError checks that an error is there and that it says all of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// deltas are what diffusers makes of the files in testdata: file -> module ->
// u' D v and the norm of D (oracle/lora.py).
func deltas(t testing.TB) map[string]map[string][2]float64 {
	t.Helper()
	text, err := os.ReadFile("testdata/deltas.json")
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]map[string][2]float64
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// fixtureNames returns the modules that a file of testdata is for.
func fixtureNames(t testing.TB, file string) *Names {
	t.Helper()
	if strings.HasPrefix(file, "xl-") {
		return zoo(t, "stats-xl")
	}
	return zoo(t, "zero-snr")
}
