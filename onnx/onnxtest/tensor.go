package onnxtest

import (
	"fmt"

	"cosmicman/tensor"
)

// Tensor is a dense array, row-major. No dimension is 0.
type Tensor struct {
	Shape tensor.Shape
	Data  any // []float64 or []int64
}

// Floats makes a floating-point tensor.
func Floats(data []float64, shape ...int64) Tensor { return Tensor{shape, data} }

// Ints makes an integer tensor.
func Ints(data []int64, shape ...int64) Tensor { return Tensor{shape, data} }

// Float64 returns the elements, nil where they are integers.
func (t Tensor) Float64() []float64 {
	f, _ := t.Data.([]float64)
	return f
}

// Int64 returns the elements, nil where they are floats.
func (t Tensor) Int64() []int64 {
	n, _ := t.Data.([]int64)
	return n
}

func (t Tensor) check() error {
	want, err := t.Shape.Elements()
	if err != nil {
		return err
	}
	var have int
	switch data := t.Data.(type) {
	case []float64:
		have = len(data)
	case []int64:
		have = len(data)
	default:
		return fmt.Errorf("elements are %T, expected []float64 or []int64", t.Data)
	}
	if want == 0 || int64(have) != want {
		return fmt.Errorf("%d elements do not fill shape %v", have, t.Shape)
	}
	return nil
}

// zeros makes floats of a shape that was computed from inputs.
func zeros(shape ...int64) ([]float64, error) {
	for i, d := range shape {
		if d < 1 {
			return nil, fmt.Errorf("dimension %d of the result would be %d", i, d)
		}
	}
	n, err := tensor.Shape(shape).Elements()
	if err != nil {
		return nil, err
	}
	return make([]float64, n), nil
}

// strides returns how many elements lie between neighbours along each axis.
func strides(s tensor.Shape) []int64 {
	out := make([]int64, len(s))
	step := int64(1)
	for i := len(s) - 1; i >= 0; i-- {
		out[i] = step
		step *= s[i]
	}
	return out
}

// next moves index to the following element of shape in row-major order.
func next(index []int64, shape tensor.Shape) {
	for i := len(shape) - 1; i >= 0; i-- {
		if index[i]++; index[i] < shape[i] {
			return
		}
		index[i] = 0
	}
}

// broadcast is NumPy's rule: shapes are aligned at their ends, and a dimension of
// 1 is repeated.
func broadcast(a, b tensor.Shape) (tensor.Shape, error) {
	rank := max(len(a), len(b))
	at := func(s tensor.Shape, i int) int64 {
		if i -= rank - len(s); i >= 0 {
			return s[i]
		}
		return 1
	}
	out := make(tensor.Shape, rank)
	for i := range out {
		x, y := at(a, i), at(b, i)
		if x != y && x != 1 && y != 1 {
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
		out[i] = max(x, y)
	}
	return out, nil
}

// offset finds where element index of a broadcast result lies in an operand of shape s.
func offset(index []int64, s tensor.Shape) int64 {
	var at int64
	steps := strides(s)
	for i := range s {
		if s[i] != 1 {
			at += steps[i] * index[len(index)-len(s)+i]
		}
	}
	return at
}

// gather makes a tensor of a shape whose element at an index is t's element number
// from(index).
func gather(t Tensor, shape tensor.Shape, from func(index []int64) int64) (Tensor, error) {
	out, err := zeros(shape...)
	if err != nil {
		return Tensor{}, err
	}
	index := make([]int64, len(shape))
	if ints := t.Int64(); ints != nil {
		picked := make([]int64, len(out))
		for i := range picked {
			picked[i] = ints[from(index)]
			next(index, shape)
		}
		return Ints(picked, shape...), nil
	}
	floats := t.Float64()
	for i := range out {
		out[i] = floats[from(index)]
		next(index, shape)
	}
	return Floats(out, shape...), nil
}
