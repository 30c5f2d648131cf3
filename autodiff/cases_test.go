package autodiff

import (
	"math"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

const (
	f32 = tensor.Float32
	i64 = tensor.Int64
)

var (
	rows, height, width = onnx.Sym("rows"), onnx.Sym("height"), onnx.Sym("width")
	tokens, queries     = onnx.Sym("tokens"), onnx.Sym("queries")
)

// form writes an operator over inputs of its own and returns what is derived.
type form = func(g *onnx.Graph) *onnx.Value

func apply(g *onnx.Graph, op string, in []*onnx.Value, attrs ...any) *onnx.Value {
	var as []onnx.Attr
	for i := 0; i < len(attrs); i += 2 {
		as = append(as, onnx.Attr{Name: attrs[i].(string), Value: attrs[i+1]})
	}
	return g.Apply(op, in, as...)
}

func vs(v ...*onnx.Value) []*onnx.Value { return v }

func n(size int64) onnx.Dim { return onnx.N(size) }

func picture(g *onnx.Graph, channels int64) *onnx.Value {
	return g.Input("x", f32, rows, n(channels), height, width)
}

// arithmetic has both sides repeated, one of rank 0, and one twice.
func arithmetic(op string) []form {
	return []form{
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(picture(g, 3), g.Input("positive", f32, n(3), n(1), width)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(g.Input("x", f32, tokens, n(1)), g.Input("positive", f32, rows, n(1), width)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(g.Input("x", f32), g.Input("positive", f32, n(1), rows)))
		},
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("positive", f32, rows, width)
			return apply(g, op, vs(g.Sin(x), x))
		},
	}
}

func unary(op string, attrs ...any) form {
	return func(g *onnx.Graph) *onnx.Value {
		return apply(g, op, vs(g.Input("x", f32, rows, n(2), width)), attrs...)
	}
}

func conv(channels, count, kh, kw int64, bias bool, steps []int64, pads ...int64) form {
	return func(g *onnx.Graph) *onnx.Value {
		return convOf(g, picture(g, channels), count, kh, kw, bias, steps, pads...)
	}
}

func convOf(g *onnx.Graph, x *onnx.Value, count, kh, kw int64, bias bool, steps []int64, pads ...int64) *onnx.Value {
	channels, _ := x.Shape[1].Const()
	in := vs(x, g.Param("w", count, channels, kh, kw))
	if bias {
		in = append(in, g.Param("b", count))
	}
	return apply(g, "Conv", in, "kernel_shape", []int64{kh, kw}, "strides", steps, "pads", pads)
}

func transposed(channels, count, kh, kw int64, steps, extra []int64, pads ...int64) form {
	return func(g *onnx.Graph) *onnx.Value {
		x := g.Input("x", f32, rows, n(channels), height, width)
		return apply(g, "ConvTranspose", vs(x, g.Param("w", channels, count, kh, kw)),
			"kernel_shape", []int64{kh, kw}, "strides", steps, "pads", pads, "output_padding", extra)
	}
}

func gemm(turnA, turnB int64, bias bool) form {
	return func(g *onnx.Graph) *onnx.Value {
		a, b := onnx.Shape{rows, tokens}, onnx.Shape{tokens, width}
		if turnA == 1 {
			slices.Reverse(a)
		}
		if turnB == 1 {
			slices.Reverse(b)
		}
		in := vs(g.Input("a", f32, a...), g.Input("b", f32, b...))
		if bias {
			in = append(in, g.Input("c", f32, width))
		}
		return apply(g, "Gemm", in, "transA", turnA, "transB", turnB)
	}
}

func attentionForm(heads, size, valueSize int64, scale float32, bias onnx.Shape) form {
	return func(g *onnx.Graph) *onnx.Value {
		in := vs(g.Input("q", f32, rows, queries, n(size)), g.Input("k", f32, rows, tokens, n(size)), g.Input("v", f32, rows, tokens, n(valueSize)))
		attrs := []any{"num_heads", heads}
		if scale != 0 {
			attrs = append(attrs, "scale", scale)
		}
		if bias != nil {
			in = append(in, nil, nil, g.Input("bias", f32, bias...))
		}
		return apply(g, "MultiHeadAttention", in, attrs...)
	}
}

func norm(op string, c int64, attrs []any, shape ...onnx.Dim) form {
	return func(g *onnx.Graph) *onnx.Value {
		return apply(g, op, vs(g.Input("x", f32, shape...), g.Param("scale", c), g.Param("bias", c)), attrs...)
	}
}

