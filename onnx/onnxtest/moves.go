package onnxtest

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

func evalShape(n *onnx.Node, in []Tensor) (Tensor, error) {
	rank := int64(len(in[0].Shape))
	start, end := n.Int("start", 0), n.Int("end", rank)
	if start < 0 || end > rank || start >= end {
		return Tensor{}, fmt.Errorf("axes %d to %d of shape %v", start, end, in[0].Shape)
	}
	return Ints(slices.Clone(in[0].Shape[start:end]), end-start), nil
}

// evalReshape keeps the elements in their order. In the target, 0 copies the
// input's dimension and -1 is what is left.
func evalReshape(_ *onnx.Node, in []Tensor) (Tensor, error) {
	x, target := in[0], in[1].Int64()
	if target == nil || len(in[1].Shape) != 1 {
		return Tensor{}, errors.New("the target must be a list of integers")
	}
	shape := slices.Clone(target)
	rest, known := -1, int64(1)
	for i, d := range target {
		switch {
		case d == 0 && i < len(x.Shape):
			shape[i] = x.Shape[i]
		case d == -1 && rest < 0:
			rest = i
			continue
		case d < 1:
			return Tensor{}, fmt.Errorf("target %v for shape %v", target, x.Shape)
		}
		known *= shape[i]
	}
	total, err := x.Shape.Elements()
	if err != nil {
		return Tensor{}, err
	}
	if rest >= 0 && known > 0 && total%known == 0 {
		shape[rest] = total / known
		known = total
	}
	if known != total {
		return Tensor{}, fmt.Errorf("shape %v does not fit target %v", x.Shape, target)
	}
	return Tensor{shape, x.Data}, nil
}

func evalTranspose(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, perm := in[0], n.Ints("perm")
	sorted := slices.Sorted(slices.Values(perm))
	for i, p := range sorted {
		if p != int64(i) {
			return Tensor{}, fmt.Errorf("perm %v is no permutation", perm)
		}
	}
	if len(perm) != len(x.Shape) {
		return Tensor{}, fmt.Errorf("perm %v for shape %v", perm, x.Shape)
	}
	steps := strides(x.Shape)
	shape := make(tensor.Shape, len(perm))
	for i, p := range perm {
		shape[i] = x.Shape[p]
	}
	return gather(x, shape, func(index []int64) (from int64) {
		for i, p := range perm {
			from += index[i] * steps[p]
		}
		return from
	})
}

func evalConcat(n *onnx.Node, in []Tensor) (Tensor, error) {
	axis := n.Int("axis", 0)
	shape := slices.Clone(in[0].Shape)
	if axis < 0 || axis >= int64(len(shape)) {
		return Tensor{}, fmt.Errorf("axis %d of shape %v", axis, shape)
	}
	shape[axis] = 0
	for _, t := range in {
		same := slices.Clone(t.Shape)
		if int64(len(same)) > axis {
			same[axis] = shape[axis]
		}
		if !same.Equal(shape) || (t.Int64() == nil) != (in[0].Int64() == nil) {
			return Tensor{}, fmt.Errorf("shapes %v and %v do not join along axis %d", in[0].Shape, t.Shape, axis)
		}
		shape[axis] += t.Shape[axis]
	}
	// Runs of each input that lie side by side in the result.
	block := strides(in[0].Shape)[axis]
	outer, err := shape[:axis].Elements()
	if err != nil {
		return Tensor{}, err
	}
	var f []float64
	var ints []int64
	for o := range outer {
		for _, t := range in {
			run := t.Shape[axis] * block
			if d := t.Int64(); d != nil {
				ints = append(ints, d[o*run:(o+1)*run]...)
				continue
			}
			f = append(f, t.Float64()[o*run:(o+1)*run]...)
		}
	}
	if ints != nil {
		return Ints(ints, shape...), nil
	}
	return Floats(f, shape...), nil
}

