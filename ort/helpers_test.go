package ort

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB) *Runtime {
	t.Helper()
	r, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// session makes a session of a graph without parameters.
func session(t testing.TB, r *Runtime, g *onnx.Graph) *Session {
	t.Helper()
	model, err := onnx.Encode(g, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewSession(SessionConfig{Name: g.Name, Model: model, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// weights is a file of float32 values after some bytes of something else, and
// the model of y = x w' that maps w [out, in] from it.
type weights struct {
	folder, location string
	pad              int64
	out, in          int64
	values           []float32
}

// write makes the file with values i/64 for small i, so that sums are exact.
func (w *weights) write(t testing.TB) {
	t.Helper()
	w.values = make([]float32, w.out*w.in)
	raw := make([]byte, w.pad, w.pad+4*w.out*w.in)
	for i := range w.values {
		w.values[i] = float32(i%37-18) / 64
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(w.values[i]))
	}
	if err := os.WriteFile(filepath.Join(w.folder, w.location), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *weights) config(t testing.TB) SessionConfig {
	t.Helper()
	g := onnx.NewGraph("linear")
	x := g.Input("x", tensor.Float32, onnx.Sym("rows"), onnx.N(w.in))
	g.Result("y", g.Linear(x, g.Param("w", w.out, w.in), nil))
	model, err := onnx.Encode(g, func(string) (onnx.External, error) {
		return onnx.External{Location: w.location, Offset: w.pad, Length: 4 * w.out * w.in, DType: tensor.Float32}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return SessionConfig{Name: "linear", Model: model, ExternalDir: w.folder, Threads: 1}
}

// times returns x w' for x of ones in the first rows entries.
func (w *weights) times(x []float32) []float32 {
	var y []float32
	for r := range int64(len(x)) / w.in {
		for o := range w.out {
			sum := float32(0)
			for i := range w.in {
				sum += x[r*w.in+i] * w.values[o*w.in+i]
			}
			y = append(y, sum)
		}
	}
	return y
}

// linear is a session of y = x w' with w [2, 3] mapped from a file.
func linear(t testing.TB, r *Runtime) (*Session, *weights) {
	t.Helper()
	w := &weights{folder: t.TempDir(), location: "w.bin", pad: 8, out: 2, in: 3}
	w.write(t)
	s, err := r.NewSession(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, w
}
