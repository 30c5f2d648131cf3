package autodiff

import (
	"cosmicman/onnx"
	"cosmicman/tensor"
)

// groupNormRule, with xhat = rstd (x - mean) over a group of N elements and
// y = gamma xhat + beta:
//
//	g      = gamma dy
//	dx     = rstd (g - mean(g) - xhat mean(g xhat))
//	dgamma = sum(dy xhat), dbeta = sum(dy)
//
// Sums over positions are taken a channel first, so that what follows works on
// few numbers and x is passed over as few times as can be.
func groupNormRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return overGroups(b, n, dy, onnx.Num(n.Int("num_groups", 1)))
}

// instanceNormRule is that of groups of one channel.
func instanceNormRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return overGroups(b, n, dy, onnx.Of(n.Inputs[0], 1))
}

func overGroups(b *pass, n *onnx.Node, dy *onnx.Value, groups onnx.Extent) []*onnx.Value {
	x, gamma, dy := b.wide(n.Inputs[0]), b.wide(n.Inputs[1]), b.wide(dy)
	byGroup := func(v *onnx.Value) *onnx.Value { return b.Reshape(v, onnx.Of(x, 0), groups, onnx.Rest()) }
	byChannel := func(v *onnx.Value) *onnx.Value { return b.Reshape(v, onnx.Of(x, 0), onnx.Of(x, 1), onnx.Rest()) }

	// Statistics anew: [rows, groups, 1], beside xc = x - mean.
	xg := byGroup(x)
	size := b.extent(xg, 2)
	xc := b.Sub(xg, b.Div(b.Sum(xg, true, 2), size))
	variance := b.Div(b.Sum(b.Mul(xc, xc), true, 2), size)
	rstd := b.Div(b.scalar(x, 1), b.Sqrt(b.Add(variance, b.scalar(x, float64(n.Float("epsilon", 1e-5))))))

	// Sums over positions [rows, channels, 1].
	xc = byChannel(b.shaped(xc, x))
	dc := byChannel(dy)
	dot, plain := b.Sum(b.Mul(dc, xc), true, 2), b.Sum(dc, true, 2)
	out := make([]*onnx.Value, 3)
	if b.wants(1) {
		out[1] = b.Sum(b.shaped(b.Mul(byGroup(dot), rstd), dot), false, 0, 2)
	}
	if b.wants(2) {
		out[2] = b.Sum(plain, false, 0, 2)
	}
	if !b.wants(0) {
		return b.narrow(out, n)
	}
	scale := b.Reshape(gamma, onnx.Num(1), onnx.Of(gamma, 0), onnx.Num(1))
	mean := b.Div(b.Sum(byGroup(b.Mul(plain, scale)), true, 2), size)                         // of g
	lean := b.Mul(b.Mul(rstd, rstd), b.Div(b.Sum(byGroup(b.Mul(dot, scale)), true, 2), size)) // rstd mean(g xhat)
	dg := byGroup(b.shaped(b.Mul(dc, scale), x))
	dx := b.Sub(b.Sub(dg, mean), b.Mul(byGroup(b.shaped(xc, x)), lean))
	out[0] = b.shaped(b.Mul(dx, rstd), x)
	return b.narrow(out, n)
}

// layerNormRule is the same over the last axis, where each element has its own gamma.
func layerNormRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x, gamma, dy := b.wide(n.Inputs[0]), b.wide(n.Inputs[1]), b.wide(dy)
	last := int64(len(x.Shape) - 1)
	size := b.extent(x, last)
	mean := func(v *onnx.Value) *onnx.Value { return b.Div(b.Sum(v, true, last), size) }
	xc := b.Sub(x, mean(x))
	rstd := b.Div(b.scalar(x, 1), b.Sqrt(b.Add(mean(b.Mul(xc, xc)), b.scalar(x, float64(n.Float("epsilon", 1e-5))))))
	xhat := b.Mul(xc, rstd)
	out := make([]*onnx.Value, 3)
	if b.wants(0) {
		g := b.Mul(dy, gamma)
		out[0] = b.Mul(b.Sub(b.Sub(g, mean(g)), b.Mul(xhat, mean(b.Mul(g, xhat)))), rstd)
	}
	if b.wants(1) {
		out[1] = b.sumTo(b.Mul(dy, xhat), gamma)
	}
	if b.wants(2) {
		out[2] = b.sumTo(dy, n.Inputs[2])
	}
	return b.narrow(out, n)
}

// wide gives what is narrower than float32 as that: sums over a group are beyond
// what float16 holds.
func (b *pass) wide(v *onnx.Value) *onnx.Value {
	if v.DType == tensor.Float16 || v.DType == tensor.BFloat16 {
		return b.Cast(v, tensor.Float32)
	}
	return v
}

// narrow gives the gradients the types of the node's inputs.
func (b *pass) narrow(gradients []*onnx.Value, n *onnx.Node) []*onnx.Value {
	for i, v := range gradients {
		if v != nil {
			gradients[i] = convert(b.Graph, v, n.Inputs[i].DType)
		}
	}
	return gradients
}
