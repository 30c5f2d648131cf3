package model

import (
	"fmt"
	"math"

	"cosmicman/onnx"
)

// builder adds what every network here shares: layers that are named by their
// module's path in the checkpoint.
type builder struct {
	*onnx.Graph
	groups  int64
	epsilon float32 // of the resnets' group norms
}

func at(path string, parts ...any) string {
	for _, p := range parts {
		path += fmt.Sprintf(".%v", p)
	}
	return path
}

// channels is the extent of an axis that is known to be a number.
func channels(v *onnx.Value, axis int) int64 {
	if axis >= len(v.Shape) {
		return 1 // the graph carries the fault already
	}
	n, _ := v.Shape[axis].Const()
	return max(n, 1)
}

// linear applies a torch Linear to x [n, in].
func (b builder) linear(x *onnx.Value, path string, out int64, bias bool) *onnx.Value {
	w := b.Param(path+".weight", out, channels(x, 1))
	if !bias {
		return b.Linear(x, w, nil)
	}
	return b.Linear(x, w, b.Param(path+".bias", out))
}

// conv applies a torch Conv2d with an odd kernel, stride 1 and the padding that
// keeps the size.
func (b builder) conv(x *onnx.Value, path string, out, kernel int64) *onnx.Value {
	p := kernel / 2
	return b.convWith(x, path, out, kernel, 1, [4]int64{p, p, p, p})
}

func (b builder) convWith(x *onnx.Value, path string, out, kernel, stride int64, pads [4]int64) *onnx.Value {
	w := b.Param(path+".weight", out, channels(x, 1), kernel, kernel)
	return b.Conv2D(x, w, b.Param(path+".bias", out), stride, pads)
}

func (b builder) groupNorm(x *onnx.Value, path string, epsilon float32) *onnx.Value {
	c := channels(x, 1)
	return b.GroupNorm(x, b.Param(path+".weight", c), b.Param(path+".bias", c), b.groups, epsilon)
}

func (b builder) layerNorm(x *onnx.Value, path string, epsilon float32) *onnx.Value {
	c := channels(x, len(x.Shape)-1)
	return b.LayerNorm(x, b.Param(path+".weight", c), b.Param(path+".bias", c), epsilon)
}

// tokens flattens x [rows, C, H, W] to [rows*H*W, C].
func (b builder) tokens(x *onnx.Value) *onnx.Value {
	return b.Reshape(b.Transpose(x, 0, 2, 3, 1), onnx.Rest(), onnx.Num(channels(x, 1)))
}

// image undoes tokens, with rows, H and W of like.
func (b builder) image(t, like *onnx.Value) *onnx.Value {
	t = b.Reshape(t, onnx.Of(like, 0), onnx.Of(like, 2), onnx.Of(like, 3), onnx.Num(channels(t, 1)))
	return b.Transpose(t, 0, 3, 1, 2)
}

// resnet is diffusers' ResnetBlock2D. temb [rows, D] is the time embedding after
// its activation; nil in the autoencoder.
type resnet struct {
	out        int64
	temb       *onnx.Value
	scaleShift bool
	divide     float32 // output_scale_factor
}

func (b builder) resnet(x *onnx.Value, path string, r resnet) *onnx.Value {
	h := b.conv(b.SiLU(b.groupNorm(x, path+".norm1", b.epsilon)), path+".conv1", r.out, 3)
	if r.temb == nil {
		h = b.groupNorm(h, path+".norm2", b.epsilon)
	} else {
		width := r.out
		if r.scaleShift {
			width *= 2
		}
		t := b.linear(r.temb, path+".time_emb_proj", width, true)
		t = b.Reshape(t, onnx.Of(t, 0), onnx.Num(width), onnx.Num(1), onnx.Num(1))
		if r.scaleShift {
			h = b.groupNorm(h, path+".norm2", b.epsilon)
			scale, shift := b.Slice(t, 1, 0, r.out), b.Slice(t, 1, r.out, 2*r.out)
			h = b.Add(b.Mul(h, b.Add(scale, b.Scalar(1))), shift)
		} else {
			h = b.groupNorm(b.Add(h, t), path+".norm2", b.epsilon)
		}
	}
	h = b.conv(b.SiLU(h), path+".conv2", r.out, 3)
	if channels(x, 1) != r.out {
		x = b.conv(x, path+".conv_shortcut", r.out, 1)
	}
	return b.divide(b.Add(x, h), r.divide)
}

func (b builder) divide(x *onnx.Value, by float32) *onnx.Value {
	if by == 0 || by == 1 {
		return x
	}
	return b.Div(x, b.Scalar(by))
}

// sinusoid embeds t [n] as [n, dim]: sines and cosines of t times frequencies
// that fall from 1 to 1/10000 (Vaswani et al., 2017, in diffusers' layout).
func (b builder) sinusoid(t *onnx.Value, dim int64, flip bool, shift float64) *onnx.Value {
	half := dim / 2
	freqs := make([]float32, half)
	for i := range freqs {
		// The roundings to float32 are torch's.
		exponent := float32(-math.Log(10000)) * float32(i)
		freqs[i] = float32(math.Exp(float64(exponent / float32(float64(half)-shift))))
	}
	angles := b.Mul(b.Reshape(t, onnx.Of(t, 0), onnx.Num(1)), b.Floats(freqs, 1, half))
	if flip {
		return b.Concat(1, b.Cos(angles), b.Sin(angles))
	}
	return b.Concat(1, b.Sin(angles), b.Cos(angles))
}
