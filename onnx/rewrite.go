package onnx

// Rule writes a replacement for node n into g and returns the value that stands
// for n's output, or nil to have n copied as it is. inputs are n's, already in g.
type Rule func(g *Graph, n *Node, inputs []*Value) *Value

// Rewrite builds a new graph from src with rule applied to every node. Inputs,
// parameters and results keep their names.
func Rewrite(src *Graph, rule Rule) (*Graph, error) {
	return rewrite(src, func(string) bool { return false }, rule)
}

// Free returns src with the parameters that a function picks as inputs under
// their names: weights that change from run to run.
func Free(src *Graph, pick func(param string) bool) (*Graph, error) {
	return rewrite(src, pick, func(*Graph, *Node, []*Value) *Value { return nil })
}

func rewrite(src *Graph, free func(param string) bool, rule Rule) (*Graph, error) {
	if err := Verify(src); err != nil {
		return nil, err
	}
	g := NewGraph(src.Name)
	now := map[*Value]*Value{nil: nil}
	for _, v := range src.Inputs {
		now[v] = g.Input(v.Name, v.DType, v.Shape...)
	}
	for _, v := range src.Params {
		if free(v.Name) {
			now[v] = g.Input(v.Name, v.DType, v.Shape...)
			continue
		}
		shape := make([]int64, len(v.Shape))
		for i, d := range v.Shape {
			shape[i], _ = d.Const()
		}
		now[v] = g.Param(v.Name, shape...)
	}
	for _, v := range src.Consts {
		shape := make([]int64, len(v.Shape))
		for i, d := range v.Shape {
			shape[i], _ = d.Const()
		}
		switch data := v.Data.(type) {
		case []float32:
			now[v] = g.Floats(data, shape...)
		case []int64:
			now[v] = g.Ints(data, shape...)
		}
	}
	for _, n := range src.Nodes {
		inputs := make([]*Value, len(n.Inputs))
		for i, v := range n.Inputs {
			inputs[i] = now[v]
		}
		out := rule(g, n, inputs)
		if out == nil {
			out = g.Apply(n.Op.Name, inputs, n.Attrs...)
		}
		if g.err == nil && (out.DType != n.Output.DType || !out.Shape.Equal(n.Output.Shape)) {
			g.fail("the replacement of %s is %v%v instead of %v%v", describe(n), out.DType, out.Shape, n.Output.DType, n.Output.Shape)
		}
		now[n.Output] = out
	}
	for _, r := range src.Outputs {
		g.Result(r.Name, now[r.Value])
	}
	if err := Verify(g); err != nil {
		return nil, err
	}
	return g, nil
}
