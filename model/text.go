package model

import (
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// TextConfig is what decides the shape of a CLIP text encoder (Radford et al.,
// 2021) in transformers' layout.
type TextConfig struct {
	Vocabulary, Hidden, Intermediate int64
	Layers, Heads, Positions         int64
	QuickGelu                        bool
	Epsilon                          float32
	Projection                       int64 // width of the projected embedding, 0 without (CLIPTextModel)
	EOS                              int64
	Tokens                           int64 // positions that a text takes, all of them unless set lower
}

// ParseText reads a text encoder's config.json. Whether its pooled output is
// projected is its place in the pipeline to say, not the config: SDXL's second
// one is a CLIPTextModelWithProjection.
func ParseText(data []byte, projected bool) (TextConfig, error) {
	r, err := newReader("text encoder config", data)
	if err != nil {
		return TextConfig{}, err
	}
	c := TextConfig{
		Vocabulary:   r.int("vocab_size", 49408, 1, maxChannels),
		Hidden:       r.int("hidden_size", 512, 1, maxChannels),
		Intermediate: r.int("intermediate_size", 2048, 1, maxChannels),
		Layers:       r.int("num_hidden_layers", 12, 1, maxLayers),
		Heads:        r.int("num_attention_heads", 8, 1, maxChannels),
		Positions:    r.int("max_position_embeddings", 77, 2, 1<<12),
		QuickGelu:    r.str("hidden_act", "quick_gelu", "quick_gelu", "gelu") == "quick_gelu",
		Epsilon:      float32(r.float("layer_norm_eps", 1e-5)),
		EOS:          r.int("eos_token_id", 49407, 0, maxChannels),
	}
	var architectures []string
	if !r.null("architectures") {
		r.decode("architectures", "a list of texts", &architectures)
	}
	if projected {
		c.Projection = r.int("projection_dim", 512, 1, maxChannels)
	}
	known := []string{"CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel"}
	if len(architectures) > 0 && !slices.ContainsFunc(architectures, func(a string) bool { return slices.Contains(known, a) }) {
		r.fault("architectures", "%q is not supported, only CLIPTextModel and CLIPTextModelWithProjection", architectures)
	}
	r.only("model_type", "clip_text_model", "clip")
	r.only("use_attention_mask", false) // would hide the padding
	c.Tokens = c.Positions
	if c.Heads > 0 && c.Hidden%c.Heads != 0 {
		r.fault("num_attention_heads", "%d does not divide hidden_size %d", c.Heads, c.Hidden)
	}
	return c, r.err()
}

// PooledAt returns the position whose final state is the pooled one: the first
// end-of-text token. Checkpoints that say eos_token_id 2 are from before the id
// was right; transformers takes the highest id there.
func (c TextConfig) PooledAt(ids []int64) int {
	if c.EOS != 2 {
		return max(slices.Index(ids, c.EOS), 0)
	}
	best := 0
	for i, id := range ids {
		if id > ids[best] {
			best = i
		}
	}
	return best
}

// Text writes the text encoder of c.
//
//	input_ids    int64 [rows, tokens]
//	pooled_index int64 [rows]    row * tokens + the position that PooledAt gives
//	-> last_hidden_state        float32 [rows, tokens, hidden]  after the final norm
//	-> penultimate_hidden_state float32 [rows, tokens, hidden]  what the last layer is given
//	-> pooled                   float32 [rows, hidden], or [rows, projection]: text_embeds
func Text(c TextConfig) (*onnx.Graph, error) {
	g := onnx.NewGraph("text_encoder")
	b := builder{Graph: g}
	rows := onnx.Sym("rows")
	ids := g.Input("input_ids", tensor.Int64, rows, onnx.N(c.Tokens))
	index := g.Input("pooled_index", tensor.Int64, rows)
	const emb = "text_model.embeddings."
	x := g.Gather(g.Param(emb+"token_embedding.weight", c.Vocabulary, c.Hidden), ids)
	positions := g.Param(emb+"position_embedding.weight", c.Positions, c.Hidden)
	if c.Tokens < c.Positions {
		positions = g.Slice(positions, 0, 0, c.Tokens)
	}
	x = g.Add(x, positions)
	x = g.Reshape(x, onnx.Rest(), onnx.Num(c.Hidden))
	mask := b.causalMask(c.Tokens)
	tokens := func(v *onnx.Value) *onnx.Value {
		return g.Reshape(v, onnx.Rest(), onnx.Num(c.Tokens), onnx.Num(c.Hidden))
	}
	penultimate := x
	for i := range c.Layers {
		penultimate = x
		p := at("text_model.encoder.layers", i)
		h := b.layerNorm(x, p+".layer_norm1", c.Epsilon)
		h = g.Attention(
			tokens(b.linear(h, p+".self_attn.q_proj", c.Hidden, true)),
			tokens(b.linear(h, p+".self_attn.k_proj", c.Hidden, true)),
			tokens(b.linear(h, p+".self_attn.v_proj", c.Hidden, true)), c.Heads, mask)
		x = g.Add(x, b.linear(g.Reshape(h, onnx.Rest(), onnx.Num(c.Hidden)), p+".self_attn.out_proj", c.Hidden, true))
		h = b.linear(b.layerNorm(x, p+".layer_norm2", c.Epsilon), p+".mlp.fc1", c.Intermediate, true)
		if c.QuickGelu {
			h = g.QuickGelu(h, 1.702)
		} else {
			h = g.Gelu(h)
		}
		x = g.Add(x, b.linear(h, p+".mlp.fc2", c.Hidden, true))
	}
	last := b.layerNorm(x, "text_model.final_layer_norm", c.Epsilon)
	pooled := g.Gather(last, index)
	if c.Projection > 0 {
		pooled = b.linear(pooled, "text_projection", c.Projection, false)
	}
	g.Result("last_hidden_state", tokens(last))
	g.Result("penultimate_hidden_state", tokens(penultimate))
	g.Result("pooled", pooled)
	return g, onnx.Verify(g)
}

// causalMask is an attention bias [1, 1, n, n] that hides later tokens.
func (b builder) causalMask(n int64) *onnx.Value {
	mask := make([]float32, n*n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			mask[i*n+j] = -1e30 // low enough that its exponential is 0, far from overflow
		}
	}
	return b.Floats(mask, 1, 1, n, n)
}
