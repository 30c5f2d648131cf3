package autodiff

import (
	"math"

	"cosmicman/onnx"
)

// rule writes the gradients of a node's inputs, given that of its output, and
// returns them by input. What is not wanted may be nil; the node's inputs and
// output are values of the graph, computed anew where they are not kept.
type rule func(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value

// none marks operators through which nothing is differentiated: their results
// are integers or truth values, or change in steps.
var none rule

// rules has one entry a row of the operator table.
var rules = map[string]rule{
	"Add":                   addRule,
	"Sub":                   subRule,
	"Mul":                   mulRule,
	"Div":                   divRule,
	"Sin":                   sinRule,
	"Cos":                   cosRule,
	"Exp":                   expRule,
	"Sqrt":                  sqrtRule,
	"Erf":                   erfRule,
	"Abs":                   absRule,
	"Sign":                  none,
	"Clip":                  clipRule,
	"Equal":                 none,
	"ReduceSum":             reduceSumRule,
	"CumSum":                cumSumRule,
	"Sigmoid":               sigmoidRule,
	"Softplus":              softplusRule,
	"Gelu":                  geluRule,
	"QuickGelu":             quickGeluRule,
	"Softmax":               softmaxRule,
	"Conv":                  convRule,
	"ConvTranspose":         convTransposeRule,
	"Gemm":                  gemmRule,
	"MatMul":                matMulRule,
	"FusedMatMul":           fusedMatMulRule,
	"MultiHeadAttention":    attentionRule,
	"GroupNormalization":    groupNormRule,
	"InstanceNormalization": instanceNormRule,
	"LayerNormalization":    layerNormRule,
	"Shape":                 none,
	"Reshape":               reshapeRule,
	"Transpose":             transposeRule,
	"Concat":                concatRule,
	"Slice":                 sliceRule,
	"Gather":                gatherRule,
	"GatherElements":        gatherElementsRule,
	"ScatterElements":       scatterElementsRule,
	"Expand":                expandRule,
	"Pad":                   padRule,
	"Resize":                resizeRule,
	"Cast":                  castRule,
}

func only(v *onnx.Value) []*onnx.Value { return []*onnx.Value{v} }

func addRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	out := make([]*onnx.Value, 2)
	for i := range out {
		if b.wants(i) {
			out[i] = b.sumTo(dy, n.Inputs[i])
		}
	}
	return out
}

func subRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	out := addRule(b, n, dy)
	if out[1] != nil {
		out[1] = b.times(out[1], -1)
	}
	return out
}

func mulRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	out := make([]*onnx.Value, 2)
	for i := range out {
		if b.wants(i) {
			out[i] = b.sumTo(b.Mul(dy, n.Inputs[1-i]), n.Inputs[i])
		}
	}
	return out
}

// divRule: y = p / q, dp = dy / q, dq = -dy y / q.
func divRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	p, q := n.Inputs[0], n.Inputs[1]
	share := b.Div(dy, q)
	out := make([]*onnx.Value, 2)
	if b.wants(0) {
		out[0] = b.sumTo(share, p)
	}
	if b.wants(1) {
		out[1] = b.times(b.sumTo(b.Mul(share, n.Output), q), -1)
	}
	return out
}

func sinRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Mul(dy, b.Cos(n.Inputs[0])))
}

func cosRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Mul(dy, b.times(b.Sin(n.Inputs[0]), -1)))
}

func expRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Mul(dy, n.Output))
}

func sqrtRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Div(b.times(dy, 0.5), n.Output))
}

func erfRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x := n.Inputs[0]
	return only(b.Mul(dy, b.times(b.Exp(b.times(b.Mul(x, x), -1)), 2/math.Sqrt(math.Pi))))
}

// absRule has slope 0 at 0, as PyTorch.
func absRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Mul(dy, b.Sign(n.Inputs[0])))
}

// clipRule lets through what was not changed, an element at a bound too, as PyTorch.
func clipRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x := n.Inputs[0]
	same := b.Cast(b.Apply("Equal", []*onnx.Value{x, n.Output}), x.DType)
	return []*onnx.Value{b.Mul(dy, same), nil, nil}
}

func softplusRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Mul(dy, b.Sigmoid(n.Inputs[0])))
}

func sigmoidRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	y := n.Output
	return only(b.Mul(dy, b.Mul(y, b.Sub(b.scalar(y, 1), y))))
}

// geluRule: d x Phi(x) = Phi(x) + x phi(x), with the normal distribution's Phi and
// density phi. The tanh form is x s with s = sigmoid(2u) and u a cubic.
func geluRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x := n.Inputs[0]
	one := b.scalar(x, 1)
	square := b.Mul(x, x)
	if n.Str("approximate") == "tanh" {
		c := 2 * math.Sqrt(2/math.Pi)
		s := b.Sigmoid(b.Mul(x, b.Add(b.times(square, c*0.044715), b.scalar(x, c))))
		slope := b.Add(b.times(square, 3*c*0.044715), b.scalar(x, c)) // of 2u
		return only(b.Mul(dy, b.Mul(s, b.Add(b.Mul(b.Mul(x, slope), b.Sub(one, s)), one))))
	}
	phi := b.times(b.Exp(b.times(square, -0.5)), 1/math.Sqrt(2*math.Pi))
	below := b.times(b.Add(b.Erf(b.times(x, 1/math.Sqrt2)), one), 0.5)
	return only(b.Mul(dy, b.Add(b.Mul(x, phi), below)))
}

// quickGeluRule: y = x s with s = sigmoid(alpha x), dx = dy s (1 + alpha (x - y)).
func quickGeluRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x, alpha := n.Inputs[0], float64(n.Float("alpha", 1.702))
	s, rest := x, b.Sub(x, n.Output)
	if alpha != 1 {
		s, rest = b.times(x, alpha), b.times(rest, alpha)
	}
	return only(b.Mul(dy, b.Mul(b.Sigmoid(s), b.Add(rest, b.scalar(x, 1)))))
}

// softmaxRule: dx = y (dy - sum(dy y)).
func softmaxRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	y, axis := n.Output, n.Int("axis", -1)
	if axis < 0 {
		axis += int64(len(y.Shape))
	}
	return only(b.Mul(y, b.Sub(dy, b.Sum(b.Mul(dy, y), true, axis))))
}

// reduceSumRule hands the sum's gradient to every summand.
func reduceSumRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x := n.Inputs[0]
	summed := map[int64]bool{}
	for _, a := range n.Inputs[1].Data.([]int64) {
		summed[a] = true
	}
	if n.Int("keepdims", 1) == 0 {
		kept := make([]onnx.Extent, len(x.Shape))
		for i := range kept {
			if kept[i] = onnx.Of(x, i); summed[int64(i)] {
				kept[i] = onnx.Num(1)
			}
		}
		dy = b.Reshape(dy, kept...)
	}
	return []*onnx.Value{b.expanded(dy, x), nil}
}

func cumSumRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return []*onnx.Value{b.Apply("CumSum", []*onnx.Value{dy, n.Inputs[1]}, onnx.Attr{Name: "reverse", Value: 1 - n.Int("reverse", 0)}), nil}
}

func castRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return only(b.Cast(dy, n.Inputs[0].DType))
}
