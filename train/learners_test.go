package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// learnerCases are those of oracle/learners.py.
type learnerCases struct {
	VAEs  []vaeCase
	Words []wordsCase
	Joint []jointCase
}

func readLearners(t *testing.T) (c learnerCases) {
	t.Helper()
	data, err := os.ReadFile("testdata/learners.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil || len(c.VAEs) == 0 || len(c.Words) == 0 || len(c.Joint) == 0 {
		t.Fatalf("testdata/learners.json: %v", err)
	}
	return c
}

// derivedCase is what PyTorch found: norms, and products with directions.
type derivedCase struct {
	Name      string
	Norm      float64
	Gradients map[string][]float64
}

// compare holds gradients by name to PyTorch's.
func (c derivedCase) compare(t *testing.T, got map[string][]float32) {
	t.Helper()
	if len(got) != len(c.Gradients) {
		t.Errorf("%d gradients, PyTorch has %d", len(got), len(c.Gradients))
	}
	n := networkCase{Name: c.Name, Norm: c.Norm}
	worst := 0.0
	for name, ref := range c.Gradients {
		off := n.distance(name, got[name], ref)
		worst = max(worst, off)
		if !(off < 1) {
			t.Errorf("by %s: %.3g times the bar from PyTorch's, norm %g", name, off, ref[0])
		}
	}
	if testing.Verbose() {
		t.Logf("worst gradient at %.2g of the bar", worst)
	}
}

// gradients are those of tensors by name.
func gradients(tensors []Tensor, prefix string) map[string][]float32 {
	got := map[string][]float32{}
	for _, t := range tensors {
		got[prefix+t.Name] = t.Gradient
	}
	return got
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-5*math.Abs(want)) {
		t.Errorf("%s is %.9g, PyTorch's %.9g", what, got, want)
	}
}

// zooConfig is a part's config.
func zooConfig[C any](t *testing.T, name, part string, parse func([]byte) (C, error)) C {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/zoo", name, part, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// zooIndex is a file of the zoo's weights of a part, which graphs have the parameters of.
func zooIndex(t *testing.T, part string, kind weights.Kind, graphs ...*onnx.Graph) *weights.Index {
	t.Helper()
	out := weights.Output{DType: tensor.Float32}
	for _, g := range graphs {
		for _, p := range g.Params {
			shape, _ := p.Shape.Const()
			out.Tensors = append(out.Tensors, weights.Param{Name: p.Name, Shape: shape})
		}
	}
	out.Values = func(i int, dst []float32) error {
		fill.Tensor(dst, fill.Key{Part: part, Name: out.Tensors[i].Name}, out.Tensors[i].Shape)
		return nil
	}
	path := filepath.Join(t.TempDir(), part+".safetensors")
	if err := weights.WriteFile(t.Context(), path, out); err != nil {
		t.Fatal(err)
	}
	file, err := weights.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	index, err := weights.NewIndex(part, kind, file)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func (n noiseCase) draw() []float32 {
	size, _ := tensor.Shape(n.Shape).Elements()
	values := make([]float32, size)
	diffusion.NewNoise(n.Seed).Normal(values)
	return values
}

// readWhole reads a text encoder's token embedding from its file.
func readWhole(o TextOptions, dst []float32) error {
	e, _ := o.Weights.Lookup(tokenTable)
	return weights.ReadFloat32(dst, e)
}
