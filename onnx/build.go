package onnx

import (
	"math"

	"cosmicman/tensor"
)

// Methods that write the operators of the table, so that a network's
// definition reads like the network.

func in(vs ...*Value) []*Value { return vs }

// Add returns a + b.
func (g *Graph) Add(a, b *Value) *Value { return g.Apply("Add", in(a, b)) }

// Sub returns a - b.
func (g *Graph) Sub(a, b *Value) *Value { return g.Apply("Sub", in(a, b)) }

// Mul returns a * b.
func (g *Graph) Mul(a, b *Value) *Value { return g.Apply("Mul", in(a, b)) }

// Div returns a / b.
func (g *Graph) Div(a, b *Value) *Value { return g.Apply("Div", in(a, b)) }

// Sin returns the sine, x in radians.
func (g *Graph) Sin(x *Value) *Value { return g.Apply("Sin", in(x)) }

// Cos returns the cosine, x in radians.
func (g *Graph) Cos(x *Value) *Value { return g.Apply("Cos", in(x)) }

// Sigmoid returns 1 / (1 + exp(-x)).
func (g *Graph) Sigmoid(x *Value) *Value { return g.Apply("Sigmoid", in(x)) }

// Exp returns e to the x.
func (g *Graph) Exp(x *Value) *Value { return g.Apply("Exp", in(x)) }

// Sqrt returns the square root.
func (g *Graph) Sqrt(x *Value) *Value { return g.Apply("Sqrt", in(x)) }

// Erf returns the error function.
func (g *Graph) Erf(x *Value) *Value { return g.Apply("Erf", in(x)) }

// Abs returns the absolute value.
func (g *Graph) Abs(x *Value) *Value { return g.Apply("Abs", in(x)) }

// Sign returns -1, 0 or 1.
func (g *Graph) Sign(x *Value) *Value { return g.Apply("Sign", in(x)) }

// Clip returns x, but low where it is lower and high where it is higher.
func (g *Graph) Clip(x *Value, low, high float32) *Value {
	return g.Apply("Clip", in(x, g.Scalar(low), g.Scalar(high)))
}

// Softplus returns log(1 + exp(x)).
func (g *Graph) Softplus(x *Value) *Value { return g.Apply("Softplus", in(x)) }

// Sum adds the elements along axes, which stay with size 1 where keep is set.
func (g *Graph) Sum(x *Value, keep bool, axes ...int64) *Value {
	k := int64(0)
	if keep {
		k = 1
	}
	return g.Apply("ReduceSum", in(x, g.Ints(axes, int64(len(axes)))), Attr{"keepdims", k})
}

// Expand repeats x as broadcasting does until it has a shape, an int64 value.
func (g *Graph) Expand(x, shape *Value) *Value { return g.Apply("Expand", in(x, shape)) }

// Gelu returns x * Phi(x), the exact form with erf.
func (g *Graph) Gelu(x *Value) *Value { return g.Apply("Gelu", in(x)) }

// QuickGelu returns x * sigmoid(alpha x): CLIP's activation with alpha 1.702,
// SiLU with alpha 1.
func (g *Graph) QuickGelu(x *Value, alpha float32) *Value {
	return g.Apply("QuickGelu", in(x), Attr{"alpha", alpha})
}

// SiLU returns x * sigmoid(x).
func (g *Graph) SiLU(x *Value) *Value { return g.QuickGelu(x, 1) }

// Softmax normalizes the last axis.
func (g *Graph) Softmax(x *Value) *Value { return g.Apply("Softmax", in(x), Attr{"axis", int64(-1)}) }

// Conv2D convolves x [rows, C, H, W] with w [K, C, kh, kw] and adds b [K], which
// may be nil. pads are top, left, bottom, right.
func (g *Graph) Conv2D(x, w, b *Value, stride int64, pads [4]int64) *Value {
	var kernel []int64
	if len(w.Shape) == 4 {
		kh, _ := w.Shape[2].Const()
		kw, _ := w.Shape[3].Const()
		kernel = []int64{kh, kw}
	}
	inputs := in(x, w)
	if b != nil {
		inputs = append(inputs, b)
	}
	return g.Apply("Conv", inputs, Attr{"kernel_shape", kernel}, Attr{"pads", pads[:]}, Attr{"strides", []int64{stride, stride}})
}

// Linear returns x w' + b for x [n, in], w [out, in] as PyTorch stores it, and b
// [out] or nil.
func (g *Graph) Linear(x, w, b *Value) *Value {
	inputs := in(x, w)
	if b != nil {
		inputs = append(inputs, b)
	}
	return g.Apply("Gemm", inputs, Attr{"transB", int64(1)})
}

// MatMul multiplies the last two axes.
func (g *Graph) MatMul(a, b *Value) *Value { return g.Apply("MatMul", in(a, b)) }

// Product returns alpha a b, with the last two axes of a or b turned first where that
// is said.
func (g *Graph) Product(alpha float32, a *Value, turnA bool, b *Value, turnB bool) *Value {
	var attrs []Attr
	if alpha != 1 {
		attrs = append(attrs, Attr{"alpha", alpha})
	}
	for _, t := range []struct {
		name string
		turn bool
	}{{"transA", turnA}, {"transB", turnB}} {
		if t.turn {
			attrs = append(attrs, Attr{t.name, int64(1)})
		}
	}
	return g.Apply("FusedMatMul", in(a, b), attrs...)
}

