package model

import (
	"cosmicman/onnx"
	"cosmicman/tensor"
)

// UNet writes the UNet2DConditionModel of c.
//
//	sample                float32 [rows, in_channels, height, width]   scaled noisy latents
//	timestep              float32 [rows]
//	encoder_hidden_states float32 [rows, tokens, cross_attention_dim]
//	text_embeds           float32 [rows, D]    SDXL only
//	time_ids              float32 [rows, 6]    SDXL only
//	-> output             float32 [rows, out_channels, height, width]
func UNet(c UNetConfig) (*onnx.Graph, error) {
	g := onnx.NewGraph("unet")
	u := &unet{builder: builder{g, c.Groups, c.Epsilon}, c: c}
	rows := onnx.Sym("rows")
	sample := g.Input("sample", tensor.Float32, rows, onnx.N(c.InChannels), onnx.Sym("height"), onnx.Sym("width"))
	timestep := g.Input("timestep", tensor.Float32, rows)
	u.states = map[int64]*onnx.Value{}
	u.text = g.Input("encoder_hidden_states", tensor.Float32, rows, onnx.Sym("tokens"), onnx.N(c.CrossAttentionDim[0]))
	u.temb = u.SiLU(u.timeEmbedding(timestep))

	x := sample
	if c.CenterInput {
		x = u.Sub(u.Mul(x, u.Scalar(2)), u.Scalar(1))
	}
	x = u.conv(x, "conv_in", c.BlockOut[0], c.ConvInKernel)
	skips := []*onnx.Value{x}
	last := len(c.BlockOut) - 1
	for i := range c.BlockOut {
		x, skips = u.down(x, skips, i, i == last)
	}
	if c.MidBlock {
		x = u.mid(x)
	}
	for i := range c.BlockOut {
		x, skips = u.up(x, skips, i, i == last)
	}
	x = u.SiLU(u.groupNorm(x, "conv_norm_out", c.Epsilon))
	g.Result("output", u.conv(x, "conv_out", c.OutChannels, c.ConvOutKernel))
	return g, onnx.Verify(g)
}

type unet struct {
	builder
	c      UNetConfig
	text   *onnx.Value // encoder hidden states [rows, tokens, D]
	temb   *onnx.Value // time embedding after its activation [rows, TimeEmbedDim]
	states map[int64]*onnx.Value
}

func (u *unet) timeEmbedding(timestep *onnx.Value) *onnx.Value {
	c := u.c
	mlp := func(x *onnx.Value, path string) *onnx.Value {
		return u.linear(u.SiLU(u.linear(x, path+".linear_1", c.TimeEmbedDim, true)), path+".linear_2", c.TimeEmbedDim, true)
	}
	emb := mlp(u.sinusoid(timestep, c.BlockOut[0], c.FlipSinToCos, c.FreqShift), "time_embedding")
	if !c.TextTime {
		return emb
	}
	rows := timestep.Shape[0]
	text := u.Input("text_embeds", tensor.Float32, rows, onnx.N(c.TextEmbedDim()))
	ids := u.Input("time_ids", tensor.Float32, rows, onnx.N(TimeIDs))
	t := u.sinusoid(u.Reshape(ids, onnx.Rest()), c.AdditionTimeEmbedDim, c.FlipSinToCos, c.FreqShift)
	t = u.Reshape(t, onnx.Rest(), onnx.Num(TimeIDs*c.AdditionTimeEmbedDim))
	return u.Add(emb, mlp(u.Concat(1, text, t), "add_embedding"))
}

func (u *unet) resnetAt(x *onnx.Value, path string, out int64, divide float32) *onnx.Value {
	return u.resnet(x, path, resnet{out: out, temb: u.temb, scaleShift: u.c.ScaleShift, divide: divide})
}

func (u *unet) down(x *onnx.Value, skips []*onnx.Value, i int, last bool) (*onnx.Value, []*onnx.Value) {
	c, path := u.c, at("down_blocks", i)
	for j := range int(c.Layers[i]) {
		x = u.resnetAt(x, at(path, "resnets", j), c.BlockOut[i], 1)
		if c.DownBlocks[i] == crossDown {
			x = u.transformer(x, at(path, "attentions", j), transformer{c.Heads[i], c.Transformers[i][j], c.OnlyCrossAttention[i]})
		}
		skips = append(skips, x)
	}
	if !last {
		pads := [4]int64{1, 1, 1, 1}
		if c.DownsamplePadding == 0 {
			pads = [4]int64{0, 0, 1, 1} // diffusers pads right and below by hand
		}
		x = u.convWith(x, at(path, "downsamplers", 0, "conv"), c.BlockOut[i], 3, 2, pads)
		skips = append(skips, x)
	}
	return x, skips
}

