package onnxtest

import (
	"fmt"
	"math"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// floats returns the elements of the first inputs, which must be floats of the
// given ranks; a rank of -1 is any.
func floats(in []Tensor, ranks ...int) ([][]float64, error) {
	out := make([][]float64, len(ranks))
	for i, r := range ranks {
		if i >= len(in) || in[i].Float64() == nil {
			return nil, fmt.Errorf("input %d must be floats", i)
		}
		if r >= 0 && len(in[i].Shape) != r {
			return nil, fmt.Errorf("input %d has shape %v, expected rank %d", i, in[i].Shape, r)
		}
		out[i] = in[i].Float64()
	}
	return out, nil
}

// optional returns the elements of input i, nil where it is absent. They must be
// floats of a shape.
func optional(in []Tensor, i int, shape ...int64) ([]float64, error) {
	if i >= len(in) || in[i].Data == nil {
		return nil, nil
	}
	if in[i].Float64() == nil || !in[i].Shape.Equal(shape) {
		return nil, fmt.Errorf("input %d has shape %v, expected floats %v", i, in[i].Shape, tensor.Shape(shape))
	}
	return in[i].Float64(), nil
}

// evalConv is the two-dimensional cross-correlation of ONNX's Conv with one group
// and no dilation.
func evalConv(n *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, 4, 4)
	if err != nil {
		return Tensor{}, err
	}
	x, w := f[0], f[1]
	xs, ws := in[0].Shape, in[1].Shape
	bias, err := optional(in, 2, ws[0])
	if err != nil {
		return Tensor{}, err
	}
	pads, steps := n.Ints("pads"), n.Ints("strides")
	if xs[1] != ws[1] || len(pads) != 4 || len(steps) != 2 || steps[0] < 1 || steps[1] < 1 {
		return Tensor{}, fmt.Errorf("input %v, weight %v, pads %v and strides %v do not fit", xs, ws, pads, steps)
	}
	if k := n.Ints("kernel_shape"); k != nil && !ws[2:].Equal(k) {
		return Tensor{}, fmt.Errorf("kernel_shape is %v for a weight of shape %v", k, ws)
	}
	rows, channels, height, width := xs[0], xs[1], xs[2], xs[3]
	count, kh, kw := ws[0], ws[2], ws[3]
	if height+pads[0]+pads[2] < kh || width+pads[1]+pads[3] < kw {
		return Tensor{}, fmt.Errorf("the kernel %v is larger than the padded input %v", ws, xs)
	}
	oh := (height+pads[0]+pads[2]-kh)/steps[0] + 1
	ow := (width+pads[1]+pads[3]-kw)/steps[1] + 1
	out, err := zeros(rows, count, oh, ow)
	if err != nil {
		return Tensor{}, err
	}
	at := 0
	for r := range rows {
		for k := range count {
			for i := range oh {
				for j := range ow {
					var sum float64
					if bias != nil {
						sum = bias[k]
					}
					for c := range channels {
						for a := range kh {
							for b := range kw {
								y, z := i*steps[0]-pads[0]+a, j*steps[1]-pads[1]+b
								if y >= 0 && y < height && z >= 0 && z < width {
									sum += x[((r*channels+c)*height+y)*width+z] * w[((k*channels+c)*kh+a)*kw+b]
								}
							}
						}
					}
					out[at] = sum
					at++
				}
			}
		}
	}
	return Floats(out, rows, count, oh, ow), nil
}