// Attention returns softmax(q k' / sqrt(head size) + bias) v for q [rows, S, C],
// k and v [rows, T, C], split into heads. bias [1, 1, S, T] may be nil.
func (g *Graph) Attention(q, k, v *Value, heads int64, bias *Value) *Value {
	inputs := in(q, k, v)
	if bias != nil {
		inputs = append(inputs, nil, nil, bias)
	}
	return g.Apply("MultiHeadAttention", inputs, Attr{"num_heads", heads})
}

// GroupNorm normalizes x [rows, C, H, W] over each group of channels and all
// positions, then scales and shifts each channel (Wu and He, 2018).
func (g *Graph) GroupNorm(x, scale, bias *Value, groups int64, epsilon float32) *Value {
	return g.Apply("GroupNormalization", in(x, scale, bias), Attr{"epsilon", epsilon}, Attr{"num_groups", groups})
}

// LayerNorm normalizes the last axis.
func (g *Graph) LayerNorm(x, scale, bias *Value, epsilon float32) *Value {
	return g.Apply("LayerNormalization", in(x, scale, bias), Attr{"axis", int64(-1)}, Attr{"epsilon", epsilon})
}

// Transpose permutes the axes.
func (g *Graph) Transpose(x *Value, perm ...int64) *Value {
	return g.Apply("Transpose", in(x), Attr{"perm", perm})
}

// Concat joins values along an axis.
func (g *Graph) Concat(axis int64, vs ...*Value) *Value {
	return g.Apply("Concat", vs, Attr{"axis", axis})
}

// Slice takes elements start to end (excluded) of one axis of known size.
func (g *Graph) Slice(x *Value, axis, start, end int64) *Value {
	return g.Apply("Slice", in(x, g.Ints([]int64{start}, 1), g.Ints([]int64{end}, 1), g.Ints([]int64{axis}, 1)))
}

// Reverse turns an axis round: its last element comes first.
func (g *Graph) Reverse(x *Value, axis int64) *Value {
	back := g.Ints([]int64{-1}, 1)
	return g.Apply("Slice", in(x, back, g.Ints([]int64{math.MinInt64}, 1), g.Ints([]int64{axis}, 1), back))
}

// Gather picks rows of x by int64 indices.
func (g *Graph) Gather(x, indices *Value) *Value {
	return g.Apply("Gather", in(x, indices), Attr{"axis", int64(0)})
}

// Cast converts the element type.
func (g *Graph) Cast(x *Value, to tensor.DType) *Value {
	return g.Apply("Cast", in(x), Attr{"to", protoDType(to)})
}

// Extent names one dimension of a Reshape's result: a number, what is left
// ([Rest]) or an axis of some value ([Of]).
type Extent struct {
	n    int64
	of   *Value
	axis int
}

// Num is the extent n.
func Num(n int64) Extent { return Extent{n: n} }

// Rest is the one extent that follows from the others.
func Rest() Extent { return Extent{n: -1} }

// Of is the extent of v along an axis.
func Of(v *Value, axis int) Extent { return Extent{of: v, axis: axis} }

// Reshape gives x another shape of as many elements. Extents that a constant
// target can express (a number, the same axis of x, the rest) cost nothing; the
// others are read from a shape at run time.
func (g *Graph) Reshape(x *Value, to ...Extent) *Value {
	return g.Apply("Reshape", in(x, g.extents(x, to)))
}

func (g *Graph) extents(x *Value, to []Extent) *Value {
	consts := make([]int64, len(to))
	dynamic := false
	for i, e := range to {
		switch {
		case e.of == nil:
			consts[i] = e.n
		case e.axis >= len(e.of.Shape):
			g.fail("axis %d of %s, which has shape %v", e.axis, e.of.Name, e.of.Shape)
		default:
			d := e.of.Shape[e.axis]
			if n, ok := d.Const(); ok {
				consts[i] = n
			} else if i < len(x.Shape) && d.Equal(x.Shape[i]) {
				consts[i] = 0
			} else {
				dynamic = true
			}
		}
	}
	if !dynamic {
		return g.Ints(consts, int64(len(consts)))
	}
	parts := make([]*Value, len(to))
	for i, e := range to {
		if e.of == nil {
			parts[i] = g.Ints([]int64{e.n}, 1)
			continue
		}
		parts[i] = g.ShapeOf(e.of, int64(e.axis), int64(e.axis)+1)
	}
	return g.Concat(0, parts...)
}

// ShapeOf returns axes start to end (excluded) of v's shape as an int64 value, one
// node for each question asked however often.
func (g *Graph) ShapeOf(v *Value, start, end int64) *Value {
	for _, n := range g.Nodes {
		if n.Op.Name == "Shape" && n.Inputs[0] == v && n.Int("start", 0) == start && n.Int("end", -1) == end {
			return n.Output
		}
	}
	return g.Apply("Shape", in(v), Attr{"start", start}, Attr{"end", end})
}

// Upsample doubles height and width of x [rows, C, H, W] by nearest neighbour.
func (g *Graph) Upsample(x *Value) *Value {
	return g.resize(x, g.Floats([]float32{1, 1, 2, 2}, 4))
}

// UpsampleTo gives x [rows, C, H, W] the height and width of like, by nearest
// neighbour: source index floor(target index * in / out).
func (g *Graph) UpsampleTo(x, like *Value) *Value {
	return g.resize(x, nil, g.Concat(0, g.ShapeOf(x, 0, 2), g.ShapeOf(like, 2, 4)))
}

func (g *Graph) resize(x *Value, scalesAndSizes ...*Value) *Value {
	return g.Apply("Resize", append(in(x, nil), scalesAndSizes...),
		Attr{"mode", "nearest"}, Attr{"coordinate_transformation_mode", "asymmetric"}, Attr{"nearest_mode", "floor"})
}
