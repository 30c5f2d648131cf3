package onnxtest

import (
	"math"

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

type form = func(g *onnx.Graph) *onnx.Value

func apply(g *onnx.Graph, op string, in []*onnx.Value, attrs ...any) *onnx.Value {
	var as []onnx.Attr
	for i := 0; i < len(attrs); i += 2 {
		as = append(as, onnx.Attr{Name: attrs[i].(string), Value: attrs[i+1]})
	}
	return g.Apply(op, in, as...)
}

func vs(v ...*onnx.Value) []*onnx.Value { return v }

// picture is an input [rows, channels, height, width].
func picture(g *onnx.Graph, channels int64) *onnx.Value {
	return g.Input("x", f32, rows, onnx.N(channels), height, width)
}

// arithmetic is an operator on floats, with both sides repeated, and on integers.
func arithmetic(op string) []form {
	return []form{
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(picture(g, 3), g.Input("nonzero", f32, onnx.N(3), onnx.N(1), width)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(g.Input("x", f32, tokens, onnx.N(1)), g.Input("nonzero", f32, rows, onnx.N(1), width)))
		},
		func(g *onnx.Graph) *onnx.Value { return apply(g, op, vs(picture(g, 1), g.Scalar(-1.75))) },
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, op, vs(g.Input("signed", i64, rows, width), g.Input("nonzero", i64, width)))
		},
	}
}

// unary is an operator on floats with its attributes.
func unary(op string, attrs ...any) form {
	return func(g *onnx.Graph) *onnx.Value { return apply(g, op, vs(g.Mul(picture(g, 3), g.Scalar(4))), attrs...) }
}

func conv(channels, count, kh, kw int64, bias bool, steps []int64, pads ...int64) form {
	return func(g *onnx.Graph) *onnx.Value {
		in := vs(picture(g, channels), g.Param("w", count, channels, kh, kw))
		if bias {
			in = append(in, g.Param("b", count))
		}
		return apply(g, "Conv", in, "kernel_shape", []int64{kh, kw}, "strides", steps, "pads", pads)
	}
}

func transposed(channels, count, kh, kw int64, steps, extra []int64, pads ...int64) form {
	return func(g *onnx.Graph) *onnx.Value {
		x := g.Input("x", f32, rows, onnx.N(channels), g.Input("like", f32, height).Shape[0].Add(onnx.N(2)), width)
		attrs := []any{"kernel_shape", []int64{kh, kw}, "strides", steps, "pads", pads}
		if extra != nil {
			attrs = append(attrs, "output_padding", extra)
		}
		return apply(g, "ConvTranspose", vs(x, g.Param("w", channels, count, kh, kw)), attrs...)
	}
}

