package model

import (
	"encoding/json"
	"fmt"
	"slices"
)

// UNetConfig is what decides the shape of a UNet2DConditionModel. Lists have one
// entry a resolution, in the order of the down blocks.
type UNetConfig struct {
	InChannels, OutChannels int64
	SampleSize              [2]int64 // native height and width of the latents; 0 where the config has none
	BeforeSampleSizes       bool     // written before diffusers 0.9, whose configs hold a sample_size that SD pipelines don't trust
	CenterInput             bool
	FlipSinToCos            bool
	FreqShift               float64
	DownBlocks, UpBlocks    []string
	MidBlock                bool
	BlockOut                []int64
	Layers                  []int64   // resnets in each down block
	Transformers            [][]int64 // transformer blocks at each attention of each down block
	MidTransformers         int64
	UpTransformers          [][]int64 // the same of each up block, in the order of the up blocks
	Heads                   []int64
	CrossAttentionDim       []int64
	OnlyCrossAttention      []bool
	LinearProjection        bool
	Groups                  int64
	Epsilon                 float32
	DownsamplePadding       int64
	MidScale                float32
	ScaleShift              bool // resnet_time_scale_shift: scale_shift
	TimeEmbedDim            int64
	ConvInKernel            int64
	ConvOutKernel           int64
	TextTime                bool // SDXL's addition_embed_type
	AdditionTimeEmbedDim    int64
	ProjectionInputDim      int64
}

// TimeIDs is how many numbers SDXL's micro-conditioning gives: original height
// and width, crop top and left, target height and width.
const TimeIDs = 6

// ParseUNet reads a UNet's config.json.
func ParseUNet(data []byte) (UNetConfig, error) {
	r, err := newReader("unet config", data)
	if err != nil {
		return UNetConfig{}, err
	}
	r.str("_class_name", "UNet2DConditionModel", "UNet2DConditionModel", "UNet2DConditionModel_New")
	c := UNetConfig{
		InChannels: r.int("in_channels", 4, 1, maxChannels), OutChannels: r.int("out_channels", 4, 1, maxChannels),
		CenterInput:  r.bool("center_input_sample", false),
		FlipSinToCos: r.bool("flip_sin_to_cos", true), FreqShift: r.float("freq_shift", 0),
		DownBlocks: r.strs("down_block_types", []string{crossDown, crossDown, crossDown, plainDown}, crossDown, plainDown),
		UpBlocks:   r.strs("up_block_types", []string{plainUp, crossUp, crossUp, crossUp}, crossUp, plainUp),
	}
	_, said := r.obj["mid_block_type"]
	c.MidBlock = !said || !r.null("mid_block_type")
	r.str("mid_block_type", "", "UNetMidBlock2DCrossAttn", "UNetMidBlock2DCrossAttn_New")
	n := len(c.DownBlocks)
	if len(c.UpBlocks) != n {
		r.fault("up_block_types", "has %d entries for %d down blocks", len(c.UpBlocks), n)
	}
	if r.null("block_out_channels") {
		c.BlockOut = []int64{320, 640, 1280, 1280}
		if n != 4 {
			r.fault("block_out_channels", "is missing for %d blocks", n)
		}
	} else {
		c.BlockOut = r.ints("block_out_channels", n, 320, 1, maxChannels)
	}
	c.SampleSize = r.sampleSize()
	c.BeforeSampleSizes = r.beforeSampleSizes()
	c.Layers = r.ints("layers_per_block", n, 2, 1, maxLayers)
	c.Heads = r.ints("attention_head_dim", n, 8, 1, maxChannels) // diffusers' name for the number of heads
	r.only("num_attention_heads")                                // diffusers refuses it too
	c.CrossAttentionDim = r.ints("cross_attention_dim", n, 1280, 1, maxChannels)
	if slices.Max(c.CrossAttentionDim) != slices.Min(c.CrossAttentionDim) {
		r.fault("cross_attention_dim", "differs between blocks, but there is one text encoder output")
	}
	c.OnlyCrossAttention = r.bools("only_cross_attention", n)
	c.LinearProjection = r.bool("use_linear_projection", false)
	c.Groups = r.int("norm_num_groups", 32, 1, maxChannels)
	c.Epsilon = float32(r.float("norm_eps", 1e-5))
	c.DownsamplePadding = r.int("downsample_padding", 1, 0, 1)
	c.MidScale = float32(r.float("mid_block_scale_factor", 1))
	if c.MidScale == 0 {
		r.fault("mid_block_scale_factor", "is 0")
	}
	c.ScaleShift = r.str("resnet_time_scale_shift", "default", "default", "scale_shift") == "scale_shift"
	c.TimeEmbedDim = r.int("time_embedding_dim", 4*c.BlockOut[0], 1, maxChannels)
	c.ConvInKernel = r.int("conv_in_kernel", 3, 1, 15)
	c.ConvOutKernel = r.int("conv_out_kernel", 3, 1, 15)
	if c.ConvInKernel%2 == 0 || c.ConvOutKernel%2 == 0 {
		r.fault("conv_in_kernel", "and conv_out_kernel must be odd")
	}
	c.TextTime = r.str("addition_embed_type", "", "text_time") == "text_time"
	if c.TextTime {
		c.AdditionTimeEmbedDim = r.int("addition_time_embed_dim", 0, 2, maxChannels)
		c.ProjectionInputDim = r.int("projection_class_embeddings_input_dim", 0, 1, maxChannels)
		if c.AdditionTimeEmbedDim%2 != 0 || c.TextEmbedDim() < 1 {
			r.fault("projection_class_embeddings_input_dim", "%d leaves no room for a text embedding beside %d time ids of %d numbers",
				c.ProjectionInputDim, TimeIDs, c.AdditionTimeEmbedDim)
		}
	}
	if c.BlockOut[0]%2 != 0 {
		r.fault("block_out_channels", "begins with %d, which is odd", c.BlockOut[0])
	}
	c.transformers(r)

	r.str("act_fn", "silu", "silu", "swish")
	r.only("dual_cross_attention", false)
	r.only("class_embed_type")
	r.only("num_class_embeds")
	r.only("class_embeddings_concat", false)
	r.only("encoder_hid_dim")
	r.only("encoder_hid_dim_type")
	r.only("resnet_skip_time_act", false)
	r.only("resnet_out_scale_factor", 1)
	r.only("time_embedding_type", "positional")
	r.only("time_embedding_act_fn")
	r.only("timestep_post_act")
	r.only("time_cond_proj_dim")
	r.only("attention_type", "default")
	r.only("cross_attention_norm")
	return c, r.err()
}

