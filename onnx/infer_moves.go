package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"cosmicman/tensor"
)

// Rules of the operators that cut, pad, repeat and sum along axes, which
// gradients need. Where a bound is computed from shapes, the rule follows its
// expression; that it lies within the axis is for the one who writes it.

// inferSlice takes starts, ends, axes and steps as values whose elements are
// known. An end below 0 counts from the axis's end, math.MaxInt64 is the end.
func inferSlice(n *Node) (Type, error) {
	x := n.Inputs[0]
	var args [3][]Dim
	for i := range 3 {
		v := n.Inputs[1+i]
		if v == nil {
			return Type{}, errors.New("needs starts, ends and axes")
		}
		if v.DType != tensor.Int64 || v.Content == nil || len(v.Shape) != 1 {
			return Type{}, errors.New("needs starts, ends and axes whose elements are known")
		}
		args[i] = v.Content
	}
	starts, ends := args[0], args[1]
	axes, err := numbers(n.Inputs[3])
	if err != nil || len(starts) != len(ends) || len(starts) != len(axes) {
		return Type{}, errors.New("starts, ends and axes differ in length or the axes are no numbers")
	}
	steps := slices.Repeat([]int64{1}, len(axes))
	if len(n.Inputs) > 4 && n.Inputs[4] != nil {
		if steps, err = numbers(n.Inputs[4]); err != nil || len(steps) != len(axes) || slices.Min(steps) < -1 || slices.Contains(steps, 0) {
			return Type{}, fmt.Errorf("needs %d constant steps of at least 1, or of -1", len(axes))
		}
	}
	out := slices.Clone(x.Shape)
	for i, a := range axes {
		if a < 0 || a >= int64(len(out)) || slices.Contains(axes[:i], a) {
			return Type{}, fmt.Errorf("axis %d of rank %d, each once", a, len(out))
		}
		if steps[i] == -1 {
			if from, ok := starts[i].Const(); !ok || from != -1 {
				return Type{}, errors.New("turns an axis round from its last element, -1, or not at all")
			}
			if to, ok := ends[i].Const(); !ok || to != math.MinInt64 {
				return Type{}, errors.New("turns a whole axis round, to the least int64, or not at all")
			}
			continue
		}
		if out[a], err = run(out[a], starts[i], ends[i], steps[i]); err != nil {
			return Type{}, err
		}
	}
	t := Type{DType: x.DType, Shape: out}
	if from, ok := starts[0].Const(); ok && x.Content != nil && len(axes) == 1 && steps[0] == 1 {
		if count, ok := out[0].Const(); ok {
			t.Content = x.Content[from : from+count]
		}
	}
	return t, nil
}

// run is how many elements lie from start to end of an axis.
func run(size, start, end Dim, step int64) (Dim, error) {
	fault := fmt.Errorf("cannot take %v to %v of %v", start, end, size)
	last := end
	e, fixed := end.Const()
	n, sized := size.Const()
	switch {
	case fixed && e == math.MaxInt64:
		last = size
	case fixed && e < 0:
		last = size.Add(end)
	case fixed && sized && e > n, fixed && !sized && e != 1: // every axis has one element
		return Dim{}, fault
	}
	count := last.Sub(start).FloorDiv(step-1, step)
	c, known := count.Const()
	if s, ok := start.Const(); ok && s < 0 || known && c < 1 {
		return Dim{}, fault
	}
	return count, nil
}

// numbers returns the elements of a 1-D integer constant.
func numbers(v *Value) ([]int64, error) {
	if v == nil || v.Kind != Const || v.DType != tensor.Int64 || len(v.Shape) != 1 {
		return nil, errors.New("needs a constant list of integers")
	}
	return v.Data.([]int64), nil
}

// axesOf returns the elements of a constant that names axes of x, each once.
func axesOf(v *Value, x *Value) ([]int64, error) {
	axes, err := numbers(v)
	if err != nil {
		return nil, err
	}
	for i, a := range axes {
		if a < 0 || a >= int64(len(x.Shape)) || slices.Contains(axes[:i], a) {
			return nil, fmt.Errorf("axis %d of rank %d, each once", a, len(x.Shape))
		}
	}
	return axes, nil
}

func inferReduceSum(n *Node) (Type, error) {
	x := n.Inputs[0]
	axes, err := axesOf(n.Inputs[1], x)
	if err != nil {
		return Type{}, err
	}
	keep := n.Int("keepdims", 1)
	if keep != 0 && keep != 1 {
		return Type{}, errors.New("keepdims must be 0 or 1")
	}
	out := Shape{}
	for i, d := range x.Shape {
		switch {
		case !slices.Contains(axes, int64(i)):
			out = append(out, d)
		case keep == 1:
			out = append(out, N(1))
		}
	}
	return Type{DType: x.DType, Shape: out}, nil
}

// inferCumSum takes the axis as a constant of rank 0.
func inferCumSum(n *Node) (Type, error) {
	x, axis := n.Inputs[0], n.Inputs[1]
	ints, ok := axis.Data.([]int64)
	if !ok || len(axis.Shape) != 0 || len(ints) != 1 || ints[0] < 0 || ints[0] >= int64(len(x.Shape)) {
		return Type{}, fmt.Errorf("needs a constant axis of rank %d", len(x.Shape))
	}
	if r := n.Int("reverse", 0); r != 0 && r != 1 {
		return Type{}, errors.New("reverse must be 0 or 1")
	}
	return Type{DType: x.DType, Shape: x.Shape}, nil
}

