package ort

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

func TestConcurrentRuns(t *testing.T) {
	s, w := linear(t, open(t))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for rows := range int64(5) {
				x := make([]float32, (rows+1)*3)
				for i := range x {
					x[i] = float32(worker + i)
				}
				out, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(x, rows+1, 3)})
				if err != nil {
					t.Error(err)
					return
				}
				if y := out["y"]; !y.Shape.Equal(tensor.Shape{rows + 1, 2}) || !slices.Equal(y.Float32(), w.times(x)) {
					t.Errorf("y = %v %v, want %v", y.Shape, y.Float32(), w.times(x))
				}
			}
		})
	}
	wg.Wait()
}

// Every element type goes in, is added to nothing and comes out; through float32 it
// keeps its value.
func TestElementTypes(t *testing.T) {
	r := open(t)
	for d, in := range map[tensor.DType]Tensor{
		tensor.Float32:  {Shape: tensor.Shape{2}, Data: []float32{1.5, -2}},
		tensor.Float64:  {Shape: tensor.Shape{2}, Data: []float64{1.5, -2}},
		tensor.Int64:    {Shape: tensor.Shape{2}, Data: []int64{7, -9}},
		tensor.Int32:    {Shape: tensor.Shape{2}, Data: []int32{7, -9}},
		tensor.Int16:    {Shape: tensor.Shape{2}, Data: []int16{7, -9}},
		tensor.Int8:     {Shape: tensor.Shape{2}, Data: []int8{7, -9}},
		tensor.Uint8:    {Shape: tensor.Shape{2}, Data: []uint8{7, 200}},
		tensor.Bool:     {Shape: tensor.Shape{2}, Data: []bool{true, false}},
		tensor.Float16:  {Shape: tensor.Shape{2}, Data: []uint16{0x3e00, 0xc000}, DType: tensor.Float16},
		tensor.BFloat16: {Shape: tensor.Shape{2}, Data: []uint16{0x3fc0, 0xc000}, DType: tensor.BFloat16},
	} {
		t.Run(d.String(), func(t *testing.T) {
			g := onnx.NewGraph("cast")
			x := g.Input("x", d, onnx.Sym("n"))
			wide := g.Cast(x, tensor.Float32)
			g.Result("wide", wide)
			g.Result("back", g.Cast(wide, d))
			s := session(t, r, g)
			if info := s.Inputs()[0]; info.DType != d || info.String() != d.String()+" [n]" {
				t.Errorf("declared as %v", info)
			}
			out, err := s.Run(t.Context(), map[string]Tensor{"x": in})
			if err != nil {
				t.Fatal(err)
			}
			if back := out["back"]; !reflect.DeepEqual(back, in) {
				t.Errorf("went in as %v, came out as %v", in, back)
			}
		})
	}
}

func TestScalarsAndEmptyTensors(t *testing.T) {
	g := onnx.NewGraph("add")
	a := g.Input("a", tensor.Float32, onnx.Sym("n"))
	b := g.Input("b", tensor.Float32)
	g.Result("y", g.Add(a, b))
	s := session(t, open(t), g)
	for n := range int64(3) {
		out, err := s.Run(t.Context(), map[string]Tensor{"a": Floats(make([]float32, n), n), "b": Floats([]float32{2})})
		if err != nil {
			t.Fatal(err)
		}
		y := out["y"]
		if !y.Shape.Equal(tensor.Shape{n}) || len(y.Float32()) != int(n) || slices.ContainsFunc(y.Float32(), func(f float32) bool { return f != 2 }) {
			t.Errorf("n = %d: %v", n, y)
		}
	}
}

