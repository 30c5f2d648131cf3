package model

import (
	"cosmicman/onnx"
	"cosmicman/tensor"
)

// VAEConfig is what decides the shape of an AutoencoderKL, and how its latents
// are scaled.
type VAEConfig struct {
	InChannels, OutChannels, LatentChannels int64
	BlockOut                                []int64
	Layers, Groups                          int64
	SampleSize                              [2]int64
	MidAttention, QuantConv, PostQuantConv  bool
	ForceUpcast                             bool // overflows in float16
	ScalingFactor                           float64
	LatentsMean, LatentsStd                 []float64 // a channel; nil where the scale alone holds
}

// Factor is how many pixels one latent is wide.
func (c VAEConfig) Factor() int { return 1 << (len(c.BlockOut) - 1) }

const vaeEpsilon = 1e-6

// ParseVAE reads an autoencoder's config.json.
func ParseVAE(data []byte) (VAEConfig, error) {
	r, err := newReader("vae config", data)
	if err != nil {
		return VAEConfig{}, err
	}
	r.str("_class_name", "AutoencoderKL", "AutoencoderKL")
	down := r.strs("down_block_types", []string{"DownEncoderBlock2D"}, "DownEncoderBlock2D")
	up := r.strs("up_block_types", []string{"UpDecoderBlock2D"}, "UpDecoderBlock2D")
	if len(down) != len(up) {
		r.fault("up_block_types", "has %d entries for %d down blocks", len(up), len(down))
	}
	c := VAEConfig{
		InChannels: r.int("in_channels", 3, 1, maxChannels), OutChannels: r.int("out_channels", 3, 1, maxChannels),
		LatentChannels: r.int("latent_channels", 4, 1, maxChannels),
		BlockOut:       r.ints("block_out_channels", len(down), 64, 1, maxChannels),
		Layers:         r.int("layers_per_block", 1, 1, maxLayers),
		Groups:         r.int("norm_num_groups", 32, 1, maxChannels),
		SampleSize:     r.sampleSize(),
		MidAttention:   r.bool("mid_block_add_attention", true),
		QuantConv:      r.bool("use_quant_conv", true), PostQuantConv: r.bool("use_post_quant_conv", true),
		ForceUpcast:   r.bool("force_upcast", true),
		ScalingFactor: r.float("scaling_factor", 0.18215),
	}
	if c.InChannels != 3 || c.OutChannels != 3 {
		r.fault("in_channels", "and out_channels are %d and %d, expected 3 (red, green, blue)", c.InChannels, c.OutChannels)
	}
	if c.ScalingFactor == 0 {
		r.fault("scaling_factor", "is 0")
	}
	r.str("act_fn", "silu", "silu", "swish")
	for key, dst := range map[string]*[]float64{"latents_mean": &c.LatentsMean, "latents_std": &c.LatentsStd} {
		if !r.null(key) && r.decode(key, "a list of numbers", dst) && int64(len(*dst)) != c.LatentChannels {
			r.fault(key, "has %d entries for %d latent channels", len(*dst), c.LatentChannels)
		}
	}
	return c, r.err()
}

// VAEDecoder writes the decoder half.
//
//	latents  float32 [rows, latent_channels, height, width]   after the scaling is undone
//	-> image float32 [rows, 3, height*f, width*f]             in about [-1, 1]
func VAEDecoder(c VAEConfig) (*onnx.Graph, error) {
	g := onnx.NewGraph("vae_decoder")
	x := g.Input("latents", tensor.Float32, onnx.Sym("rows"), onnx.N(c.LatentChannels), onnx.Sym("height"), onnx.Sym("width"))
	g.Result("image", builder{g, c.Groups, vaeEpsilon}.vaeDecoder(x, c))
	return g, onnx.Verify(g)
}

func (b builder) vaeDecoder(x *onnx.Value, c VAEConfig) *onnx.Value {
	if c.PostQuantConv {
		x = b.conv(x, "post_quant_conv", c.LatentChannels, 1)
	}
	n := len(c.BlockOut)
	x = b.conv(x, "decoder.conv_in", c.BlockOut[n-1], 3)
	x = b.vaeMid(x, "decoder.mid_block", c)
	for i := range n {
		p := at("decoder.up_blocks", i)
		for j := range c.Layers + 1 {
			x = b.resnet(x, at(p, "resnets", j), resnet{out: c.BlockOut[n-1-i]})
		}
		if i < n-1 {
			x = b.conv(b.Upsample(x), p+".upsamplers.0.conv", c.BlockOut[n-1-i], 3)
		}
	}
	x = b.SiLU(b.groupNorm(x, "decoder.conv_norm_out", vaeEpsilon))
	return b.conv(x, "decoder.conv_out", c.OutChannels, 3)
}