func (u *unet) mid(x *onnx.Value) *onnx.Value {
	c, last := u.c, len(u.c.BlockOut)-1
	x = u.resnetAt(x, "mid_block.resnets.0", c.BlockOut[last], c.MidScale)
	x = u.transformer(x, "mid_block.attentions.0", transformer{c.Heads[last], c.MidTransformers, false})
	return u.resnetAt(x, "mid_block.resnets.1", c.BlockOut[last], c.MidScale)
}

func (u *unet) up(x *onnx.Value, skips []*onnx.Value, i int, last bool) (*onnx.Value, []*onnx.Value) {
	c, path := u.c, at("up_blocks", i)
	k := len(c.BlockOut) - 1 - i // the down block of the same resolution
	for j := range int(c.Layers[k]) + 1 {
		skip := skips[len(skips)-1]
		skips = skips[:len(skips)-1]
		x = u.resnetAt(u.Concat(1, x, skip), at(path, "resnets", j), c.BlockOut[k], 1)
		if c.UpBlocks[i] == crossUp {
			x = u.transformer(x, at(path, "attentions", j), transformer{c.Heads[k], c.UpTransformers[i][j], c.OnlyCrossAttention[k]})
		}
	}
	if !last {
		// The skip's size, not twice ours: they differ where a side was odd.
		x = u.conv(u.UpsampleTo(x, skips[len(skips)-1]), at(path, "upsamplers", 0, "conv"), c.BlockOut[k], 3)
	}
	return x, skips
}

type transformer struct {
	heads, blocks int64
	onlyCross     bool // both attentions look at the text
}

// transformer is diffusers' Transformer2DModel with its BasicTransformerBlocks.
func (u *unet) transformer(x *onnx.Value, path string, t transformer) *onnx.Value {
	c := channels(x, 1)
	inner := c / t.heads * t.heads
	h := u.groupNorm(x, path+".norm", 1e-6)
	if u.c.LinearProjection {
		h = u.linear(u.tokens(h), path+".proj_in", inner, true)
	} else {
		h = u.tokens(u.conv(h, path+".proj_in", inner, 1))
	}
	for i := range t.blocks {
		p := at(path, "transformer_blocks", i)
		n := u.layerNorm(h, p+".norm1", 1e-5)
		if t.onlyCross {
			h = u.Add(h, u.attention(n, u.text, x, p+".attn1", t.heads))
		} else {
			h = u.Add(h, u.attention(n, nil, x, p+".attn1", t.heads))
		}
		h = u.Add(h, u.attention(u.layerNorm(h, p+".norm2", 1e-5), u.text, x, p+".attn2", t.heads))
		h = u.Add(h, u.feedForward(u.layerNorm(h, p+".norm3", 1e-5), p+".ff"))
	}
	if u.c.LinearProjection {
		return u.Add(u.image(u.linear(h, path+".proj_out", c, true), x), x)
	}
	return u.Add(u.conv(u.image(h, x), path+".proj_out", c, 1), x)
}

// attention lets q [rows*S, C] look at context [rows, T, D], or at itself where
// context is nil. like gives the rows.
func (u *unet) attention(q, context, like *onnx.Value, path string, heads int64) *onnx.Value {
	c := channels(q, 1)
	kv := q
	if context != nil {
		d := channels(context, 2)
		if kv = u.states[d]; kv == nil {
			kv = u.Reshape(context, onnx.Rest(), onnx.Num(d))
			u.states[d] = kv
		}
	}
	rows := func(v *onnx.Value) *onnx.Value {
		return u.Reshape(v, onnx.Of(like, 0), onnx.Rest(), onnx.Num(c))
	}
	out := u.Attention(
		rows(u.linear(q, path+".to_q", c, false)),
		rows(u.linear(kv, path+".to_k", c, false)),
		rows(u.linear(kv, path+".to_v", c, false)), heads, nil)
	return u.linear(u.Reshape(out, onnx.Rest(), onnx.Num(c)), path+".to_out.0", c, true)
}

// feedForward is GEGLU (Shazeer, 2020): the first half times the GELU of the second.
func (u *unet) feedForward(x *onnx.Value, path string) *onnx.Value {
	c := channels(x, 1)
	h := u.linear(x, path+".net.0.proj", 8*c, true)
	h = u.Mul(u.Slice(h, 1, 0, 4*c), u.Gelu(u.Slice(h, 1, 4*c, 8*c)))
	return u.linear(h, path+".net.2", c, true)
}
