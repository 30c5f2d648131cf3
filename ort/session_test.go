package ort

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// linear is y = x w' with w [2, 3] stored in a file after 8 bytes of something else.
func linear(t *testing.T, r *Runtime) *Session {
	t.Helper()
	dir := t.TempDir()
	raw := make([]byte, 8, 32)
	for i := range 6 {
		raw = append(raw, 0, 0, 0, 0)
		bits := math.Float32bits(float32(i))
		for b := range 4 {
			raw[8+4*i+b] = byte(bits >> (8 * b))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	g := onnx.NewGraph("linear")
	x := g.Input("x", tensor.Float32, onnx.Sym("rows"), onnx.N(3))
	g.Result("y", g.Linear(x, g.Param("w", 2, 3), nil))
	model, err := onnx.Encode(g, func(string) (onnx.External, error) {
		return onnx.External{Location: "w.bin", Offset: 8, Length: 24, DType: tensor.Float32}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewSession(SessionConfig{Name: "linear", Model: model, ExternalDir: dir, Inputs: []string{"x"}, Outputs: []string{"y"}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t *testing.T) *Runtime {
	t.Helper()
	r, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRunWithMappedWeights(t *testing.T) {
	s := linear(t, open(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			out, err := s.Run(t.Context(), map[string]Tensor{"x": Floats([]float32{1, 1, 1, 0, 1, 2}, 2, 3)})
			if err != nil {
				t.Error(err)
				return
			}
			y := out["y"]
			want := []float32{3, 12, 5, 14}
			if !y.Shape.Equal(tensor.Shape{2, 2}) {
				t.Errorf("shape %v", y.Shape)
			}
			for i, f := range y.Float32() {
				if f != want[i] {
					t.Errorf("y = %v, want %v", y.Float32(), want)
					break
				}
			}
		})
	}
	wg.Wait()
}

func TestBadInputs(t *testing.T) {
	s := linear(t, open(t))
	for name, c := range map[string]struct {
		in   map[string]Tensor
		want string
	}{
		"none":     {nil, "takes 1 inputs"},
		"name":     {map[string]Tensor{"z": Floats([]float32{1}, 1)}, `needs input "x"`},
		"elements": {map[string]Tensor{"x": Floats([]float32{1}, 1, 3)}, "do not fill"},
		"type":     {map[string]Tensor{"x": {tensor.Shape{1}, []int8{1}}}, "not supported"},
		"shape":    {map[string]Tensor{"x": Floats([]float32{1, 2}, 1, 2)}, "run linear"},
	} {
		if _, err := s.Run(t.Context(), c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), map[string]Tensor{"x": Floats([]float32{1, 1, 1}, 1, 3)}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed session ran: %v", err)
	}
}

func TestRunStopsWhenCancelled(t *testing.T) {
	r := open(t)
	g := onnx.NewGraph("long")
	x := g.Input("x", tensor.Float32, onnx.Sym("n"), onnx.Sym("n"))
	y := x
	for range 200 {
		y = g.MatMul(y, x)
	}
	g.Result("y", y)
	model, err := onnx.Encode(g, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewSession(SessionConfig{Name: "long", Model: model, Inputs: []string{"x"}, Outputs: []string{"y"}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	const n = 1500
	if _, err := s.Run(ctx, map[string]Tensor{"x": Floats(make([]float32, n*n), n, n)}); !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
}

func TestRefusals(t *testing.T) {
	r := open(t)
	var own *Error
	if _, err := r.NewSession(SessionConfig{Name: "junk", Model: []byte("junk")}); !errors.As(err, &own) {
		t.Errorf("a model of junk: %v", err)
	}
	if _, err := r.NewSession(SessionConfig{Name: "far", Device: "abacus"}); err == nil || !strings.Contains(err.Error(), "abacus") {
		t.Errorf("an unknown device: %v", err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("a folder without the library: %v", err)
	}
}