// evalGather picks rows along axis 0. A negative index counts from the end.
func evalGather(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, picks := in[0], in[1].Int64()
	if picks == nil || len(x.Shape) < 1 || n.Int("axis", 0) != 0 {
		return Tensor{}, errors.New("needs integer indices along axis 0")
	}
	rows, block := x.Shape[0], strides(x.Shape)[0]
	for _, p := range picks {
		if p < -rows || p >= rows {
			return Tensor{}, fmt.Errorf("index %d of %d rows", p, rows)
		}
	}
	shape := append(slices.Clone(in[1].Shape), x.Shape[1:]...)
	at := int64(-1)
	return gather(x, shape, func([]int64) int64 {
		at++ // elements are asked for in order
		p := picks[at/block]
		if p < 0 {
			p += rows
		}
		return p*block + at%block
	})
}

// evalResize repeats elements: target index i takes source index
// floor(i * in / out), which is mode nearest, asymmetric, floor.
func evalResize(n *onnx.Node, in []Tensor) (Tensor, error) {
	x := in[0]
	if n.Str("mode") != "nearest" || n.Str("coordinate_transformation_mode") != "asymmetric" || n.Str("nearest_mode") != "floor" {
		return Tensor{}, errors.New("only nearest, asymmetric, floor is evaluated")
	}
	shape := make(tensor.Shape, len(x.Shape))
	switch {
	case len(in) > 3 && in[3].Data != nil:
		if len(in[3].Int64()) != len(shape) {
			return Tensor{}, fmt.Errorf("needs one integer size an axis of shape %v", x.Shape)
		}
		copy(shape, in[3].Int64())
	case in[2].Data != nil:
		scales := in[2].Float64()
		if len(scales) != len(shape) {
			return Tensor{}, fmt.Errorf("needs one float scale an axis of shape %v", x.Shape)
		}
		for i, s := range scales {
			if !(s > 0) || s > 1<<20 {
				return Tensor{}, fmt.Errorf("scale %v of axis %d", s, i)
			}
			shape[i] = int64(math.Floor(float64(x.Shape[i]) * s))
		}
	default:
		return Tensor{}, errors.New("needs scales or sizes")
	}
	steps := strides(x.Shape)
	return gather(x, shape, func(index []int64) (from int64) {
		for i := range index {
			from += index[i] * x.Shape[i] / shape[i] * steps[i]
		}
		return from
	})
}

// evalCast converts between floats, integers and truth values. Floats stay
// float64 whatever their width, so nothing is rounded; a float becomes an
// integer by dropping its fraction and must fit int64.
func evalCast(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, to := in[0], n.Output.DType
	if f := x.Float64(); f != nil {
		if to.IsFloat() {
			return x, nil
		}
		out := make([]int64, len(f))
		for i, v := range f {
			switch {
			case to == tensor.Bool:
				if v != 0 {
					out[i] = 1
				}
			case !(math.Abs(v) < 1<<63):
				return Tensor{}, fmt.Errorf("%v does not fit %v", v, to)
			default:
				out[i] = int64(v)
			}
		}
		return fit(Ints(out, x.Shape...), to)
	}
	ints := x.Int64()
	if !to.IsFloat() {
		out := slices.Clone(ints)
		for i, v := range out {
			if to == tensor.Bool && v != 0 {
				out[i] = 1
			}
		}
		return fit(Ints(out, x.Shape...), to)
	}
	out := make([]float64, len(ints))
	for i, v := range ints {
		out[i] = float64(v)
	}
	return Floats(out, x.Shape...), nil
}

// fit refuses integers that the element type cannot hold.
func fit(t Tensor, to tensor.DType) (Tensor, error) {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if to == tensor.Uint8 || to == tensor.Bool {
		low, high = 0, 255
	} else if bits := 8 * to.Size(); bits < 64 {
		low, high = -1<<(bits-1), 1<<(bits-1)-1
	}
	for _, v := range t.Int64() {
		if v < low || v > high {
			return Tensor{}, fmt.Errorf("%d does not fit %v", v, to)
		}
	}
	return t, nil
}
