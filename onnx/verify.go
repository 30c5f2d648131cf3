package onnx

import (
	"fmt"
	"slices"
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
		}
	}
	for _, n := range g.Nodes {
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
		if !defined[r.Value] || names[r.Name] {
			return fmt.Errorf("onnx: graph %s: result %q is not defined or its name is taken", g.Name, r.Name)
		}
		names[r.Name] = true
	}
	return nil
}
