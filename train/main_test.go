package train

import (
	"testing"

	"go.uber.org/goleak"

	"cosmicman/onnx"
	"cosmicman/ort"
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
