// Package onnxtest is the reference meaning of the operator table: it evaluates
// a graph of package onnx with plain loops, in float64 for floating-point values
// of any width and int64 for integers. It is slow and meant for tests.
//
// At run time every value's shape is compared with what the graph's symbolic
// shape gives for the inputs at hand, so evaluating a graph also tests the shape
// rules.
package onnxtest

import (
	"fmt"
	"maps"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// kernel evaluates one node. An absent optional input has no Data. Inputs hold
// as many elements as their shapes say, and their element types are those that
// the operator's type rule let pass; everything else is the kernel's to check.
type kernel func(n *onnx.Node, in []Tensor) (Tensor, error)

// kernels has one entry a row of the operator table.
var kernels = map[string]kernel{
	"Add":                   evalAdd,
	"Sub":                   evalSub,
	"Mul":                   evalMul,
	"Div":                   evalDiv,
	"Sin":                   evalSin,
	"Cos":                   evalCos,
	"Exp":                   evalExp,
	"Sqrt":                  evalSqrt,
	"Erf":                   evalErf,
	"Abs":                   evalAbs,
	"Sign":                  evalSign,
	"Clip":                  evalClip,
	"Equal":                 evalEqual,
	"ReduceSum":             evalReduceSum,
	"CumSum":                evalCumSum,
	"Sigmoid":               evalSigmoid,
	"Softplus":              evalSoftplus,
	"Gelu":                  evalGelu,
	"QuickGelu":             evalQuickGelu,
	"Softmax":               evalSoftmax,
	"Conv":                  evalConv,
	"ConvTranspose":         evalConvTranspose,
	"Gemm":                  evalGemm,
	"MatMul":                evalMatMul,
	"FusedMatMul":           evalFusedMatMul,
	"MultiHeadAttention":    evalAttention,
	"GroupNormalization":    evalGroupNorm,
	"InstanceNormalization": evalInstanceNorm,
	"LayerNormalization":    evalLayerNorm,
	"Shape":                 evalShape,
	"Reshape":               evalReshape,
	"Transpose":             evalTranspose,
	"Concat":                evalConcat,
	"Slice":                 evalSlice,
	"Gather":                evalGather,
	"GatherElements":        evalGatherElements,
	"ScatterElements":       evalScatterElements,
	"Expand":                evalExpand,
	"Pad":                   evalPad,
	"Resize":                evalResize,
	"Cast":                  evalCast,
}

// OpNames lists the operators that can be evaluated, in order.
func OpNames() []string { return slices.Sorted(maps.Keys(kernels)) }

// Eval evaluates g once and returns its results by name. Every input must be
// given, with float64 elements where the graph says a floating-point type and
// int64 where it says an integer; params is asked once for each parameter and
// may be nil where g has none. A symbol of the inputs' shapes takes the value it
// has where it first stands alone as a dimension.
func Eval(g *onnx.Graph, inputs map[string]Tensor, params func(name string) (Tensor, error)) (map[string]Tensor, error) {
	if err := onnx.Verify(g); err != nil {
		return nil, err
	}
	e := evaluator{values: map[*onnx.Value]Tensor{}}
	if err := e.bind(g, inputs); err != nil {
		return nil, fmt.Errorf("onnxtest: graph %s: %w", g.Name, err)
	}
	for _, p := range g.Params {
		if params == nil {
			return nil, fmt.Errorf("onnxtest: graph %s: parameter %s: there is no source of parameters", g.Name, p.Name)
		}
		t, err := params(p.Name)
		if err == nil {
			err = e.set(p, t)
		}
		if err != nil {
			return nil, fmt.Errorf("onnxtest: graph %s: parameter %s: %w", g.Name, p.Name, err)
		}
	}
	for _, c := range g.Consts {
		if err := e.set(c, constant(c)); err != nil {
			return nil, fmt.Errorf("onnxtest: graph %s: constant %s: %w", g.Name, c.Name, err)
		}
	}
	for _, n := range g.Nodes {
		if err := e.node(n); err != nil {
			return nil, fmt.Errorf("onnxtest: graph %s: %s %s: %w", g.Name, n.Op.Name, n.Output.Name, err)
		}
	}
	results := make(map[string]Tensor, len(g.Outputs))
	for _, r := range g.Outputs {
		results[r.Name] = e.values[r.Value]
	}
	return results, nil
}

type evaluator struct {
	values  map[*onnx.Value]Tensor
	symbols map[string]int64
}

// bind notes the inputs and what they make of the symbols.
func (e *evaluator) bind(g *onnx.Graph, inputs map[string]Tensor) error {
	e.symbols = map[string]int64{}
	for _, v := range g.Inputs {
		t, ok := inputs[v.Name]
		if !ok {
			return fmt.Errorf("input %s of shape %v is missing", v.Name, v.Shape)
		}
		if len(t.Shape) != len(v.Shape) {
			return fmt.Errorf("input %s has shape %v, expected %v", v.Name, t.Shape, v.Shape)
		}
		for i, d := range v.Shape {
			name := d.String()
			if _, bound := e.symbols[name]; !bound && d.Equal(onnx.Sym(name)) {
				e.symbols[name] = t.Shape[i]
			}
		}
	}
	if len(inputs) != len(g.Inputs) {
		for _, name := range slices.Sorted(maps.Keys(inputs)) {
			if !slices.ContainsFunc(g.Inputs, func(v *onnx.Value) bool { return v.Name == name }) {
				return fmt.Errorf("there is no input %s", name)
			}
		}
	}
	for _, v := range g.Inputs {
		if err := e.set(v, inputs[v.Name]); err != nil {
			return fmt.Errorf("input %s: %w", v.Name, err)
		}
	}
	return nil
}

func constant(v *onnx.Value) Tensor {
	shape := make(tensor.Shape, len(v.Shape))
	for i, d := range v.Shape {
		shape[i], _ = d.Const()
	}
	switch data := v.Data.(type) {
	case []float32:
		wide := make([]float64, len(data))
		for i, f := range data {
			wide[i] = float64(f)
		}
		return Floats(wide, shape...)
	case []int64:
		return Ints(slices.Clone(data), shape...)
	}
	return Tensor{}
}

func (e *evaluator) node(n *onnx.Node) error {
	eval := kernels[n.Op.Name]
	if eval == nil {
		return fmt.Errorf("has no evaluation")
	}
	in := make([]Tensor, len(n.Inputs))
	for i, v := range n.Inputs {
		if v != nil {
			in[i] = e.values[v]
		}
	}
	t, err := eval(n, in)
	if err != nil {
		return err
	}
	return e.set(n.Output, t)
}

// set gives v its elements after comparing them with v's noted type.
func (e *evaluator) set(v *onnx.Value, t Tensor) error {
	if err := t.check(); err != nil {
		return err
	}
	if _, float := t.Data.([]float64); float != v.DType.IsFloat() {
		return fmt.Errorf("elements are %T where the graph says %v", t.Data, v.DType)
	}
	want := make(tensor.Shape, len(v.Shape))
	for i, d := range v.Shape {
		n, err := d.Eval(e.symbols)
		if err != nil {
			return err
		}
		want[i] = n
	}
	if !t.Shape.Equal(want) {
		return fmt.Errorf("has shape %v where the graph says %v, which is %v", t.Shape, v.Shape, want)
	}
	if v.Content != nil {
		ints, _ := t.Data.([]int64)
		for i, d := range v.Content {
			n, err := d.Eval(e.symbols)
			if err != nil {
				return err
			}
			if i >= len(ints) || ints[i] != n {
				return fmt.Errorf("has elements %v where the graph says %v", ints, v.Content)
			}
		}
	}
	e.values[v] = t
	return nil
}
