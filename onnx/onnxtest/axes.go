package onnxtest

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// evalSlice takes every step-th element of a run of one or more axes.
func evalSlice(_ *onnx.Node, in []Tensor) (Tensor, error) {
	if len(in) < 4 {
		return Tensor{}, errors.New("needs starts, ends and axes")
	}
	x, starts, ends, axes := in[0], in[1].Int64(), in[2].Int64(), in[3].Int64()
	taken := slices.Repeat([]int64{1}, len(axes))
	if len(in) > 4 && in[4].Data != nil {
		taken = in[4].Int64()
	}
	if len(starts) != len(ends) || len(starts) != len(axes) || len(taken) != len(axes) {
		return Tensor{}, errors.New("starts, ends, axes and steps differ in length")
	}
	shape, first, every := slices.Clone(x.Shape), make([]int64, len(x.Shape)), slices.Repeat([]int64{1}, len(x.Shape))
	for i, a := range axes {
		if a < 0 || a >= int64(len(shape)) {
			return Tensor{}, fmt.Errorf("axis %d of shape %v", a, x.Shape)
		}
		end := ends[i]
		if taken[i] == -1 && starts[i] == -1 && end == math.MinInt64 { // the whole axis, turned round
			first[a], every[a] = x.Shape[a]-1, -1
			continue
		}
		switch {
		case end == math.MaxInt64:
			end = x.Shape[a]
		case end < 0:
			end += x.Shape[a]
		}
		if starts[i] < 0 || end > x.Shape[a] || starts[i] >= end || taken[i] < 1 {
			return Tensor{}, fmt.Errorf("cannot take %d to %d of axis %d of shape %v", starts[i], ends[i], a, x.Shape)
		}
		shape[a], first[a], every[a] = (end-starts[i]+taken[i]-1)/taken[i], starts[i], taken[i]
	}
	steps := strides(x.Shape)
	return gather(x, shape, func(index []int64) (from int64) {
		for i := range index {
			from += (first[i] + index[i]*every[i]) * steps[i]
		}
		return from
	})
}

// evalReduceSum adds the elements along axes.
func evalReduceSum(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, axes := in[0], in[1].Int64()
	if axes == nil {
		return Tensor{}, errors.New("the axes must be integers")
	}
	kept, out := slices.Clone(x.Shape), tensor.Shape{}
	for _, a := range axes {
		if a < 0 || a >= int64(len(kept)) {
			return Tensor{}, fmt.Errorf("axis %d of shape %v", a, x.Shape)
		}
		kept[a] = 1
	}
	for i, d := range kept {
		if n.Int("keepdims", 1) != 0 || !slices.Contains(axes, int64(i)) {
			out = append(out, d)
		}
	}
	total, err := zeros(kept...)
	if err != nil {
		return Tensor{}, err
	}
	index := make([]int64, len(x.Shape))
	if ints := x.Int64(); ints != nil {
		sums := make([]int64, len(total))
		for _, v := range ints {
			sums[offset(index, kept)] += v
			next(index, x.Shape)
		}
		return Ints(sums, out...), nil
	}
	for _, v := range x.Float64() {
		total[offset(index, kept)] += v
		next(index, x.Shape)
	}
	return Floats(total, out...), nil
}

// evalCumSum adds up along an axis, from its end with reverse.
func evalCumSum(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, axis := in[0], in[1].Int64()
	if len(axis) != 1 || axis[0] < 0 || axis[0] >= int64(len(x.Shape)) {
		return Tensor{}, fmt.Errorf("needs one axis of shape %v", x.Shape)
	}
	size, step := int(x.Shape[axis[0]]), int(strides(x.Shape)[axis[0]])
	reverse := n.Int("reverse", 0) != 0
	if ints := x.Int64(); ints != nil {
		return Ints(cumulate(ints, size, step, reverse), x.Shape...), nil
	}
	return Floats(cumulate(x.Float64(), size, step, reverse), x.Shape...), nil
}

