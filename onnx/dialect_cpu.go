package onnx

// CPU rewrites a graph into the operators for which ONNX Runtime's CPU provider
// has kernels: group normalization becomes instance normalization over groups,
// 1 % of a UNet's step there.
func CPU(g *Graph) (*Graph, error) {
	return Rewrite(g, func(g *Graph, n *Node, in []*Value) *Value {
		if n.Op.Name == "GroupNormalization" {
			return groupNormTwin(g, in[0], in[1], in[2], n.Int("num_groups", 0), n.Float("epsilon", 1e-5))
		}
		return nil
	})
}

// groupNormTwin writes group normalization in primitive operators.
func groupNormTwin(g *Graph, x, scale, bias *Value, groups int64, epsilon float32) *Value {
	ones := make([]float32, groups)
	for i := range ones {
		ones[i] = 1
	}
	y := g.Reshape(x, Of(x, 0), Num(groups), Rest())
	y = g.Apply("InstanceNormalization", []*Value{y, g.Floats(ones, groups), g.Floats(make([]float32, groups), groups)}, Attr{"epsilon", epsilon})
	y = g.Apply("Reshape", []*Value{y, g.ShapeOf(x, 0, int64(len(x.Shape)))})
	per := make([]Extent, 1, len(x.Shape))
	per[0] = Of(x, 1)
	for range len(x.Shape) - 2 {
		per = append(per, Num(1))
	}
	return g.Add(g.Mul(y, g.Reshape(scale, per...)), g.Reshape(bias, per...))
}
