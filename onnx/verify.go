package onnx

import (
	"fmt"
	"slices"

	"cosmicman/tensor"
)

// Verify checks a graph from scratch: every name is unique, every input of a
// node stands before it, every type follows from the operator's rule, and
// there is at least one result. It trusts nothing that was noted while building.
func Verify(g *Graph) error {
	if g.err != nil {
		return g.err
	}
	names := map[string]bool{}
	defined := map[*Value]bool{}
	define := func(v *Value, kind Kind) error {
		if v == nil {
			return fmt.Errorf("onnx: graph %s: a value is missing", g.Name)
		}
		if v.Kind != kind {
			return fmt.Errorf("onnx: graph %s: %s is in the wrong list", g.Name, v.Name)
		}
		if v.Name == "" || names[v.Name] {
			return fmt.Errorf("onnx: graph %s: the name %q is empty or taken", g.Name, v.Name)
		}
		names[v.Name], defined[v] = true, true
		return nil
	}
	for _, list := range []struct {
		kind   Kind
		values []*Value
	}{{Input, g.Inputs}, {Param, g.Params}, {Const, g.Consts}} {
		for _, v := range list.values {
			if err := define(v, list.kind); err != nil {
				return err
			}
			if err := verifyLeaf(v); err != nil {
				return fmt.Errorf("onnx: graph %s: %s %w", g.Name, v.Name, err)
			}
		}
	}
	for i, n := range g.Nodes {
		if n == nil || n.Op == nil || ops[n.Op.Name] != n.Op || n.Output == nil {
			return fmt.Errorf("onnx: graph %s: node %d has no output or no operator of the table", g.Name, i)
		}
		for i, in := range n.Inputs {
			if in != nil && !defined[in] {
				return fmt.Errorf("onnx: graph %s: input %d of %s is not defined before it", g.Name, i, describe(n))
			}
		}
		t, err := n.Op.typeOf(n)
		if err != nil {
			return fmt.Errorf("onnx: graph %s: %s: %w", g.Name, describe(n), err)
		}
		if t.DType != n.Output.DType || !t.Shape.Equal(n.Output.Shape) || !slices.EqualFunc(t.Content, n.Output.Content, Dim.Equal) {
			return fmt.Errorf("onnx: graph %s: %s is noted as %v%v, its rule says %v%v", g.Name, n.Output.Name, n.Output.DType, n.Output.Shape, t.DType, t.Shape)
		}
		if n.Output.Node != n {
			return fmt.Errorf("onnx: graph %s: %s does not know its node", g.Name, n.Output.Name)
		}
		if err := define(n.Output, Output); err != nil {
			return err
		}
	}
	if len(g.Outputs) == 0 {
		return fmt.Errorf("onnx: graph %s has no result", g.Name)
	}
	for _, r := range g.Outputs {
		if !defined[r.Value] || r.Name == "" || names[r.Name] {
			return fmt.Errorf("onnx: graph %s: result %q is not defined or its name is empty or taken", g.Name, r.Name)
		}
		if r.Value.Kind != Output {
			return fmt.Errorf("onnx: graph %s: result %q is no node's output", g.Name, r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

// verifyLeaf checks what no operator's rule looks at: an input's type, a
// parameter's numbers, that a constant's elements are what its type says.
func verifyLeaf(v *Value) error {
	if v.DType == tensor.Invalid || v.DType.Size() == 0 {
		return fmt.Errorf("has no element type")
	}
	numbers := make(tensor.Shape, len(v.Shape))
	for i, d := range v.Shape {
		n, ok := d.Const()
		if !ok && v.Kind != Input {
			return fmt.Errorf("has shape %v, expected numbers", v.Shape)
		}
		if ok && n < 1 {
			return fmt.Errorf("has shape %v, expected dimensions of at least 1", v.Shape)
		}
		numbers[i] = n
	}
	if v.Kind != Const {
		return nil
	}
	count, dtype := 0, tensor.Invalid
	switch data := v.Data.(type) {
	case []float32:
		count, dtype = len(data), tensor.Float32
	case []int64:
		count, dtype = len(data), tensor.Int64
	}
	if n, err := numbers.Elements(); err != nil || n != int64(count) || dtype != v.DType {
		return fmt.Errorf("is noted as %v%v and holds %d elements of %v", v.DType, v.Shape, count, dtype)
	}
	if !slices.EqualFunc(v.Content, constContent(v), Dim.Equal) {
		return fmt.Errorf("holds other elements than noted")
	}
	return nil
}
