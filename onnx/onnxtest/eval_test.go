package onnxtest

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

func TestEveryRowIsEvaluated(t *testing.T) {
	if have, want := OpNames(), onnx.OpNames(); !slices.Equal(have, want) {
		t.Errorf("evaluated are %v, the table has %v", have, want)
	}
}

// sum is y = x + w with x [rows, 2] and w [2], and s, the rows of x.
func sum() *onnx.Graph {
	g := onnx.NewGraph("sum")
	x := g.Input("x", tensor.Float32, onnx.Sym("rows"), onnx.N(2))
	ids := g.Input("ids", tensor.Int64, onnx.Sym("rows"))
	g.Result("y", g.Add(g.Add(x, g.Param("w", 2)), g.Gather(g.Param("table", 3, 2), ids)))
	return g
}

func sumParams(name string) (Tensor, error) {
	switch name {
	case "w":
		return Floats([]float64{10, 20}, 2), nil
	case "table":
		return Floats([]float64{0, 0, 1, 1, 2, 2}, 3, 2), nil
	}
	return Tensor{}, errors.New("nobody knows it")
}

func TestEval(t *testing.T) {
	out, err := Eval(sum(), map[string]Tensor{"x": Floats([]float64{1, 2, 3, 4}, 2, 2), "ids": Ints([]int64{2, -2}, 2)}, sumParams)
	if err != nil {
		t.Fatal(err)
	}
	if y := out["y"]; !y.Shape.Equal(tensor.Shape{2, 2}) || !slices.Equal(y.Float64(), []float64{13, 24, 14, 25}) {
		t.Errorf("y is %v", y)
	}
}