// attention draws its bias of a shape, nil for none.
func attention(heads, width, valueWidth int64, scale float32, bias onnx.Shape) form {
	return func(g *onnx.Graph) *onnx.Value {
		in := vs(g.Input("q", f32, rows, queries, onnx.N(width)), g.Input("k", f32, rows, tokens, onnx.N(width)), g.Input("v", f32, rows, tokens, onnx.N(valueWidth)))
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

// norm is a normalization of x with scale and bias of c channels.
func norm(op string, c int64, attrs []any, shape ...onnx.Dim) form {
	return func(g *onnx.Graph) *onnx.Value {
		return apply(g, op, vs(g.Input("x", f32, shape...), g.Param("scale", c), g.Param("bias", c)), attrs...)
	}
}

// cast goes from integers, or from floats of whole value, through a type and back.
func cast(from, through tensor.DType) form {
	return func(g *onnx.Graph) *onnx.Value {
		x := g.Input("x", i64, rows, width)
		if from.IsFloat() {
			x = g.Cast(x, from)
		}
		return g.Cast(g.Cast(x, through), f32)
	}
}

func resized(scales ...float32) form {
	return func(g *onnx.Graph) *onnx.Value {
		return apply(g, "Resize", vs(picture(g, 3), nil, g.Floats(scales, 4)),
			"mode", "nearest", "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
	}
}

// forms has, for each row of the table, the forms in which it is compared.
var forms = map[string][]form{
	"Add": arithmetic("Add"), "Sub": arithmetic("Sub"), "Mul": arithmetic("Mul"), "Div": arithmetic("Div"),
	"Sin": {unary("Sin")}, "Cos": {unary("Cos")}, "Sigmoid": {unary("Sigmoid")},
	"Exp": {unary("Exp")}, "Erf": {unary("Erf")}, "Abs": {unary("Abs")}, "Sign": {unary("Sign")},
	"Softplus": {unary("Softplus"), func(g *onnx.Graph) *onnx.Value { return g.Softplus(g.Mul(picture(g, 1), g.Scalar(90))) }},
	"Clip":     {func(g *onnx.Graph) *onnx.Value { return g.Clip(picture(g, 3), -0.75, 1.25) }},
	"Sqrt": {func(g *onnx.Graph) *onnx.Value {
		x := picture(g, 3)
		return apply(g, "Sqrt", vs(g.Mul(x, x)))
	}},
	"Equal": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Cast(apply(g, "Equal", vs(g.Input("few", i64, rows, onnx.N(1)), g.Input("x", i64, width))), f32)
		},
		func(g *onnx.Graph) *onnx.Value {
			x := g.Cast(g.Input("few", i64, rows, width), f32)
			return g.Cast(apply(g, "Equal", vs(x, g.Scalar(1))), i64)
		},
	},
	"ReduceSum": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "ReduceSum", vs(picture(g, 3), g.Ints([]int64{0, 2, 3}, 3)), "keepdims", int64(0))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "ReduceSum", vs(picture(g, 3), g.Ints([]int64{3, 1}, 2)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "ReduceSum", vs(g.Input("x", i64, rows, width), g.Ints([]int64{1}, 1)), "keepdims", int64(1))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "ReduceSum", vs(g.Input("x", f32, rows, width), g.Ints([]int64{0, 1}, 2)), "keepdims", int64(0))
		},
	},
	"CumSum": {
		func(g *onnx.Graph) *onnx.Value { return apply(g, "CumSum", vs(picture(g, 3), g.Ints([]int64{2}))) },
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "CumSum", vs(picture(g, 3), g.Ints([]int64{1})), "reverse", int64(1))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "CumSum", vs(g.Input("x", i64, rows), g.Ints([]int64{0})))
		},
	},
	"Gelu":      {unary("Gelu"), unary("Gelu", "approximate", "none"), unary("Gelu", "approximate", "tanh")},
	"QuickGelu": {unary("QuickGelu"), unary("QuickGelu", "alpha", float32(1)), unary("QuickGelu", "alpha", float32(1.702))},
	"Softmax":   {unary("Softmax"), unary("Softmax", "axis", int64(-1)), unary("Softmax", "axis", int64(1)), unary("Softmax", "axis", int64(-4))},
	"Conv": {
		conv(3, 5, 3, 3, true, []int64{1, 1}, 1, 1, 1, 1),
		conv(3, 2, 1, 1, false, []int64{1, 1}, 0, 0, 0, 0),
		conv(2, 3, 3, 3, true, []int64{2, 2}, 1, 1, 1, 1),
		conv(4, 3, 3, 3, true, []int64{2, 2}, 1, 1, 2, 2),
		conv(1, 4, 5, 3, false, []int64{1, 3}, 4, 0, 1, 2),
		conv(3, 3, 2, 2, true, []int64{3, 1}, 0, 1, 1, 0),
	},
	"ConvTranspose": {
		transposed(3, 5, 3, 3, []int64{1, 1}, []int64{0, 0}, 0, 0, 0, 0),
		transposed(3, 2, 3, 2, []int64{2, 3}, []int64{1, 2}, 1, 0, 0, 1),
		transposed(2, 3, 1, 1, []int64{2, 2}, []int64{1, 0}, 0, 0, 0, 0),
		transposed(2, 4, 5, 3, []int64{1, 2}, nil, 2, 1, 1, 0),
	},
	"Gemm": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Gemm", vs(g.Input("x", f32, tokens, rows), g.Input("w", f32, tokens, width)), "transA", int64(1))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Gemm", vs(g.Input("x", f32, rows, onnx.N(3)), g.Param("w", 4, 3), g.Param("b", 4)), "transA", int64(0), "transB", int64(1))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Gemm", vs(g.Input("x", f32, tokens, rows), g.Input("w", f32, width, tokens), g.Input("b", f32, width)), "transA", int64(1), "transB", int64(1))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Linear(g.Input("x", f32, rows, onnx.N(5)), g.Param("w", 3, 5), g.Param("b", 3))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Linear(g.Input("x", f32, rows, onnx.N(5)), g.Param("w", 3, 5), nil)
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Gemm", vs(g.Input("x", f32, rows, tokens), g.Input("w", f32, tokens, width), g.Input("b", f32, width)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Gemm", vs(g.Input("x", f32, rows, tokens), g.Input("w", f32, tokens, onnx.N(4))), "transB", int64(0))
		},
	},
	"MatMul": {
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, rows, tokens), g.Input("b", f32, tokens, width))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, rows, onnx.N(1), queries, tokens), g.Input("b", f32, onnx.N(3), tokens, width))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(g.Input("a", f32, queries, onnx.N(4)), g.Input("b", f32, rows, onnx.N(2), onnx.N(4), width))
		},
	},
	"FusedMatMul": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(0.7, g.Input("a", f32, tokens, rows), true, g.Input("b", f32, width, tokens), true)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(1, g.Input("a", f32, rows, onnx.N(1), tokens, queries), true, g.Input("b", f32, onnx.N(3), tokens, width), false)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(-2, g.Input("a", f32, rows, onnx.N(2), queries, onnx.N(4)), false, g.Input("b", f32, rows, onnx.N(2), width, onnx.N(4)), true)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Product(1, g.Input("a", f32, rows, tokens), false, g.Input("b", f32, tokens, width), false)
		},
	},
	"MultiHeadAttention": {
		attention(1, 5, 5, 0, nil),
		attention(3, 12, 12, 0, nil),
		attention(2, 6, 10, 0, nil),
		attention(2, 8, 8, 0.7, nil),
		attention(2, 8, 8, 0, onnx.Shape{onnx.N(1), onnx.N(1), queries, tokens}),
		attention(2, 8, 8, 0, onnx.Shape{rows, onnx.N(2), queries, tokens}),
		attention(2, 8, 8, 0.3, onnx.Shape{onnx.N(1), onnx.N(2), queries, tokens}),
		attention(2, 8, 8, 0, onnx.Shape{rows, onnx.N(1), queries, tokens}),
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("x", f32, rows, tokens, onnx.N(6))
			return g.Attention(x, x, x, 3, nil)
		},
	},
	"GroupNormalization": {
		norm("GroupNormalization", 6, []any{"num_groups", int64(3), "epsilon", float32(1e-5)}, rows, onnx.N(6), height, width),
		norm("GroupNormalization", 4, []any{"num_groups", int64(1), "epsilon", float32(0.1)}, rows, onnx.N(4), tokens),
		norm("GroupNormalization", 6, []any{"num_groups", int64(2)}, rows, onnx.N(6), height, onnx.N(2), width),
	},
	"InstanceNormalization": {
		norm("InstanceNormalization", 3, []any{"epsilon", float32(1e-6)}, rows, onnx.N(3), onnx.N(5), width),
		// Not of one position: x - mean is 0 there, and float32 shows what it is made of.
		norm("InstanceNormalization", 2, nil, rows, onnx.N(2), onnx.N(9)),
	},
	"LayerNormalization": {
		norm("LayerNormalization", 7, []any{"epsilon", float32(1e-5), "axis", int64(-1)}, rows, onnx.N(7)),
		norm("LayerNormalization", 5, []any{"epsilon", float32(0.01)}, rows, tokens, onnx.N(5)),
		norm("LayerNormalization", 5, nil, onnx.N(5)),
	},
	"Shape": {
		func(g *onnx.Graph) *onnx.Value { return apply(g, "Shape", vs(picture(g, 3))) },
		func(g *onnx.Graph) *onnx.Value { return apply(g, "Shape", vs(picture(g, 3)), "start", int64(2)) },
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Shape", vs(picture(g, 3)), "start", int64(0), "end", int64(3))
		},
	},
	"Reshape": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Reshape", vs(picture(g, 6), g.Ints([]int64{0, 2, -1}, 3)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Reshape", vs(picture(g, 6), g.Ints([]int64{-1, 6, 0, 0, 1}, 5)))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Reshape(picture(g, 6), onnx.Rest()) },
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 6)
			flat := g.Reshape(g.Transpose(x, 0, 2, 3, 1), onnx.Rest(), onnx.Num(6))
			return g.Reshape(flat, onnx.Of(x, 0), onnx.Of(x, 2), onnx.Of(x, 3), onnx.Num(6))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Reshape(g.Input("x", i64, rows, onnx.N(4)), onnx.Num(2), onnx.Of(g.Inputs[0], 0), onnx.Rest())
		},
	},
	"Transpose": {
		func(g *onnx.Graph) *onnx.Value { return g.Transpose(picture(g, 3), 0, 2, 3, 1) },
		func(g *onnx.Graph) *onnx.Value { return g.Transpose(picture(g, 3), 3, 1, 0, 2) },
		func(g *onnx.Graph) *onnx.Value { return g.Transpose(g.Input("x", i64, rows, tokens), 1, 0) },
	},
	"Concat": {
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 3)
			return g.Concat(1, x, g.Input("z", f32, rows, onnx.N(2), height, width), x)
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Concat(2, g.Input("a", f32, rows, onnx.N(3), tokens), g.Input("b", f32, rows, onnx.N(3), width))
		},
		func(g *onnx.Graph) *onnx.Value {
			return g.Concat(0, g.Input("a", i64, rows), g.Ints([]int64{7, 8}, 2), g.Input("b", i64, rows))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Concat(0, g.Add(picture(g, 3), g.Scalar(1))) },
	},
	"Slice": {
		func(g *onnx.Graph) *onnx.Value { return g.Slice(picture(g, 7), 1, 2, 6) },
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("x", i64, onnx.N(5), rows, onnx.N(4))
			return apply(g, "Slice", vs(x, g.Ints([]int64{1, 3}, 2), g.Ints([]int64{4, 4}, 2), g.Ints([]int64{0, 2}, 2)))
		},
		func(g *onnx.Graph) *onnx.Value { // every second, up to the second last and up to the end
			x := apply(g, "Pad", vs(picture(g, 2), g.Ints([]int64{0, 0, 1, 1, 0, 0, 1, 0}, 8)))
			return apply(g, "Slice", vs(x, g.Ints([]int64{1, 0}, 2), g.Ints([]int64{-1, math.MaxInt64}, 2), g.Ints([]int64{2, 3}, 2), g.Ints([]int64{2, 3}, 2)))
		},
		func(g *onnx.Graph) *onnx.Value { // bounds from a shape
			x, a := g.Input("x", f32, rows, width), g.Input("a", f32, tokens)
			size := apply(g, "Shape", vs(a))
			x = g.Concat(1, x, apply(g, "Expand", vs(a, g.Concat(0, apply(g, "Shape", vs(x), "end", int64(1)), size))))
			end := g.Add(apply(g, "Shape", vs(g.Inputs[0]), "start", int64(1)), size)
			return apply(g, "Slice", vs(x, size, end, g.Ints([]int64{1}, 1)))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Slice(picture(g, 2), 3, 0, 1) },
		func(g *onnx.Graph) *onnx.Value { return g.Reverse(g.Reverse(picture(g, 2), 3), 1) },
		func(g *onnx.Graph) *onnx.Value {
			shape := apply(g, "Shape", vs(picture(g, 7)))
			return g.Slice(shape, 0, 1, 4)
		},
	},
	"GatherElements": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "GatherElements", vs(g.Param("table", 5, 3), g.Input("ids", i64, rows, onnx.N(3))), "axis", int64(0))
		},
		func(g *onnx.Graph) *onnx.Value {
			ids := g.Sub(g.Input("few", i64, width, tokens), g.Ints([]int64{3}, 1))
			return apply(g, "GatherElements", vs(g.Input("x", f32, width, onnx.N(3)), ids), "axis", int64(1))
		},
	},
	"ScatterElements": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "ScatterElements", vs(g.Param("table", 5, 3), g.Input("ids", i64, rows, onnx.N(3)), g.Input("x", f32, rows, onnx.N(3))), "axis", int64(0), "reduction", "add")
		},
		func(g *onnx.Graph) *onnx.Value {
			ids := g.Sub(g.Input("few", i64, width, tokens), g.Ints([]int64{3}, 1))
			return apply(g, "ScatterElements", vs(g.Input("z", f32, width, onnx.N(3)), ids, g.Input("x", f32, width, tokens)), "axis", int64(1), "reduction", "add")
		},
	},
	"Expand": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Expand", vs(g.Input("z", f32, onnx.N(3), onnx.N(1), width), apply(g, "Shape", vs(picture(g, 3)))))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Expand", vs(g.Input("x", i64, rows, onnx.N(1)), g.Ints([]int64{2, 1, 5}, 3)))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Expand", vs(g.Scalar(0.5), apply(g, "Shape", vs(picture(g, 2)))))
		},
	},
	"Pad": {
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Pad", vs(picture(g, 3), g.Ints([]int64{0, 1, 2, 0, 1, 0, 0, 3}, 8)))
		},
		func(g *onnx.Graph) *onnx.Value {
			x := g.Input("x", f32, rows, width)
			shape := apply(g, "Shape", vs(x))
			pads := g.Concat(0, g.Ints([]int64{1, 0}, 2), g.Sub(g.Add(shape, shape), g.Ints([]int64{1, 1}, 2)))
			return apply(g, "Pad", vs(x, pads))
		},
		func(g *onnx.Graph) *onnx.Value {
			return apply(g, "Pad", vs(g.Input("x", i64, rows), g.Ints([]int64{2, 1}, 2)))
		},
	},
	"Gather": {
		func(g *onnx.Graph) *onnx.Value {
			return g.Gather(g.Param("table", 5, 3), g.Input("ids", i64, rows, tokens))
		},
		func(g *onnx.Graph) *onnx.Value { return g.Gather(g.Param("table", 5, 3, 2), g.Input("ids", i64, rows)) },
		func(g *onnx.Graph) *onnx.Value {
			ids := g.Sub(g.Input("few", i64, rows), g.Ints([]int64{3}, 1)) // counted from the end
			return g.Gather(g.Input("x", i64, onnx.N(3)), ids)
		},
	},
	"Resize": {
		resized(1, 1, 2, 2), resized(1, 1, 3, 1), resized(2, 1, 1, 4),
		func(g *onnx.Graph) *onnx.Value {
			x := picture(g, 3)
			half := g.Conv2D(x, g.Param("w", 2, 3, 3, 3), nil, 2, [4]int64{1, 1, 1, 1})
			return g.UpsampleTo(half, x)
		},
		func(g *onnx.Graph) *onnx.Value { // once more halved
			x := picture(g, 3)
			half := func(x *onnx.Value) *onnx.Value {
				return g.Conv2D(x, g.Param("w", 3, 3, 3, 3), nil, 2, [4]int64{1, 1, 1, 1})
			}
			once := half(x)
			return g.UpsampleTo(g.UpsampleTo(half(once), once), x)
		},
	},
	"Cast": {
		cast(i64, f32), cast(i64, tensor.Int32), cast(i64, tensor.Bool), cast(f32, i64), cast(f32, tensor.Int32), cast(f32, tensor.Bool),
		cast(f32, tensor.Float16), cast(f32, tensor.BFloat16), cast(f32, tensor.Float64), cast(i64, tensor.Uint8), cast(f32, tensor.Int16), cast(i64, tensor.Int8),
		func(g *onnx.Graph) *onnx.Value { return g.Cast(g.Mul(picture(g, 1), g.Scalar(3)), i64) }, // drops fractions
		func(g *onnx.Graph) *onnx.Value { return g.Cast(g.Cast(picture(g, 1), tensor.Bool), i64) },
	},
}