func TestRunInto(t *testing.T) {
	s, w := linear(t, open(t))
	x, y := []float32{1, 2, 3}, make([]float32, 2)
	in, out := map[string]Tensor{"x": Floats(x, 1, 3)}, map[string]Tensor{"y": Floats(y, 1, 2)}
	for i := range 3 {
		x[0] = float32(i)
		if err := s.RunInto(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y, w.times(x)) {
			t.Errorf("y = %v, want %v", y, w.times(x))
		}
	}
	for want, out := range map[string]map[string]Tensor{
		"linear gives y; was asked for nothing":                                            nil,
		"linear gives y; was asked for z":                                                  {"z": Floats(y, 1, 2)},
		`output "y" has shape [2, 1], expected float32 [rows, 2]`:                          {"y": Floats(y, 2, 1)},
		`output "y" has shape [3, 2], expected float32 [rows, 2] with rows = 1`:            {"y": Floats(make([]float32, 6), 3, 2)},
		`output "y" is int64 [1, 2], expected float32 [rows, 2]`:                           {"y": Ints([]int64{0, 0}, 1, 2)},
		`output "y" 1 elements do not fill shape [1, 2]`:                                   {"y": Floats(y[:1], 1, 2)},
		`output "y" elements of type []uint16 need dtype float16 or bfloat16, not invalid`: {"y": {Shape: tensor.Shape{1, 2}, Data: []uint16{1, 2}}},
		`output "y" elements of type []float32 are not float16`:                            {"y": {Shape: tensor.Shape{1, 2}, Data: y, DType: tensor.Float16}},
		`output "y" shape [9223372036854775807, 2]: more elements than fit 63 bits`:        {"y": Floats(y, 1<<63-1, 2)},
		`output "y" elements of type []string are not supported`:                           {"y": {Shape: tensor.Shape{1, 2}, Data: []string{"a", "b"}}},
		`output "y" has shape [2], expected float32 [rows, 2]`:                             {"y": Floats(y, 2)},
	} {
		if err := s.RunInto(t.Context(), in, out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestBadInputs(t *testing.T) {
	g := onnx.NewGraph("sum")
	n := onnx.Sym("n")
	g.Result("y", g.Add(g.Input("a", tensor.Float32, n, onnx.N(3)), g.Input("b", tensor.Float32, n, onnx.N(3))))
	s := session(t, open(t), g)
	good := Floats(make([]float32, 6), 2, 3)
	for name, c := range map[string]struct {
		in   map[string]Tensor
		want string
	}{
		"none":      {nil, "sum takes 2 inputs (a, b), was given 0"},
		"too many":  {map[string]Tensor{"a": good, "b": good, "c": good}, "sum takes 2 inputs (a, b), was given 3"},
		"name":      {map[string]Tensor{"a": good, "z": good}, `sum needs input "b"`},
		"elements":  {map[string]Tensor{"a": Floats([]float32{1}, 1, 3), "b": good}, `sum: input "a" 1 elements do not fill shape [1, 3]`},
		"type":      {map[string]Tensor{"a": Ints(make([]int64, 6), 2, 3), "b": good}, `sum: input "a" is int64 [2, 3], expected float32 [n, 3]`},
		"go type":   {map[string]Tensor{"a": {Shape: tensor.Shape{1}, Data: 7}, "b": good}, `sum: input "a" elements of type int are not supported`},
		"rank":      {map[string]Tensor{"a": Floats(make([]float32, 6), 6), "b": good}, `sum: input "a" has shape [6], expected float32 [n, 3]`},
		"dimension": {map[string]Tensor{"a": Floats(make([]float32, 6), 3, 2), "b": good}, `sum: input "a" has shape [3, 2], expected float32 [n, 3]`},
		"symbol":    {map[string]Tensor{"a": good, "b": Floats(make([]float32, 9), 3, 3)}, `sum: input "b" has shape [3, 3], expected float32 [n, 3] with n = 2 as in another input`},
		"negative":  {map[string]Tensor{"a": Floats(nil, -1, 3), "b": good}, `sum: input "a" shape [-1, 3]: dimension 0 is negative`},
	} {
		if _, err := s.Run(t.Context(), c.in); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := s.Run(t.Context(), map[string]Tensor{"a": good, "b": good}); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

func TestRefusedSessions(t *testing.T) {
	r := open(t)
	w := &weights{folder: t.TempDir(), location: "w.bin", out: 2, in: 3}
	w.write(t)
	good := w.config(t)
	for name, c := range map[string]struct {
		change func(*SessionConfig)
		want   string
	}{
		"empty":    {func(c *SessionConfig) { c.Model = nil }, "linear: the model is empty"},
		"threads":  {func(c *SessionConfig) { c.Threads = -1 }, "linear: -1 threads, expected 0 or more"},
		"level":    {func(c *SessionConfig) { c.Level = 9 }, "linear: graph optimization level 9 is unknown"},
		"path":     {func(c *SessionConfig) { c.ExternalDir = "a\x00b" }, "linear: a path holds a NUL byte"},
		"input":    {func(c *SessionConfig) { c.Inputs = []string{"z"} }, `linear: input "z" is not declared by the model, which has x`},
		"output":   {func(c *SessionConfig) { c.Outputs = []string{"y", "z"} }, `linear: output "z" is not declared by the model, which has y`},
		"device":   {func(c *SessionConfig) { c.Device.Kind = "abacus" }, `linear: device is not available: "abacus", expected "cpu"`},
		"cuda":     {func(c *SessionConfig) { c.Device.Kind = CUDA }, `linear: device is not available: "cuda", expected "cpu"`},
		"option":   {func(c *SessionConfig) { c.Device.Options = map[string]string{"a": "b"} }, "linear: device cpu takes no index, library or options"},
		"external": {func(c *SessionConfig) { c.ExternalDir = t.TempDir() }, "External data path does not exist"},
	} {
		config := good
		c.change(&config)
		if _, err := r.NewSession(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", name, err)
		} else if (name == "device" || name == "cuda") != errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: errors.Is(%v, ErrUnavailable)", name, err)
		}
	}
	for name, c := range map[string]struct {
		model []byte
		want  Code
	}{
		"junk":      {[]byte("junk"), InvalidProtobuf},
		"truncated": {good.Model[:len(good.Model)-3], InvalidProtobuf},
		"no graph":  {[]byte{0x08, 0x0a}, InvalidArgument}, // ir_version = 10 and nothing else
	} {
		config := good
		config.Model = c.model
		var own *Error
		if _, err := r.NewSession(config); !errors.As(err, &own) || own.Code != c.want || !strings.HasPrefix(err.Error(), "onnx runtime: make a session of linear: ") {
			t.Errorf("%s: %v, want code %v", name, err, c.want)
		}
	}
}

func TestCodes(t *testing.T) {
	for c, want := range map[Code]string{OK: "OK", InvalidGraph: "INVALID_GRAPH", NotFound: "NOT_FOUND", 15: "code 15", -1: "code -1"} {
		if c.String() != want {
			t.Errorf("Code(%d) is %q, want %q", int(c), c, want)
		}
	}
}

// A run that fails inside an operator says so with ONNX Runtime's code, and the
// session goes on.
func TestRunFails(t *testing.T) {
	g := onnx.NewGraph("pick")
	table := g.Input("table", tensor.Float32, onnx.Sym("n"), onnx.N(1))
	g.Result("y", g.Gather(table, g.Input("at", tensor.Int64, onnx.Sym("k"))))
	s := session(t, open(t), g)
	in := map[string]Tensor{"table": Floats([]float32{5, 6}, 2, 1), "at": Ints([]int64{2}, 1)}
	var own *Error
	if _, err := s.Run(t.Context(), in); !errors.As(err, &own) || own.Code != InvalidArgument || own.Op != "run pick" {
		t.Errorf("an index out of bounds: %v", err)
	}
	in["at"] = Ints([]int64{1}, 1)
	if out, err := s.Run(t.Context(), in); err != nil || !slices.Equal(out["y"].Float32(), []float32{6}) {
		t.Errorf("afterwards: %v, %v", out, err)
	}
}

// What makes a batch's rows independent of each other: a row has the same bits
// alone and in company, at any place.
func TestRowsDoNotDependOnTheirNeighbours(t *testing.T) {
	const rows, in, out = 4, 320, 1280
	w := &weights{folder: t.TempDir(), location: "w.bin", out: out, in: in}
	w.write(t)
	r := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, rows*in)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	for _, threads := range []int{1, 2} {
		config := w.config(t)
		config.Threads = threads
		s, err := r.NewSession(config)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		eval := func(x []float32) []float32 {
			got, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(x, int64(len(x)/in), in)})
			if err != nil {
				t.Fatal(err)
			}
			return got["y"].Float32()
		}
		whole := eval(x)
		for first := range rows {
			for n := 1; first+n <= rows; n++ {
				if part := eval(x[first*in : (first+n)*in]); !slices.Equal(part, whole[first*out:(first+n)*out]) {
					t.Errorf("%d threads: rows %d to %d differ from the whole's", threads, first, first+n)
				}
			}
		}
	}
}

func BenchmarkRun(b *testing.B) {
	for _, rows := range []int64{1, 1024} {
		s, _ := linear(b, open(b))
		in := map[string]Tensor{"x": Floats(make([]float32, rows*3), rows, 3)}
		out := map[string]Tensor{"y": Floats(make([]float32, rows*2), rows, 2)}
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Run(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("into/rows=%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.RunInto(b.Context(), in, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