// evalConvTranspose adds each element of x, times the kernel, to the places from
// which a convolution with the same strides and pads would have read it.
func evalConvTranspose(n *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, 4, 4)
	if err != nil {
		return Tensor{}, err
	}
	xs, ws := in[0].Shape, in[1].Shape
	pads, steps, extra := n.Ints("pads"), n.Ints("strides"), n.Ints("output_padding")
	if extra == nil {
		extra = []int64{0, 0}
	}
	if xs[1] != ws[0] || len(pads) != 4 || len(steps) != 2 || len(extra) != 2 || steps[0] < 1 || steps[1] < 1 {
		return Tensor{}, fmt.Errorf("input %v, weight %v, pads %v, strides %v and output padding %v do not fit", xs, ws, pads, steps, extra)
	}
	if k := n.Ints("kernel_shape"); k != nil && !ws[2:].Equal(k) {
		return Tensor{}, fmt.Errorf("kernel_shape is %v for a weight of shape %v", k, ws)
	}
	rows, channels, count, kh, kw := xs[0], xs[1], ws[1], ws[2], ws[3]
	oh := (xs[2]-1)*steps[0] + kh + extra[0] - pads[0] - pads[2]
	ow := (xs[3]-1)*steps[1] + kw + extra[1] - pads[1] - pads[3]
	out, err := zeros(rows, count, oh, ow)
	if err != nil {
		return Tensor{}, err
	}
	at := 0
	for r := range rows {
		for c := range channels {
			for i := range xs[2] {
				for j := range xs[3] {
					for k := range count {
						for a := range kh {
							for b := range kw {
								y, z := i*steps[0]-pads[0]+a, j*steps[1]-pads[1]+b
								if y >= 0 && y < oh && z >= 0 && z < ow {
									out[((r*count+k)*oh+y)*ow+z] += f[0][at] * f[1][((c*count+k)*kh+a)*kw+b]
								}
							}
						}
					}
					at++
				}
			}
		}
	}
	return Floats(out, rows, count, oh, ow), nil
}

// evalGemm is a b + c, with a' for a where transA is set and b' for b where
// transB is.
func evalGemm(n *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, 2, 2)
	if err != nil {
		return Tensor{}, err
	}
	turned := func(i int, attr string) (rows, count int64, element func(r, c int64) float64) {
		s, data := in[i].Shape, f[i]
		if n.Int(attr, 0) != 0 {
			return s[1], s[0], func(r, c int64) float64 { return data[c*s[1]+r] }
		}
		return s[0], s[1], func(r, c int64) float64 { return data[r*s[1]+c] }
	}
	rows, inner, left := turned(0, "transA")
	depth, count, right := turned(1, "transB")
	if depth != inner {
		return Tensor{}, fmt.Errorf("inner dimensions %d and %d differ", inner, depth)
	}
	bias, err := optional(in, 2, count)
	if err != nil {
		return Tensor{}, err
	}
	out, err := zeros(rows, count)
	if err != nil {
		return Tensor{}, err
	}
	for i := range rows {
		for j := range count {
			var sum float64
			for k := range inner {
				sum += left(i, k) * right(k, j)
			}
			if bias != nil {
				sum += bias[j]
			}
			out[i*count+j] = sum
		}
	}
	return Floats(out, rows, count), nil
}

// evalMatMul multiplies the last two axes; the others broadcast.
func evalMatMul(_ *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, -1, -1)
	if err != nil {
		return Tensor{}, err
	}
	as, bs := in[0].Shape, in[1].Shape
	ra, rb := len(as), len(bs)
	if ra < 2 || rb < 2 || as[ra-1] != bs[rb-2] {
		return Tensor{}, fmt.Errorf("shapes %v and %v do not multiply", as, bs)
	}
	batch, err := broadcast(as[:ra-2], bs[:rb-2])
	if err != nil {
		return Tensor{}, err
	}
	rows, inner, count := as[ra-2], as[ra-1], bs[rb-1]
	shape := append(append(tensor.Shape{}, batch...), rows, count)
	out, err := zeros(shape...)
	if err != nil {
		return Tensor{}, err
	}
	index := make([]int64, len(batch))
	for at := int64(0); at < int64(len(out)); at += rows * count {
		a := f[0][offset(index, as[:ra-2])*rows*inner:]
		b := f[1][offset(index, bs[:rb-2])*inner*count:]
		for i := range rows {
			for j := range count {
				var sum float64
				for k := range inner {
					sum += a[i*inner+k] * b[k*count+j]
				}
				out[at+i*count+j] = sum
			}
		}
		next(index, batch)
	}
	return Floats(out, shape...), nil
}