func resized(shape onnx.Shape, scales ...float32) form {
	return func(g *onnx.Graph) *onnx.Value {
		return apply(g, "Resize", vs(g.Input("x", f32, shape...), nil, g.Floats(scales, int64(len(scales)))),
			"mode", "nearest", "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
	}
}

// sizedAs repeats x as the forward pass does between two sizes of any ratio.
func sizedAs(shape, like onnx.Shape) form {
	return func(g *onnx.Graph) *onnx.Value {
		x, l := g.Input("x", f32, shape...), g.Input("like", f32, like...)
		return apply(g, "Resize", vs(x, nil, nil, g.ShapeOf(l, 0, int64(len(like)))),
			"mode", "nearest", "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
	}
}

func sliced(g *onnx.Graph, x *onnx.Value, starts, ends, along, steps []int64) *onnx.Value {
	count := int64(len(along))
	return apply(g, "Slice", vs(x, g.Ints(starts, count), g.Ints(ends, count), g.Ints(along, count), g.Ints(steps, count)))
}

// forms has, for each rule, the forms in which it is checked.
var forms = map[string][]form{
	"Add": arithmetic("Add"), "Sub": arithmetic("Sub"), "Mul": arithmetic("Mul"), "Div": arithmetic("Div"),
	"Sin": {unary("Sin")}, "Cos": {unary("Cos")}, "Exp": {unary("Exp")}, "Erf": {unary("Erf")}, "Sigmoid": {unary("Sigmoid")},
	"Softplus":  {unary("Softplus")},
	"Abs":       {unary("Abs")},
	"Clip":      {func(g *onnx.Graph) *onnx.Value { return g.Clip(g.Input("x", f32, rows, width), -0.7, 0.4) }},
	"Sqrt":      {func(g *onnx.Graph) *onnx.Value { return g.Sqrt(g.Input("positive", f32, rows, width)) }},
	"Gelu":      {unary("Gelu"), unary("Gelu", "approximate", "none"), unary("Gelu", "approximate", "tanh")},
	"QuickGelu": {unary("QuickGelu"), unary("QuickGelu", "alpha", float32(1)), unary("QuickGelu", "alpha", float32(0.5))},
	"Softmax":   {unary("Softmax"), unary("Softmax", "axis", int64(1)), unary("Softmax", "axis", int64(-3))},
	"ReduceSum": {
		func(g *onnx.Graph) *onnx.Value { return g.Sum(g.Exp(picture(g, 2)), false, 0, 3) },
		func(g *onnx.Graph) *onnx.Value { return g.Sum(g.Exp(picture(g, 2)), true, 2, 1) },
		func(g *onnx.Graph) *onnx.Value { return g.Sum(g.Exp(g.Input("x", f32, rows, width)), false, 0, 1) },
	},
	"CumSum": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "CumSum", vs(g.Input("x", f32, rows, width), g.Ints([]int64{1})))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "CumSum", vs(g.Input("x", f32, rows, width), g.Ints([]int64{0})), "reverse", int64(1))
		},
	},
	"Conv": {
		conv(2, 3, 3, 3, true, []int64{1, 1}, 1, 1, 1, 1),
		conv(3, 2, 1, 1, false, []int64{1, 1}, 0, 0, 0, 0),
		conv(2, 3, 3, 3, true, []int64{2, 2}, 1, 1, 1, 1),
		conv(3, 2, 3, 3, true, []int64{2, 2}, 0, 0, 1, 1),
		conv(1, 4, 5, 3, false, []int64{1, 3}, 4, 0, 1, 2),
		conv(2, 2, 2, 2, true, []int64{3, 1}, 0, 1, 1, 0),
		conv(2, 1, 1, 2, true, []int64{1, 1}, 1, 3, 0, 2), // more padding than the kernel is wide
		conv(2, 1, 1, 1, true, []int64{2, 3}, 0, 0, 0, 0),
		func(g *onnx.Graph) *onnx.Value { // of known size
			return convOf(g, g.Input("x", f32, n(2), n(2), n(5), n(4)), 3, 3, 3, true, []int64{2, 2}, 1, 1, 1, 1)
		},
		func(g *onnx.Graph) *onnx.Value { // halved twice
			x := picture(g, 2)
			half := func(x *onnx.Value) *onnx.Value {
				return convOf(g, x, 2, 3, 3, false, []int64{2, 2}, 1, 1, 1, 1)
			}
			return half(half(x))
		},
	},
	"ConvTranspose": {
		transposed(2, 3, 3, 3, []int64{1, 1}, []int64{0, 0}, 1, 1, 1, 1),
		transposed(3, 2, 3, 3, []int64{2, 3}, []int64{1, 2}, 1, 0, 0, 1),
		transposed(2, 2, 1, 2, []int64{2, 2}, []int64{1, 0}, 0, 0, 0, 0),
	},
	"Gemm": {
		gemm(0, 0, true), gemm(0, 1, true), gemm(1, 0, false), gemm(1, 1, true),
		func(g *onnx.Graph) *onnx.Value {
			return g.Linear(g.Input("x", f32, rows, n(3)), g.Param("w", 2, 3), g.Param("b", 2))
		},
	},
	"MatMul": {
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, rows, tokens), g.Input("b", f32, tokens, width))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, rows, n(1), queries, tokens), g.Input("b", f32, n(3), tokens, n(2)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, queries, n(2)), g.Input("b", f32, rows, n(2), n(2), width))
		},
	},
	"FusedMatMul": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(0.7, g.Input("a", f32, tokens, rows), true, g.Input("b", f32, width, tokens), true)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(1, g.Input("a", f32, rows, n(1), tokens, queries), true, g.Input("b", f32, n(3), tokens, n(2)), false)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(-2, g.Input("a", f32, rows, n(2), queries, n(2)), false, g.Input("b", f32, rows, n(2), width, n(2)), true)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(1, g.Input("a", f32, queries, n(2)), false, g.Input("b", f32, rows, n(2), width), false)
		},
	},
	"MultiHeadAttention": {
		attentionForm(1, 3, 3, 0, nil),
		attentionForm(3, 6, 6, 0, nil),
		attentionForm(2, 2, 6, 0.7, nil),
		attentionForm(2, 4, 4, 0, onnx.Shape{n(1), n(1), queries, tokens}),
		attentionForm(2, 4, 4, 0.3, onnx.Shape{rows, n(1), queries, tokens}),
		attentionForm(2, 2, 2, 0, onnx.Shape{n(1), n(2), queries, tokens}),
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("x", f32, rows, tokens, n(4))
			return g.Attention(x, x, x, 2, nil)
		},
	},
	"GroupNormalization": {
		norm("GroupNormalization", 6, []any{"num_groups", int64(3), "epsilon", float32(1e-2)}, rows, n(6), height, width),
		norm("GroupNormalization", 4, []any{"num_groups", int64(1), "epsilon", float32(0.1)}, rows, n(4), tokens),
		norm("GroupNormalization", 4, []any{"num_groups", int64(2)}, rows, n(4), n(2), n(3)),
	},
	"InstanceNormalization": {
		norm("InstanceNormalization", 3, []any{"epsilon", float32(1e-2)}, rows, n(3), n(3), width),
		norm("InstanceNormalization", 2, nil, rows, n(2), n(4)),
	},
	"LayerNormalization": {
		norm("LayerNormalization", 5, []any{"epsilon", float32(1e-5), "axis", int64(-1)}, rows, n(5)),
		norm("LayerNormalization", 3, []any{"epsilon", float32(0.01)}, rows, tokens, n(3)),
		norm("LayerNormalization", 4, nil, n(4)),
	},
	"Reshape": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Reshape", vs(picture(g, 6), g.Ints([]int64{0, 2, -1}, 3)))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Reshape(picture(g, 2), onnx.Rest()) },
		func(g *onnx.Graph) *onnx.Value { return g.Reshape(g.Input("x", f32), onnx.Num(1), onnx.Num(1)) },
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 3)
			flat := g.Reshape(g.Transpose(x, 0, 2, 3, 1), onnx.Rest(), onnx.Num(3))
			return g.Reshape(flat, onnx.Of(x, 0), onnx.Of(x, 2), onnx.Of(x, 3), onnx.Num(3))
		},
	},
	"Transpose": {
		func(g *onnx.Graph) *onnx.Value { return g.Transpose(picture(g, 3), 0, 2, 3, 1) },
		func(g *onnx.Graph) *onnx.Value { return g.Transpose(picture(g, 3), 3, 1, 0, 2) },
	},
	"Concat": {
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 3)
			return g.Concat(1, x, g.Input("z", f32, rows, n(2), height, width), g.Mul(x, x))
		},
		func(g *onnx.Graph) *onnx.Value {
			a := g.Input("a", f32, rows, tokens)
			return g.Concat(1, a, g.Input("b", f32, rows, width), a, g.Input("c", f32, rows, n(2)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Concat(0, g.Input("x", f32, rows), g.Floats([]float32{7, 8}, 2))
		},
	},
	"Slice": {
		func(g *onnx.Graph) *onnx.Value { return g.Slice(picture(g, 7), 1, 2, 6) },
		func(g *onnx.Graph) *onnx.Value {
			return sliced(g, g.Input("x", f32, n(5), rows, n(6)), []int64{1, 0}, []int64{4, math.MaxInt64}, []int64{0, 2}, []int64{2, 4})
		},
		func(g *onnx.Graph) *onnx.Value { return g.Slice(picture(g, 1), 3, 0, 1) },
		func(g *onnx.Graph) *onnx.Value { return g.Reverse(picture(g, 2), 3) },
		func(g *onnx.Graph) *onnx.Value {
			x := apply(g, "Pad", vs(picture(g, 1), g.Ints([]int64{0, 0, 1, 2, 0, 0, 1, 0}, 8)))
			return sliced(g, x, []int64{1, 0}, []int64{-1, math.MaxInt64}, []int64{2, 3}, []int64{2, 3})
		},
	},
	"Gather": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Gather(g.Param("table", 5, 2), g.Input("ids", i64, rows, tokens))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Gather(g.Param("table", 5, 1, 2), g.Input("ids", i64, rows)) },
		func(g *onnx.Graph) *onnx.Value {
			ids := g.Sub(g.Input("few", i64, rows), g.Ints([]int64{3}, 1)) // counted from the end
			return g.Gather(g.Input("x", f32, n(3)), ids)
		},
		func(g *onnx.Graph) *onnx.Value { return g.Gather(g.Param("table", 5, 2), g.Input("ids", i64)) },
	},
	"GatherElements": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "GatherElements", vs(g.Param("table", 5, 3), g.Input("ids", i64, rows, n(3))), "axis", int64(0))
		},
	},
	"ScatterElements": {
		func(g *onnx.Graph) *onnx.Value {
			in := vs(g.Param("table", 5, 3), g.Input("ids", i64, rows, n(3)), g.Input("x", f32, rows, n(3)))
			return apply(g, "ScatterElements", in, "axis", int64(0), "reduction", "add")
		},
	},
	"Expand": {
		func(g *onnx.Graph) *onnx.Value {
			l := g.Input("like", f32, rows, n(3), tokens, width)
			return g.Expand(g.Input("x", f32, n(3), n(1), width), g.ShapeOf(l, 0, 4))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Expand(g.Input("x", f32), g.Ints([]int64{2, 3}, 2)) },
	},
	"Pad": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Pad", vs(picture(g, 2), g.Ints([]int64{0, 1, 2, 0, 1, 0, 0, 3}, 8)))
		},
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("x", f32, rows, width)
			shape := g.ShapeOf(x, 0, 2)
			return apply(g, "Pad", vs(x, g.Concat(0, g.Ints([]int64{1, 0}, 2), g.Sub(g.Add(shape, shape), g.Ints([]int64{1, 1}, 2)))))
		},
	},
	"Resize": {
		resized(onnx.Shape{rows, n(2), height, width}, 1, 1, 2, 2),
		resized(onnx.Shape{rows, n(2), height, width}, 2, 1, 1, 3),
		resized(onnx.Shape{width}, 3),
		sizedAs(onnx.Shape{rows, n(2), height, width}, onnx.Shape{rows, n(2), tokens, queries}),
		sizedAs(onnx.Shape{width}, onnx.Shape{tokens}),
		sizedAs(onnx.Shape{rows, n(2), width}, onnx.Shape{tokens, n(2), width}),
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 1)
			half := convOf(g, x, 1, 3, 3, false, []int64{2, 2}, 1, 1, 1, 1)
			return g.UpsampleTo(half, x)
		},
	},
	"Cast": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Cast(g.Exp(g.Cast(g.Input("x", f32, rows, width), tensor.Float64)), f32)
		},
		func(g *onnx.Graph) *onnx.Value { // through an integer nothing is differentiated
			x := g.Input("x", f32, rows)
			return g.Mul(x, g.Cast(g.Cast(g.Mul(g.Input("ids", i64, rows), g.Ints([]int64{2}, 1)), i64), f32))
		},
	},
}
