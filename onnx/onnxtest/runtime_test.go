package onnxtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bar is how far ONNX Runtime's float32 may be from float64: norm(a - b) / norm(b).
const bar = 1e-5

// TestEveryRowEqualsRuntime evaluates each operator in all the forms that the
// table lets pass, over sizes drawn at random, here and on ONNX Runtime.
func TestEveryRowEqualsRuntime(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	used := map[string]bool{}
	for op, forms := range forms {
		for i, form := range forms {
			t.Run(fmt.Sprint(op, " ", i), func(t *testing.T) {
				g := onnx.NewGraph(op)
				g.Result("y", form(g))
				found := false
				for _, n := range g.Nodes {
					found = found || n.Op.Name == op
				}
				if !found {
					t.Fatalf("the form has no %s", op)
				}
				used[op] = true
				compare(t, rt, g, 6)
			})
		}
	}
	for _, name := range onnx.OpNames() {
		if !used[name] {
			t.Errorf("%s was not compared", name)
		}
	}
}

// compare runs g here and on ONNX Runtime, draws times over.
func compare(t *testing.T, rt *ort.Runtime, g *onnx.Graph, draws int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(len(g.Nodes))))
	params := drawParams(g, r)
	s := session(t, rt, g, params)
	for range draws {
		in, symbols := drawInputs(t, g, r)
		want, err := Eval(g, in, func(name string) (Tensor, error) { return params[name], nil })
		if err != nil {
			t.Fatalf("%v: %v", symbols, err)
		}
		given := map[string]ort.Tensor{}
		for name, v := range in {
			given[name] = narrow(v)
		}
		got, err := s.Run(t.Context(), given)
		if err != nil {
			t.Fatalf("%v: %v", symbols, err)
		}
		for name, w := range want {
			if d, err := distance(wide(got[name]), w); err != nil || !(d <= bar) {
				t.Errorf("%v: %s is %.2g from ONNX Runtime's: %v", symbols, name, d, err)
			}
		}
	}
}

// session encodes g with its parameters in a file and makes a session of it.
func session(t *testing.T, rt *ort.Runtime, g *onnx.Graph, params map[string]Tensor) *ort.Session {
	t.Helper()
	dir := t.TempDir()
	var file bytes.Buffer
	at := map[string]onnx.External{}
	for _, p := range g.Params {
		values := narrow(params[p.Name]).Float32()
		at[p.Name] = onnx.External{Location: "weights", Offset: int64(file.Len()), Length: int64(4 * len(values)), DType: tensor.Float32}
		if err := binary.Write(&file, binary.LittleEndian, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "weights"), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Encode(g, func(name string) (onnx.External, error) { return at[name], nil })
	if err != nil {
		t.Fatal(err)
	}
	c := ort.SessionConfig{Name: g.Name, Model: model, ExternalDir: dir, Threads: 1}
	for _, v := range g.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	for _, v := range g.Outputs {
		c.Outputs = append(c.Outputs, v.Name)
	}
	s, err := rt.NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func drawParams(g *onnx.Graph, r *rand.Rand) map[string]Tensor {
	params := map[string]Tensor{}
	for _, p := range g.Params {
		shape := make(tensor.Shape, len(p.Shape))
		for i, d := range p.Shape {
			shape[i], _ = d.Const()
		}
		params[p.Name] = normal(r, shape)
	}
	return params
}

// drawInputs gives every symbol a size from 1 to 7 and every input its elements:
// normal floats, integers from 0 to 4. An input named "few" is below 3, one named
// "nonzero" has no 0 and nothing near it.
func drawInputs(t *testing.T, g *onnx.Graph, r *rand.Rand) (map[string]Tensor, map[string]int64) {
	t.Helper()
	symbols := map[string]int64{}
	for _, name := range []string{"rows", "height", "width", "tokens", "queries"} {
		symbols[name] = 1 + r.Int64N(7)
	}
	in := map[string]Tensor{}
	for _, v := range g.Inputs {
		shape := make(tensor.Shape, len(v.Shape))
		for i, d := range v.Shape {
			n, err := d.Eval(symbols)
			if err != nil {
				t.Fatal(err)
			}
			shape[i] = n
		}
		x := normal(r, shape)
		if v.Name == "nonzero" {
			for i, f := range x.Float64() {
				x.Float64()[i] = float64(float32(math.Copysign(math.Abs(f)+0.5, f)))
			}
		}
		if v.DType == tensor.Int64 {
			ints := make([]int64, len(x.Float64()))
			for i := range ints {
				switch v.Name {
				case "few":
					ints[i] = r.Int64N(3)
				case "nonzero":
					ints[i] = (1 + r.Int64N(4)) * (1 - 2*r.Int64N(2))
				case "signed":
					ints[i] = r.Int64N(19) - 9
				default:
					ints[i] = r.Int64N(5)
				}
			}
			x = Ints(ints, shape...)
		}
		in[v.Name] = x
	}
	return in, symbols
}

// normal draws numbers that float32 holds exactly.
func normal(r *rand.Rand, shape tensor.Shape) Tensor {
	n, _ := shape.Elements()
	data := make([]float64, n)
	for i := range data {
		data[i] = float64(float32(r.NormFloat64()))
	}
	return Floats(data, shape...)
}

func narrow(t Tensor) ort.Tensor {
	if ints := t.Int64(); ints != nil {
		return ort.Ints(ints, t.Shape...)
	}
	data := make([]float32, len(t.Float64()))
	for i, f := range t.Float64() {
		data[i] = float32(f)
	}
	return ort.Floats(data, t.Shape...)
}

func wide(t ort.Tensor) Tensor {
	if ints, ok := t.Data.([]int64); ok {
		return Ints(ints, t.Shape...)
	}
	data := make([]float64, len(t.Float32()))
	for i, f := range t.Float32() {
		data[i] = float64(f)
	}
	return Floats(data, t.Shape...)
}

// distance is norm(a - b) / norm(b) for floats; integers must be equal.
func distance(a, b Tensor) (float64, error) {
	if !a.Shape.Equal(b.Shape) {
		return math.Inf(1), fmt.Errorf("shapes %v and %v", a.Shape, b.Shape)
	}
	if x, y := a.Int64(), b.Int64(); x != nil || y != nil {
		for i := range y {
			if i >= len(x) || x[i] != y[i] {
				return math.Inf(1), fmt.Errorf("integers %v and %v", x, y)
			}
		}
		return 0, nil
	}
	var off, norm float64
	for i, v := range b.Float64() {
		d := a.Float64()[i] - v
		off += d * d
		norm += v * v
	}
	if off == 0 {
		return 0, nil
	}
	return math.Sqrt(off / norm), nil
}