func cumulate[T int64 | float64](x []T, size, step int, reverse bool) []T {
	out := slices.Clone(x)
	for i := range out {
		if !reverse && i/step%size > 0 {
			out[i] += out[i-step]
		}
		if last := len(out) - 1 - i; reverse && last/step%size < size-1 {
			out[last] += out[last+step]
		}
	}
	return out
}

// evalExpand repeats x so that it has a shape, as in a broadcast sum.
func evalExpand(_ *onnx.Node, in []Tensor) (Tensor, error) {
	x, target := in[0], in[1].Int64()
	if target == nil || len(in[1].Shape) != 1 {
		return Tensor{}, errors.New("the target must be a list of integers")
	}
	shape, err := broadcast(x.Shape, target)
	if err != nil {
		return Tensor{}, err
	}
	return gather(x, shape, func(index []int64) int64 { return offset(index, x.Shape) })
}

// evalPad puts zeros before and after each axis.
func evalPad(_ *onnx.Node, in []Tensor) (Tensor, error) {
	x, pads := in[0], in[1].Int64()
	rank := len(x.Shape)
	if len(pads) != 2*rank || slices.ContainsFunc(pads, func(p int64) bool { return p < 0 }) {
		return Tensor{}, fmt.Errorf("pads %v for shape %v", pads, x.Shape)
	}
	shape := slices.Clone(x.Shape)
	for i := range shape {
		shape[i] += pads[i] + pads[rank+i]
	}
	if _, err := zeros(shape...); err != nil {
		return Tensor{}, err
	}
	n, _ := x.Shape.Elements()
	longer := Tensor{x.Shape, nil} // x and one element of 0 behind it
	if ints := x.Int64(); ints != nil {
		longer.Data = append(slices.Clone(ints), 0)
	} else {
		longer.Data = append(slices.Clone(x.Float64()), 0)
	}
	steps := strides(x.Shape)
	return gather(longer, shape, func(index []int64) (from int64) {
		for i := range index {
			at := index[i] - pads[i]
			if at < 0 || at >= x.Shape[i] {
				return n
			}
			from += at * steps[i]
		}
		return from
	})
}

// targets gives, for each index, the number of the element of a tensor of shape s
// that lies where the index does, but along one axis where it says. A negative
// index counts from the end.
func targets(n *onnx.Node, s tensor.Shape, indices Tensor) ([]int64, error) {
	axis, ints := n.Int("axis", 0), indices.Int64()
	if ints == nil || axis < 0 || axis >= int64(len(s)) || len(indices.Shape) != len(s) {
		return nil, fmt.Errorf("needs integer indices into one axis of shape %v", s)
	}
	out := make([]int64, len(ints))
	index, steps := make([]int64, len(s)), strides(s)
	for i, v := range ints {
		for j, at := range index {
			if int64(j) == axis {
				if at = v; at < 0 {
					at += s[j]
				}
			}
			if at < 0 || at >= s[j] {
				return nil, fmt.Errorf("index %d of axis %d of shape %v", at, j, s)
			}
			out[i] += at * steps[j]
		}
		next(index, indices.Shape)
	}
	return out, nil
}

// evalGatherElements picks elements one by one.
func evalGatherElements(n *onnx.Node, in []Tensor) (Tensor, error) {
	from, err := targets(n, in[0].Shape, in[1])
	if err != nil {
		return Tensor{}, err
	}
	at := -1
	return gather(in[0], in[1].Shape, func([]int64) int64 {
		at++ // elements are asked for in order
		return from[at]
	})
}

// evalScatterElements adds the updates to elements of the data, one by one.
func evalScatterElements(n *onnx.Node, in []Tensor) (Tensor, error) {
	if len(in) < 3 || n.Str("reduction") != "add" || in[0].Float64() == nil || in[2].Float64() == nil || !in[1].Shape.Equal(in[2].Shape) {
		return Tensor{}, errors.New("needs data, indices, updates of the indices' shape and the reduction add")
	}
	to, err := targets(n, in[0].Shape, in[1])
	if err != nil {
		return Tensor{}, err
	}
	out := slices.Clone(in[0].Float64())
	for i, v := range in[2].Float64() {
		out[to[i]] += v
	}
	return Floats(out, in[0].Shape...), nil
}