func TestEvalRefuses(t *testing.T) {
	x, ids := Floats([]float64{1, 2, 3, 4}, 2, 2), Ints([]int64{0, 1}, 2)
	for name, c := range map[string]struct {
		in     map[string]Tensor
		params func(string) (Tensor, error)
		want   string
	}{
		"no input":      {map[string]Tensor{"ids": ids}, sumParams, "input x of shape [rows, 2] is missing"},
		"another":       {map[string]Tensor{"x": x, "ids": ids, "z": x}, sumParams, "there is no input z"},
		"rank":          {map[string]Tensor{"x": Floats([]float64{1, 2}, 2), "ids": ids}, sumParams, "input x has shape [2]"},
		"size":          {map[string]Tensor{"x": Floats([]float64{1, 2, 3, 4, 5, 6}, 2, 3), "ids": ids}, sumParams, "input x: has shape [2, 3]"},
		"symbol":        {map[string]Tensor{"x": x, "ids": Ints([]int64{1}, 1)}, sumParams, "input ids: has shape [1]"},
		"type":          {map[string]Tensor{"x": Ints([]int64{1, 2, 3, 4}, 2, 2), "ids": ids}, sumParams, "input x: elements are []int64"},
		"elements":      {map[string]Tensor{"x": Floats([]float64{1, 2}, 2, 2), "ids": ids}, sumParams, "2 elements do not fill"},
		"nothing":       {map[string]Tensor{"x": Floats(nil, 0, 2), "ids": ids}, sumParams, "do not fill"},
		"negative":      {map[string]Tensor{"x": Floats(nil, -1, 2), "ids": ids}, sumParams, "is negative"},
		"float32":       {map[string]Tensor{"x": {tensor.Shape{2, 2}, make([]float32, 4)}, "ids": ids}, sumParams, "elements are []float32"},
		"index":         {map[string]Tensor{"x": x, "ids": Ints([]int64{0, 3}, 2)}, sumParams, "index 3 of 3 rows"},
		"no parameters": {map[string]Tensor{"x": x, "ids": ids}, nil, "parameter w: there is no source"},
		"parameter":     {map[string]Tensor{"x": x, "ids": ids}, func(string) (Tensor, error) { return x, nil }, "parameter w: has shape [2, 2]"},
		"cause":         {map[string]Tensor{"x": x, "ids": ids}, func(string) (Tensor, error) { return sumParams("v") }, "nobody knows it"},
	} {
		if _, err := Eval(sum(), c.in, c.params); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := Eval(onnx.NewGraph("empty"), nil, nil); err == nil || !strings.Contains(err.Error(), "no result") {
		t.Errorf("an empty graph: %v", err)
	}
}

// TestWrongShapeIsNoticed spoils what a graph says of a value behind the back of
// Verify, which a wrong shape rule would do too.
func TestWrongShapeIsNoticed(t *testing.T) {
	g := sum()
	e := evaluator{values: map[*onnx.Value]Tensor{}, symbols: map[string]int64{"rows": 2}}
	v := *g.Nodes[0].Output
	v.Shape = onnx.Shape{onnx.Sym("rows").Mul(onnx.N(2)), onnx.N(2)}
	if err := e.set(&v, Floats(make([]float64, 4), 2, 2)); err == nil || !strings.Contains(err.Error(), "[2*rows, 2], which is [4, 2]") {
		t.Errorf("the wrong shape: %v", err)
	}
	v = onnx.Value{Type: onnx.Type{DType: tensor.Int64, Shape: onnx.Shape{onnx.N(1)}, Content: []onnx.Dim{onnx.Sym("rows")}}}
	if err := e.set(&v, Ints([]int64{3}, 1)); err == nil || !strings.Contains(err.Error(), "has elements [3]") {
		t.Errorf("wrong content: %v", err)
	}
}

// TestKnownValues holds evaluations to numbers that stand in books, so that the
// comparison with ONNX Runtime is not the only witness.
func TestKnownValues(t *testing.T) {
	for _, c := range []struct {
		op    string
		attrs []onnx.Attr
		x     float64
		want  float64
	}{
		{"Sin", nil, math.Pi / 6, 0.5},
		{"Cos", nil, math.Pi / 3, 0.5},
		{"Sigmoid", nil, math.Log(3), 0.75},
		{"Gelu", nil, 1, 0.8413447460685429}, // Phi(1)
		{"Gelu", nil, -40, 0},
		{"QuickGelu", []onnx.Attr{{Name: "alpha", Value: float32(1)}}, math.Log(3), 0.75 * math.Log(3)},
	} {
		g := onnx.NewGraph("one")
		g.Result("y", g.Apply(c.op, []*onnx.Value{g.Input("x", tensor.Float64)}, c.attrs...))
		out, err := Eval(g, map[string]Tensor{"x": Floats([]float64{c.x})}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if y := out["y"].Float64()[0]; math.Abs(y-c.want) > 1e-15 {
			t.Errorf("%s(%v) = %v, want %v", c.op, c.x, y, c.want)
		}
	}
}

// TestKernelsRefuse gives kernels directly what the type rules would keep from them.
func TestKernelsRefuse(t *testing.T) {
	odd := []Tensor{
		Floats([]float64{1}), Ints([]int64{1}), Floats([]float64{1, 2, 3}, 3), Ints([]int64{-1, -1}, 2), Ints([]int64{0}, 1),
		Floats(make([]float64, 12), 1, 2, 3, 2), Floats(make([]float64, 6), 2, 3), Floats(make([]float64, 6), 1, 2, 3), {},
	}
	attrs := [][]onnx.Attr{nil, {
		{Name: "axis", Value: int64(7)}, {Name: "perm", Value: []int64{1, 1}}, {Name: "num_heads", Value: int64(2)}, {Name: "num_groups", Value: int64(2)},
		{Name: "start", Value: int64(-3)}, {Name: "pads", Value: []int64{1, 1, 1, 1}}, {Name: "strides", Value: []int64{1, 0}},
		{Name: "mode", Value: "nearest"}, {Name: "coordinate_transformation_mode", Value: "asymmetric"}, {Name: "nearest_mode", Value: "floor"},
	}, {{Name: "axis", Value: int64(-9)}, {Name: "approximate", Value: "never"}, {Name: "end", Value: int64(9)}, {Name: "perm", Value: []int64{0, 1, 2, 3, 4}}}}
	graph := sum()
	tried := 0
	for name, eval := range kernels {
		for _, arity := range []int{2, 3, 4} { // the fewest that arity checks let pass are 1 or 2; more are ignored
			for _, a := range attrs {
				for i := range odd {
					for j := range odd {
						in := []Tensor{odd[i], odd[j], odd[(i+j)%len(odd)], odd[(2*i+j)%len(odd)]}[:arity]
						if in[0].Data == nil || arity < minimum[name] || in[1].Data == nil && name != "Resize" {
							continue
						}
						node := *graph.Nodes[0]
						node.Attrs = a
						out, err := eval(&node, in)
						if err == nil && out.check() != nil {
							t.Errorf("%s(%v) gave %v: %v", name, in, out, out.check())
						}
						tried++
					}
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d tried", tried)
	}
}

// minimum is how many inputs a row of the table requires, where more than two.
var minimum = map[string]int{
	"MultiHeadAttention": 3, "GroupNormalization": 3, "InstanceNormalization": 3, "LayerNormalization": 3, "Slice": 4, "Resize": 3, "ScatterElements": 3,
}