// evalFusedMatMul is that times alpha, with the last two axes of its sides turned first
// where it says so.
func evalFusedMatMul(n *onnx.Node, in []Tensor) (Tensor, error) {
	sides := slices.Clone(in)
	for i, name := range []string{"transA", "transB"} {
		if n.Int(name, 0) == 0 {
			continue
		}
		shape := slices.Clone(sides[i].Shape)
		last := len(shape) - 1
		if last < 1 {
			return Tensor{}, fmt.Errorf("input %d has shape %v", i, shape)
		}
		shape[last-1], shape[last] = shape[last], shape[last-1]
		steps := strides(sides[i].Shape)
		steps[last-1], steps[last] = steps[last], steps[last-1]
		turned, err := gather(sides[i], shape, func(index []int64) (from int64) {
			for j := range index {
				from += index[j] * steps[j]
			}
			return from
		})
		if err != nil {
			return Tensor{}, err
		}
		sides[i] = turned
	}
	out, err := evalMatMul(n, sides)
	if err != nil {
		return Tensor{}, err
	}
	for i := range out.Float64() {
		out.Float64()[i] *= float64(n.Float("alpha", 1))
	}
	return out, nil
}

// evalAttention is softmax(q k' scale + bias) v, head by head (Vaswani et al.,
// 2017). The scale is 1/sqrt(head size) where it is absent or 0.
func evalAttention(n *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, 3, 3, 3)
	if err != nil {
		return Tensor{}, err
	}
	q, k, v := f[0], f[1], f[2]
	qs, ks, vs := in[0].Shape, in[1].Shape, in[2].Shape
	heads := n.Int("num_heads", 0)
	if heads < 1 || qs[2]%heads != 0 || vs[2]%heads != 0 || qs[2] != ks[2] || qs[0] != ks[0] || qs[0] != vs[0] || ks[1] != vs[1] {
		return Tensor{}, fmt.Errorf("query %v, key %v and value %v do not fit %d heads", qs, ks, vs, heads)
	}
	rows, queries, keys := qs[0], qs[1], ks[1]
	size, valueSize := qs[2]/heads, vs[2]/heads
	scale := float64(n.Float("scale", 0))
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(size))
	}
	for i := 3; i < len(in); i++ {
		if in[i].Data != nil && i != 5 {
			return Tensor{}, fmt.Errorf("input %d is not evaluated", i)
		}
	}
	bias := func(r, h, s, t int64) float64 { return 0 }
	if len(in) > 5 && in[5].Data != nil {
		b, shape := in[5].Float64(), in[5].Shape
		all, err := broadcast(shape, tensor.Shape{rows, heads, queries, keys})
		if b == nil || err != nil || len(shape) != 4 || !all.Equal(tensor.Shape{rows, heads, queries, keys}) {
			return Tensor{}, fmt.Errorf("the bias %v does not broadcast to %v", shape, tensor.Shape{rows, heads, queries, keys})
		}
		bias = func(r, h, s, t int64) float64 { return b[offset([]int64{r, h, s, t}, shape)] }
	}
	out, err := zeros(rows, queries, vs[2])
	if err != nil {
		return Tensor{}, err
	}
	weight := make([]float64, keys)
	for r := range rows {
		for h := range heads {
			for s := range queries {
				for t := range keys {
					var dot float64
					for c := range size {
						dot += q[(r*queries+s)*qs[2]+h*size+c] * k[(r*keys+t)*ks[2]+h*size+c]
					}
					weight[t] = dot*scale + bias(r, h, s, t)
				}
				softmax(weight)
				for c := range valueSize {
					var sum float64
					for t := range keys {
						sum += weight[t] * v[(r*keys+t)*vs[2]+h*valueSize+c]
					}
					out[(r*queries+s)*vs[2]+h*valueSize+c] = sum
				}
			}
		}
	}
	return Floats(out, rows, queries, vs[2]), nil
}
