package onnxtest

import (
	"errors"
	"fmt"
	"math"

	"cosmicman/onnx"
)

// Normalizations: y = scale (x - mean) / sqrt(variance + epsilon) + bias, the
// variance with n in the denominator.

// evalGroupNorm takes mean and variance over each group of channels and all
// positions (Wu and He, 2018).
func evalGroupNorm(n *onnx.Node, in []Tensor) (Tensor, error) {
	return normalize(n, in, n.Int("num_groups", 0))
}

// evalInstanceNorm takes them over each channel.
func evalInstanceNorm(n *onnx.Node, in []Tensor) (Tensor, error) {
	if len(in[0].Shape) < 2 {
		return Tensor{}, fmt.Errorf("needs [rows, channels, ...], has %v", in[0].Shape)
	}
	return normalize(n, in, in[0].Shape[1])
}

func normalize(n *onnx.Node, in []Tensor, groups int64) (Tensor, error) {
	f, err := floats(in, -1, 1, 1)
	if err != nil {
		return Tensor{}, err
	}
	x, scale, bias, shape := f[0], f[1], f[2], in[0].Shape
	if len(shape) < 3 || groups < 1 || shape[1]%groups != 0 || int64(len(scale)) != shape[1] || int64(len(bias)) != shape[1] {
		return Tensor{}, fmt.Errorf("input %v, scale %v and bias %v do not fit %d groups", shape, in[1].Shape, in[2].Shape, groups)
	}
	channels, positions := shape[1], strides(shape)[1]
	size := int(channels / groups * positions)
	out := make([]float64, 0, len(x))
	for start := 0; start < len(x); start += size {
		out = append(out, standardize(x[start:start+size], n.Float("epsilon", 1e-5))...)
	}
	for i := range out {
		c := int64(i) / positions % channels
		out[i] = out[i]*scale[c] + bias[c]
	}
	return Floats(out, shape...), nil
}

// evalLayerNorm takes them over the last axis (Ba, Kiros and Hinton, 2016).
func evalLayerNorm(n *onnx.Node, in []Tensor) (Tensor, error) {
	f, err := floats(in, -1, 1, 1)
	if err != nil {
		return Tensor{}, err
	}
	x, scale, bias, shape := f[0], f[1], f[2], in[0].Shape
	if n.Int("axis", -1) != -1 || len(shape) < 1 {
		return Tensor{}, errors.New("normalizes the last axis only")
	}
	size := int(shape[len(shape)-1])
	if len(scale) != size || len(bias) != size {
		return Tensor{}, fmt.Errorf("input %v, scale %v and bias %v do not fit", shape, in[1].Shape, in[2].Shape)
	}
	out := make([]float64, 0, len(x))
	for start := 0; start < len(x); start += size {
		for i, v := range standardize(x[start:start+size], n.Float("epsilon", 1e-5)) {
			out = append(out, v*scale[i]+bias[i])
		}
	}
	return Floats(out, shape...), nil
}

func standardize(x []float64, epsilon float32) []float64 {
	var mean, variance float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = (v - mean) / math.Sqrt(variance+float64(epsilon))
	}
	return out
}
