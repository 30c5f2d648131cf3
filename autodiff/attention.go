package autodiff

import (
	"math"

	"cosmicman/onnx"
)

// Attention writes softmax(scale q k' + bias) v in plain operators, as the fused
// operator does it, and also returns the probabilities [rows, heads, S, T]: a
// loss may depend on them. q is [rows, S, C], k [rows, T, C], v [rows, T, D]; bias
// may be nil; a scale of 0 is 1 / sqrt(C / heads).
func Attention(g *onnx.Graph, q, k, v *onnx.Value, heads int64, scale float32, bias *onnx.Value) (out, probabilities *onnx.Value) {
	a := attention{backward: &backward{Graph: g}, heads: heads, scale: float64(scale)}
	if scale == 0 {
		c, _ := q.Shape[2].Const()
		a.scale = 1 / math.Sqrt(float64(c)/float64(heads))
	}
	p := a.probabilities(a.split(q), a.split(k), bias)
	return a.join(g.MatMul(p, a.split(v))), p
}

type attention struct {
	*backward
	heads int64
	scale float64
}

// split gives x [rows, S, C] as [rows, heads, S, C/heads].
func (a attention) split(x *onnx.Value) *onnx.Value {
	return a.Transpose(a.Reshape(x, onnx.Of(x, 0), onnx.Of(x, 1), onnx.Num(a.heads), onnx.Rest()), 0, 2, 1, 3)
}

// join undoes split.
func (a attention) join(x *onnx.Value) *onnx.Value {
	x = a.Transpose(x, 0, 2, 1, 3)
	c, _ := x.Shape[2].Mul(x.Shape[3]).Const()
	return a.Reshape(x, onnx.Of(x, 0), onnx.Of(x, 1), onnx.Num(c))
}

func (a attention) probabilities(q, k, bias *onnx.Value) *onnx.Value {
	s := a.MatMul(a.times(q, a.scale), a.turned(k))
	if bias != nil {
		s = a.Add(s, bias)
	}
	return a.Softmax(s)
}

// attentionRule computes the probabilities P anew, which the fused operator never
// stores: dv = P' do, dS = P (do v' - sum(do o)), dbias = dS, dq = scale dS k,
// dk = scale dS' q (Dao et al., 2022).
func attentionRule(b *backward, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	a := attention{b, n.Int("num_heads", 1), float64(n.Float("scale", 0))}
	var bias *onnx.Value
	if len(n.Inputs) > 5 {
		bias = n.Inputs[5]
	}
	q, k, do := a.split(n.Inputs[0]), a.split(n.Inputs[1]), a.split(dy)
	if a.scale == 0 {
		size, _ := q.Shape[3].Const()
		a.scale = 1 / math.Sqrt(float64(size))
	}
	p := a.probabilities(q, k, bias)
	out := make([]*onnx.Value, len(n.Inputs))
	if b.wants(2) {
		out[2] = a.join(b.MatMul(b.turned(p), do))
	}
	if !b.wants(0) && !b.wants(1) && !b.wants(5) {
		return out
	}
	dot := b.Sum(b.Mul(do, a.split(n.Output)), true, 3)
	ds := b.Mul(p, b.Sub(b.MatMul(do, b.turned(a.split(n.Inputs[2]))), dot))
	if b.wants(0) {
		out[0] = a.join(b.times(b.MatMul(ds, k), a.scale))
	}
	if b.wants(1) {
		out[1] = a.join(b.times(b.MatMul(b.turned(ds), q), a.scale))
	}
	if b.wants(5) {
		out[5] = b.sumTo(ds, bias)
	}
	return out
}
