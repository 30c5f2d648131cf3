package model

import "testing"

func TestBlock(t *testing.T) {
	for weight, want := range map[string]string{
		"down_blocks.1.resnets.0.time_emb_proj.weight":                     "down_blocks.1.resnets.0",
		"mid_block.attentions.0.transformer_blocks.10.attn1.to_out.0.bias": "mid_block.attentions.0.transformer_blocks.10",
		"mid_block.attentions.0.proj_in.weight":                            "mid_block.attentions.0",
		"up_blocks.0.upsamplers.0.conv.bias":                               "up_blocks.0.upsamplers.0",
		"text_model.encoder.layers.11.self_attn.q_proj.weight":             "text_model.encoder.layers.11",
		"decoder.mid_block.attentions.0.to_q.weight":                       "decoder.mid_block.attentions.0",
		"conv_in.weight":                               "",
		"time_embedding.linear_1.bias":                 "",
		"text_model.embeddings.token_embedding.weight": "",
	} {
		if got := Block(weight); got != want {
			t.Errorf("%s is of block %q, want %q", weight, got, want)
		}
	}
}
