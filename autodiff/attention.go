package autodiff

import (
	"math"
	"slices"

	"cosmicman/onnx"
)

// Attention writes softmax(scale q k' + bias) v in plain operators, as the fused
// operator does it, and also returns the probabilities [rows, heads, S, T]: a
// loss may depend on them. q is [rows, S, C], k [rows, T, C], v [rows, T, D]; bias
// may be nil; a scale of 0 is 1 / sqrt(C / heads).
func Attention(g *onnx.Graph, q, k, v *onnx.Value, heads int64, scale float32, bias *onnx.Value) (out, probabilities *onnx.Value) {
	a := attention{pass: &pass{Graph: g}, heads: heads, scale: float64(scale)}
	if scale == 0 {
		c, _ := q.Shape[2].Const()
		a.scale = 1 / math.Sqrt(float64(c)/float64(heads))
	}
	p := a.probabilities(a.split(q), a.split(k), bias)
	return a.join(g.MatMul(p, a.split(v))), p
}

type attention struct {
	*pass
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
	s := a.Product(float32(a.scale), q, false, k, true)
	if bias != nil {
		s = a.Add(s, bias)
	}
	return a.Softmax(s)
}

// attentionRule computes the probabilities P anew, which the fused operator never
// stores: dv = P' do, dS = P (do v' - sum(do o)), dbias = dS, dq = scale dS k,
// dk = scale dS' q (Dao et al., 2022).
func attentionRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	a := attention{b, n.Int("num_heads", 1), float64(n.Float("scale", 0))}
	if a.scale == 0 {
		c, _ := n.Inputs[0].Shape[2].Const()
		a.scale = 1 / math.Sqrt(float64(c)/float64(a.heads))
	}
	in := slices.Clone(n.Inputs)
	for len(in) < 6 {
		in = append(in, nil)
	}
	if b.most > 0 && a.heads > b.most && in[5] == nil && in[0].Shape[2].Equal(in[2].Shape[2]) {
		return a.byGroups(in, n.Output, dy)
	}
	return a.backward(in, n.Output, dy)
}

func (a attention) backward(in []*onnx.Value, y, dy *onnx.Value) []*onnx.Value {
	q, k, do := a.split(in[0]), a.split(in[1]), a.split(dy)
	p := a.probabilities(q, k, in[5])
	out := make([]*onnx.Value, len(in))
	if a.wants(2) {
		out[2] = a.join(a.Product(1, p, true, do, false))
	}
	if !a.wants(0) && !a.wants(1) && !a.wants(5) {
		return out
	}
	// do v' - dot is one product of do | -dot and v | 1: the matrix is passed over once less.
	dot, v := a.Sum(a.Mul(do, a.split(y)), true, 3), a.split(in[2])
	ones := a.expanded(a.scalar(v, 1), a.Slice(v, 3, 0, 1))
	ds := a.Mul(p, a.Product(1, a.Concat(3, do, a.times(dot, -1)), false, a.Concat(3, v, ones), true))
	if a.wants(0) {
		out[0] = a.join(a.Product(float32(a.scale), ds, false, k, false))
	}
	if a.wants(1) {
		out[1] = a.join(a.Product(float32(a.scale), ds, true, q, false))
	}
	if a.wants(5) {
		out[5] = a.sumTo(ds, in[5])
	}
	return out
}

// byGroups computes a few heads after others. What a group gives is joined along
// the tokens before the groups are joined, so that one group's matrices are
// done with when the next one's begin.
func (a attention) byGroups(in []*onnx.Value, y, dy *onnx.Value) []*onnx.Value {
	width, _ := in[0].Shape[2].Const()
	width /= a.heads
	var groups []*onnx.Value
	for first := int64(0); first < a.heads; first += a.most {
		group := a
		group.heads = min(a.most, a.heads-first)
		cut := func(v *onnx.Value) *onnx.Value {
			return a.Slice(v, 2, first*width, (first+group.heads)*width)
		}
		part := group.backward([]*onnx.Value{cut(in[0]), cut(in[1]), cut(in[2]), nil, nil, nil}, cut(y), cut(dy))
		groups = append(groups, a.Concat(1, wanted(part)...))
	}
	all := a.Concat(2, groups...)
	out := make([]*onnx.Value, 3)
	start := a.Ints([]int64{0}, 1)
	for i, v := range in[:3] {
		if a.wants(i) {
			end := a.plus(start, a.size(v, 1))
			out[i] = a.Apply("Slice", []*onnx.Value{all, start, end, a.Ints([]int64{1}, 1)})
			start = end
		}
	}
	return out
}

func wanted(parts []*onnx.Value) []*onnx.Value {
	return slices.DeleteFunc(slices.Clone(parts), func(v *onnx.Value) bool { return v == nil })
}