func inferExpand(n *Node) (Type, error) {
	x, target := n.Inputs[0], n.Inputs[1]
	if target.DType != tensor.Int64 || target.Content == nil || len(target.Shape) != 1 {
		return Type{}, errors.New("the target's elements are not known")
	}
	for _, d := range target.Content {
		if c, ok := d.Const(); ok && c < 1 {
			return Type{}, fmt.Errorf("the target has a dimension %d", c)
		}
	}
	out, err := broadcast(x.Shape, target.Content)
	return Type{DType: x.DType, Shape: out}, err
}

// inferPad pads with 0: first a number an axis before it, then one after it.
func inferPad(n *Node) (Type, error) {
	x, pads := n.Inputs[0], n.Inputs[1]
	if pads.DType != tensor.Int64 || pads.Content == nil || len(pads.Shape) != 1 || len(pads.Content) != 2*len(x.Shape) {
		return Type{}, fmt.Errorf("needs %d pads whose elements are known", 2*len(x.Shape))
	}
	out := slices.Clone(x.Shape)
	for i, p := range pads.Content {
		if c, ok := p.Const(); ok && c < 0 {
			return Type{}, fmt.Errorf("pad %d is %d", i, c)
		}
		out[i%len(out)] = out[i%len(out)].Add(p)
	}
	return Type{DType: x.DType, Shape: out}, nil
}

// inferGatherElements picks, for each index, the element that lies where the
// index does, but along one axis where it says.
func inferGatherElements(n *Node) (Type, error) {
	x, indices := n.Inputs[0], n.Inputs[1]
	if err := along(n, x, indices); err != nil {
		return Type{}, err
	}
	return Type{DType: x.DType, Shape: indices.Shape}, nil
}

// along checks int64 indices into one axis of x that have x's other dimensions.
func along(n *Node, x, indices *Value) error {
	axis := n.Int("axis", 0)
	if axis < 0 || axis >= int64(len(x.Shape)) || indices.DType != tensor.Int64 || len(indices.Shape) != len(x.Shape) {
		return fmt.Errorf("needs int64 indices of rank %d into one of its axes", len(x.Shape))
	}
	for i, d := range x.Shape {
		if int64(i) != axis && !d.Equal(indices.Shape[i]) {
			return fmt.Errorf("indices %v differ from the data %v outside axis %d", indices.Shape, x.Shape, axis)
		}
	}
	return nil
}

func inferScatterElements(n *Node) (Type, error) {
	x, indices, updates := n.Inputs[0], n.Inputs[1], n.Inputs[2]
	if err := along(n, x, indices); err != nil {
		return Type{}, err
	}
	if updates == nil || updates.DType != x.DType || !indices.Shape.Equal(updates.Shape) {
		return Type{}, fmt.Errorf("the updates must be %v%v", x.DType, indices.Shape)
	}
	if n.Str("reduction") != "add" || !x.DType.IsFloat() {
		return Type{}, errors.New("only the reduction add of floats is used here")
	}
	return Type{DType: x.DType, Shape: x.Shape}, nil
}

// inferConvTranspose: x [rows, C, H, W] and w [C, K, kh, kw] make
// [rows, K, (H-1) stride + kh + output padding - pads, ...].
func inferConvTranspose(n *Node) (Type, error) {
	x, w := n.Inputs[0], n.Inputs[1]
	if len(x.Shape) != 4 || len(w.Shape) != 4 || !x.Shape[1].Equal(w.Shape[0]) {
		return Type{}, fmt.Errorf("needs a 4-D input and a weight that takes its channels, has %v and %v", x.Shape, w.Shape)
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	pads, strides, kernel, extra := n.Ints("pads"), n.Ints("strides"), n.Ints("kernel_shape"), n.Ints("output_padding")
	if len(pads) != 4 || len(strides) != 2 || slices.Min(strides) < 1 || slices.Min(pads) < 0 {
		return Type{}, fmt.Errorf("needs 4 pads >= 0 and 2 strides >= 1, has %v and %v", pads, strides)
	}
	if extra == nil {
		extra = []int64{0, 0}
	}
	out := Shape{x.Shape[0], w.Shape[1], {}, {}}
	for i := range 2 {
		k, ok := w.Shape[2+i].Const()
		if !ok || kernel != nil && (len(kernel) != 2 || kernel[i] != k) {
			return Type{}, fmt.Errorf("kernel_shape is %v for a weight of shape %v", kernel, w.Shape)
		}
		if len(extra) != 2 || extra[i] < 0 || extra[i] >= strides[i] {
			return Type{}, fmt.Errorf("output_padding %v must be below the strides %v", extra, strides)
		}
		out[2+i] = x.Shape[2+i].Mul(N(strides[i])).Add(N(k + extra[i] - strides[i] - pads[i] - pads[i+2]))
		if size, ok := out[2+i].Const(); ok && size < 1 {
			return Type{}, fmt.Errorf("the pads %v leave nothing of %v", pads, x.Shape)
		}
	}
	return Type{DType: x.DType, Shape: out}, nil
}