// VAEEncoder writes the encoder half.
//
//	image      float32 [rows, 3, height, width]   in [-1, 1]
//	-> moments float32 [rows, 2*latent_channels, height/f, width/f]   mean, then log-variance
func VAEEncoder(c VAEConfig) (*onnx.Graph, error) {
	g := onnx.NewGraph("vae_encoder")
	x := g.Input("image", tensor.Float32, onnx.Sym("rows"), onnx.N(c.InChannels), onnx.Sym("height"), onnx.Sym("width"))
	g.Result("moments", builder{g, c.Groups, vaeEpsilon}.vaeEncoder(x, c))
	return g, onnx.Verify(g)
}

func (b builder) vaeEncoder(x *onnx.Value, c VAEConfig) *onnx.Value {
	n := len(c.BlockOut)
	x = b.conv(x, "encoder.conv_in", c.BlockOut[0], 3)
	for i := range n {
		p := at("encoder.down_blocks", i)
		for j := range c.Layers {
			x = b.resnet(x, at(p, "resnets", j), resnet{out: c.BlockOut[i]})
		}
		if i < n-1 {
			x = b.convWith(x, p+".downsamplers.0.conv", c.BlockOut[i], 3, 2, [4]int64{0, 0, 1, 1})
		}
	}
	x = b.vaeMid(x, "encoder.mid_block", c)
	x = b.SiLU(b.groupNorm(x, "encoder.conv_norm_out", vaeEpsilon))
	x = b.conv(x, "encoder.conv_out", 2*c.LatentChannels, 3)
	if c.QuantConv {
		x = b.conv(x, "quant_conv", 2*c.LatentChannels, 1)
	}
	return x
}

// The bounds of the log-variance of latents.
const minLogVariance, maxLogVariance = -30, 20

// VAE writes both halves with a sample of the latents between them.
//
//	image float32 [rows, 3, f*height, f*width]            in [-1, 1]
//	noise float32 [rows, latent_channels, height, width]  standard normal; zeros decode the mean
//	-> reconstruction float32 [rows, 3, f*height, f*width]
//	-> mean           float32 [rows, latent_channels, height, width]
//	-> log_variance   float32 [rows, latent_channels, height, width]   within [-30, 20], as diffusers clamps it
func VAE(c VAEConfig) (*onnx.Graph, error) {
	g := onnx.NewGraph("vae")
	b := builder{g, c.Groups, vaeEpsilon}
	f := onnx.N(int64(c.Factor()))
	image := g.Input("image", tensor.Float32, onnx.Sym("rows"), onnx.N(c.InChannels), f.Mul(onnx.Sym("height")), f.Mul(onnx.Sym("width")))
	moments := b.vaeEncoder(image, c)
	mean := g.Slice(moments, 1, 0, c.LatentChannels)
	spread := g.Clip(g.Slice(moments, 1, c.LatentChannels, 2*c.LatentChannels), minLogVariance, maxLogVariance)
	noise := g.Input("noise", tensor.Float32, mean.Shape...)
	sample := g.Add(mean, g.Mul(g.Exp(g.Mul(spread, g.Scalar(0.5))), noise))
	g.Result("reconstruction", b.vaeDecoder(sample, c))
	g.Result("mean", mean)
	g.Result("log_variance", spread)
	return g, onnx.Verify(g)
}

func (b builder) vaeMid(x *onnx.Value, path string, c VAEConfig) *onnx.Value {
	out := channels(x, 1)
	x = b.resnet(x, path+".resnets.0", resnet{out: out})
	if c.MidAttention {
		x = b.vaeAttention(x, path+".attentions.0")
	}
	return b.resnet(x, path+".resnets.1", resnet{out: out})
}

// vaeAttention is one head over all positions, with a residual.
func (b builder) vaeAttention(x *onnx.Value, path string) *onnx.Value {
	c := channels(x, 1)
	h := b.tokens(b.groupNorm(x, path+".group_norm", vaeEpsilon))
	part := func(name string) *onnx.Value {
		return b.Reshape(b.linear(h, at(path, name), c, true), onnx.Of(x, 0), onnx.Rest(), onnx.Num(c))
	}
	h = b.Attention(part("to_q"), part("to_k"), part("to_v"), 1, nil)
	h = b.linear(b.Reshape(h, onnx.Rest(), onnx.Num(c)), path+".to_out.0", c, true)
	return b.Add(x, b.image(h, x))
}
