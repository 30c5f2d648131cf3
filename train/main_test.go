package train

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openRuntime(t *testing.T) *ort.Runtime {
	t.Helper()
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return rt
}

// cases reads what a script under oracle has written.
func cases[T any](t *testing.T, file string) []T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct{ Cases []T }
	if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) == 0 {
		t.Fatalf("%s: %d cases: %v", file, len(fixture.Cases), err)
	}
	return fixture.Cases
}

// unet is a network of the zoo.
func unet(t *testing.T, name string) *onnx.Graph {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/zoo", name, "unet", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseUNet(data)
	if err != nil {
		t.Fatal(err)
	}
	g, err := model.UNet(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// weightsOf are the zoo's weights of a UNet, by name.
func weightsOf(g *onnx.Graph) map[string]ort.Tensor {
	weights := map[string]ort.Tensor{}
	for _, p := range g.Params {
		var shape tensor.Shape
		for _, d := range p.Shape {
			n, _ := d.Const()
			shape = append(shape, n)
		}
		n, _ := shape.Elements()
		values := make([]float32, n)
		fill.Tensor(values, fill.Key{Part: "unet", Name: p.Name}, shape)
		weights[p.Name] = ort.Floats(values, shape...)
	}
	return weights
}

// noise is a tensor of standard normal values.
func noise(seed uint64, shape ...int64) ort.Tensor {
	n, _ := tensor.Shape(shape).Elements()
	values := make([]float32, n)
	diffusion.NewNoise(seed).Normal(values)
	return ort.Floats(values, shape...)
}

// session makes a graph ready on ONNX Runtime, its parameters among the inputs.
func session(t *testing.T, rt *ort.Runtime, g *onnx.Graph) *ort.Session {
	t.Helper()
	free, err := onnx.Free(g, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	cpu, err := onnx.CPU(free)
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Encode(cpu, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := ort.SessionConfig{Name: g.Name, Model: data, Threads: 1}
	for _, v := range cpu.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	s, err := rt.NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, s *ort.Session, given map[string]ort.Tensor) map[string]ort.Tensor {
	t.Helper()
	out, err := s.Run(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// evaluate runs a graph once.
func evaluate(t *testing.T, rt *ort.Runtime, g *onnx.Graph, given map[string]ort.Tensor) map[string]ort.Tensor {
	t.Helper()
	return run(t, session(t, rt, g), given)
}