// TextEmbedDim is the width of SDXL's pooled text embedding.
func (c UNetConfig) TextEmbedDim() int64 {
	return c.ProjectionInputDim - TimeIDs*c.AdditionTimeEmbedDim
}

func (r *reader) sampleSize() [2]int64 {
	if r.null("sample_size") {
		return [2]int64{}
	}
	s := r.ints("sample_size", 2, 64, 1, 1<<14)
	return [2]int64{s[0], s[1]}
}

// beforeSampleSizes reports whether sample_size is a number in a config of a
// version below 0.9.
func (r *reader) beforeSampleSizes() bool {
	var version string
	var size int64
	if r.null("_diffusers_version") || r.null("sample_size") || json.Unmarshal(r.obj["sample_size"], &size) != nil ||
		!r.decode("_diffusers_version", "a version", &version) {
		return false
	}
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return n == 2 && major == 0 && minor < 9
}

// transformers reads transformer_layers_per_block, whose entries are numbers or
// lists of one number an attention, and the list that may replace its reverse
// in the up blocks.
func (c *UNetConfig) transformers(r *reader) {
	n := len(c.DownBlocks)
	read := func(key string) []json.RawMessage {
		var one int64
		if r.null(key) {
			return slices.Repeat([]json.RawMessage{json.RawMessage("1")}, n)
		}
		if json.Unmarshal(r.obj[key], &one) == nil {
			return slices.Repeat([]json.RawMessage{r.obj[key]}, n)
		}
		var list []json.RawMessage
		if !r.decode(key, "a whole number or a list", &list) {
			return nil
		}
		if len(list) != n {
			r.fault(key, "has %d entries for %d blocks", len(list), n)
			return nil
		}
		return list
	}
	entry := func(key string, raw json.RawMessage, layers int64) []int64 {
		one := reader{what: r.what, obj: map[string]json.RawMessage{key: raw}}
		out := one.ints(key, int(layers), 1, 1, maxLayers)
		r.errs = append(r.errs, one.errs...)
		return out
	}
	const key, reverse = "transformer_layers_per_block", "reverse_transformer_layers_per_block"
	down := read(key)
	if down == nil || len(c.UpBlocks) != n {
		return
	}
	for i := range n {
		if c.DownBlocks[i] == crossDown {
			c.Transformers = append(c.Transformers, entry(key, down[i], c.Layers[i]))
		} else {
			c.Transformers = append(c.Transformers, nil)
		}
	}
	var list []int64
	if json.Unmarshal(down[n-1], &list) == nil && len(list) > 0 {
		c.MidTransformers = list[0] // the mid block has one attention
	} else {
		c.MidTransformers = entry(key, down[n-1], 1)[0]
	}
	up, upKey := slices.Clone(down), key
	slices.Reverse(up)
	if !r.null(reverse) {
		if up, upKey = read(reverse), reverse; up == nil {
			return
		}
	}
	for i := range n {
		if c.UpBlocks[i] == crossUp {
			c.UpTransformers = append(c.UpTransformers, entry(upKey, up[i], c.Layers[n-1-i]+1))
		} else {
			c.UpTransformers = append(c.UpTransformers, nil)
		}
	}
}

// Names of UNet blocks in diffusers' configs.
const (
	crossDown = "CrossAttnDownBlock2D"
	plainDown = "DownBlock2D"
	crossUp   = "CrossAttnUpBlock2D"
	plainUp   = "UpBlock2D"
)
