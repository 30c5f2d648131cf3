package onnxtest

import (
	"errors"
	"math"

	"cosmicman/onnx"
)

func evalAdd(_ *onnx.Node, in []Tensor) (Tensor, error) {
	return pairs(in, func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b })
}

func evalSub(_ *onnx.Node, in []Tensor) (Tensor, error) {
	return pairs(in, func(a, b float64) float64 { return a - b }, func(a, b int64) int64 { return a - b })
}

func evalMul(_ *onnx.Node, in []Tensor) (Tensor, error) {
	return pairs(in, func(a, b float64) float64 { return a * b }, func(a, b int64) int64 { return a * b })
}

// evalDiv truncates integers toward zero, as C does.
func evalDiv(_ *onnx.Node, in []Tensor) (Tensor, error) {
	for _, b := range in[1].Int64() {
		if b == 0 {
			return Tensor{}, errors.New("division of an integer by 0")
		}
	}
	return pairs(in, func(a, b float64) float64 { return a / b }, func(a, b int64) int64 { return a / b })
}

func pairs(in []Tensor, float func(a, b float64) float64, integer func(a, b int64) int64) (Tensor, error) {
	a, b := in[0], in[1]
	shape, err := broadcast(a.Shape, b.Shape)
	if err != nil {
		return Tensor{}, err
	}
	out, err := zeros(shape...)
	if err != nil {
		return Tensor{}, err
	}
	index := make([]int64, len(shape))
	if x, y := a.Int64(), b.Int64(); x != nil && y != nil {
		ints := make([]int64, len(out))
		for i := range ints {
			ints[i] = integer(x[offset(index, a.Shape)], y[offset(index, b.Shape)])
			next(index, shape)
		}
		return Ints(ints, shape...), nil
	}
	x, y := a.Float64(), b.Float64()
	if x == nil || y == nil {
		return Tensor{}, errors.New("mixes floats and integers")
	}
	for i := range out {
		out[i] = float(x[offset(index, a.Shape)], y[offset(index, b.Shape)])
		next(index, shape)
	}
	return Floats(out, shape...), nil
}

func evalSin(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Sin) }

func evalCos(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Cos) }

func evalExp(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Exp) }

func evalSqrt(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Sqrt) }

func evalErf(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Erf) }

func evalAbs(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], math.Abs) }

func evalSign(_ *onnx.Node, in []Tensor) (Tensor, error) {
	return each(in[0], func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x // 0 or no number
	})
}

func evalClip(_ *onnx.Node, in []Tensor) (Tensor, error) {
	if len(in) != 3 || len(in[1].Float64()) != 1 || len(in[2].Float64()) != 1 {
		return Tensor{}, errors.New("needs two bounds")
	}
	low, high := in[1].Float64(), in[2].Float64()
	return each(in[0], func(x float64) float64 { return min(max(x, low[0]), high[0]) })
}

// evalSoftplus is log(1 + exp(x)), with nothing to overflow.
func evalSoftplus(_ *onnx.Node, in []Tensor) (Tensor, error) {
	return each(in[0], func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) })
}

// evalEqual gives 1 where two elements are equal, 0 elsewhere.
func evalEqual(_ *onnx.Node, in []Tensor) (Tensor, error) {
	difference, err := evalSub(nil, in)
	if err != nil {
		return Tensor{}, err
	}
	n, _ := difference.Shape.Elements()
	out := make([]int64, n)
	for i := range out {
		if f := difference.Float64(); f != nil && f[i] == 0 || f == nil && difference.Int64()[i] == 0 {
			out[i] = 1
		}
	}
	return Ints(out, difference.Shape...), nil
}

func evalSigmoid(_ *onnx.Node, in []Tensor) (Tensor, error) { return each(in[0], sigmoid) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// evalGelu is x Phi(x) (Hendrycks and Gimpel, 2016), or its tanh form.
func evalGelu(n *onnx.Node, in []Tensor) (Tensor, error) {
	switch n.Str("approximate") {
	case "", "none":
		return each(in[0], func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) })
	case "tanh":
		return each(in[0], func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		})
	}
	return Tensor{}, errors.New("approximate must be none or tanh")
}

func evalQuickGelu(n *onnx.Node, in []Tensor) (Tensor, error) {
	alpha := float64(n.Float("alpha", 1.702))
	return each(in[0], func(x float64) float64 { return x * sigmoid(alpha*x) })
}

func each(x Tensor, f func(float64) float64) (Tensor, error) {
	data := x.Float64()
	if data == nil {
		return Tensor{}, errors.New("needs floats")
	}
	out := make([]float64, len(data))
	for i, v := range data {
		out[i] = f(v)
	}
	return Floats(out, x.Shape...), nil
}

func evalSoftmax(n *onnx.Node, in []Tensor) (Tensor, error) {
	x, data := in[0], in[0].Float64()
	axis := n.Int("axis", -1)
	if axis < 0 {
		axis += int64(len(x.Shape))
	}
	if data == nil || axis < 0 || axis >= int64(len(x.Shape)) {
		return Tensor{}, errors.New("needs floats and an axis that exists")
	}
	size, step := x.Shape[axis], strides(x.Shape)[axis]
	out := make([]float64, len(data))
	line := make([]float64, size)
	for first := range int64(len(data)) {
		if first/step%size != 0 {
			continue // not the first of its line
		}
		for i := range size {
			line[i] = data[first+i*step]
		}
		softmax(line)
		for i := range size {
			out[first+i*step] = line[i]
		}
	}
	return Floats(out, x.Shape...), nil
}

// softmax replaces x by exp(x) / sum exp(x), taken from the largest so that
// nothing overflows.
func softmax(x []float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	var sum float64
	for i, v := range x {
		x[i] = math.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
