package lora

import (
	"slices"
	"strings"
	"testing"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// TestCounts holds the sets of modules to the counts that sd-scripts and
// diffusers print for the two base models.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		arch, component string
		targets         Targets
		want            int
	}{
		{"sd15", UNet, Transformer, 192},
		{"sd15", TextEncoder, Transformer, 72},
		{"sdxl", UNet, Transformer, 722},
		{"sdxl", TextEncoder, Transformer, 72},
		{"sdxl", TextEncoder2, Transformer, 192},
		{"sd15", UNet, Attention, 128},
		{"sdxl", UNet, Attention, 560},
		{"sd15", TextEncoder, Attention, 48},
		{"sdxl", TextEncoder2, Attention, 128},
		{"sd15", UNet, All, 282}, // 22 resnets with 80 modules, 10 around them
		{"sdxl", UNet, All, 794},
		{"sdxl", TextEncoder2, All, 193}, // the projection
		{"sdxl", UNet, "none such", 0},
	} {
		got := 0
		for _, m := range builtin(t, c.arch).Modules() {
			if m.Component == c.component && c.targets.Has(m) {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s %s %s: %d modules, want %d", c.arch, c.component, c.targets, got, c.want)
		}
	}
}

// TestPublishedNames looks up names as they stand in published files.
func TestPublishedNames(t *testing.T) {
	for arch, names := range map[string]map[string]string{
		"sd15": {
			"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q":         "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
			"lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj":          "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
			"lora_unet_up_blocks_1_upsamplers_0_conv":                                      "unet.up_blocks.1.upsamplers.0.conv",
			"lora_unet_output_blocks_2_1_conv":                                             "unet.up_blocks.0.upsamplers.0.conv",
			"lora_unet_output_blocks_5_2_conv":                                             "unet.up_blocks.1.upsamplers.0.conv",
			"lora_unet_time_embedding_linear_1":                                            "unet.time_embedding.linear_1",
			"lora_te_text_model_encoder_layers_0_self_attn_q_proj":                         "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
			"unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora": "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
			"mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora":        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
			"text_encoder.text_model.encoder.layers.11.self_attn.to_out_lora":              "text_encoder.text_model.encoder.layers.11.self_attn.out_proj",
			"text_encoder.encoder.layers.11.mlp.fc2":                                       "text_encoder.text_model.encoder.layers.11.mlp.fc2",
		},
		"sdxl": {
			"lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q":      "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
			"lora_unet_input_blocks_8_1_proj_in":                              "unet.down_blocks.2.attentions.1.proj_in",
			"lora_unet_middle_block_1_transformer_blocks_0_attn2_to_v":        "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
			"lora_unet_output_blocks_0_1_transformer_blocks_0_attn1_to_out_0": "unet.up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
			"lora_unet_output_blocks_5_1_transformer_blocks_1_ff_net_2":       "unet.up_blocks.1.attentions.2.transformer_blocks.1.ff.net.2",
			"lora_unet_input_blocks_3_0_op":                                   "unet.down_blocks.0.downsamplers.0.conv",
			"lora_unet_input_blocks_6_0_op":                                   "unet.down_blocks.1.downsamplers.0.conv",
			"lora_unet_output_blocks_2_2_conv":                                "unet.up_blocks.0.upsamplers.0.conv",
			"lora_unet_output_blocks_8_0_skip_connection":                     "unet.up_blocks.2.resnets.2.conv_shortcut",
			"lora_unet_input_blocks_1_0_in_layers_2":                          "unet.down_blocks.0.resnets.0.conv1",
			"lora_unet_middle_block_2_out_layers_3":                           "unet.mid_block.resnets.1.conv2",
			"lora_unet_middle_block_0_emb_layers_1":                           "unet.mid_block.resnets.0.time_emb_proj",
			"lora_unet_time_embed_0":                                          "unet.time_embedding.linear_1",
			"lora_unet_label_emb_0_2":                                         "unet.add_embedding.linear_2",
			"lora_unet_input_blocks_0_0":                                      "unet.conv_in",
			"lora_unet_out_2":                                                 "unet.conv_out",
			"lora_unet_down_blocks_1_attentions_0_proj_in":                    "unet.down_blocks.1.attentions.0.proj_in",
			"lora_te1_text_model_encoder_layers_0_mlp_fc1":                    "text_encoder.text_model.encoder.layers.0.mlp.fc1",
			"lora_te2_text_model_encoder_layers_31_self_attn_out_proj":        "text_encoder_2.text_model.encoder.layers.31.self_attn.out_proj",
			"text_encoder_2.text_model.encoder.layers.31.self_attn.to_q_lora": "text_encoder_2.text_model.encoder.layers.31.self_attn.q_proj",
		},
	} {
		n := builtin(t, arch)
		for spelling, want := range names {
			i, ok := n.find(spelling)
			if !ok {
				t.Errorf("%s: %s is unknown", arch, spelling)
			} else if got := n.modules[i].String(); got != want {
				t.Errorf("%s: %s is %s, want %s", arch, spelling, got, want)
			}
		}
		for _, wrong := range []string{"", "unet", "lora_unet_", "lora_te_text_model_embeddings_token_embedding", "lora_unet_input_blocks_9_1_proj_in",
			"unet.conv_norm_out", "vae.decoder.conv_in"} {
			if i, ok := n.find(wrong); ok {
				t.Errorf("%s: %q is found as %s", arch, wrong, n.modules[i])
			}
		}
	}
}

// TestWrittenNames looks at every module of every shape: sd-scripts' names are
// all different, found again, and of the right publication.
func TestWrittenNames(t *testing.T) {
	all := map[string]*Names{"sd15": builtin(t, "sd15"), "sdxl": builtin(t, "sdxl")}
	for _, name := range []string{"tiny-sd", "tiny-sd2", "tiny-sdxl", "odd-blocks", "odd-time", "odd-cross", "odd-xl", "stats-xl"} {
		all[name] = zoo(t, name)
	}
	for name, n := range all {
		seen := map[string]bool{}
		for i, m := range n.modules {
			kohya := n.kohya[i]
			if seen[kohya] {
				t.Errorf("%s: two modules are written as %s", name, kohya)
			}
			seen[kohya] = true
			for _, spelling := range []string{kohya, m.String()} {
				if at, ok := n.find(spelling); !ok || at != i {
					t.Errorf("%s: %s of %s is not found again", name, spelling, m)
				}
			}
			if now := strings.Contains(kohya, "_blocks_0_resnets_") || strings.Contains(kohya, "mid_block"); n.two && now {
				t.Errorf("%s: %s is written as %s, which sd-scripts do not know", name, m, kohya)
			}
			if !n.two && m.Component == UNet && kohya != "lora_unet_"+strings.ReplaceAll(m.Path, ".", "_") {
				t.Errorf("%s: %s is written as %s", name, m, kohya)
			}
		}
	}
	if n := all["sdxl"]; !slices.Contains(n.kohya, "lora_te1_text_model_encoder_layers_0_self_attn_q_proj") {
		t.Error("sdxl: the first encoder's prefix is not lora_te1_")
	}
}

func TestNamesRefused(t *testing.T) {
	param := func(name string, shape ...int64) weights.Param {
		return weights.Param{Name: name, Shape: tensor.Shape(shape)}
	}
	for want, components := range map[string][]Component{
		`component "vae"`:   {{"vae", nil}},
		"given twice":       {{UNet, []weights.Param{param("a.weight", 2, 3), param("a.weight", 2, 3)}}},
		"would both be":     {{UNet, []weights.Param{param("a.b.weight", 2, 3), param("a_b.weight", 2, 3)}}},
		"unet.huge.weight:": {{UNet, []weights.Param{param("huge.weight", 1<<40, 1<<40)}}},
	} {
		_, err := NewNames(components...)
		wantError(t, err, want)
	}
	n, err := NewNames(Component{UNet, []weights.Param{param("norm.weight", 2), param("a.bias", 2), param("v.weight", 2, 3, 1)}})
	if err != nil || len(n.Modules()) != 0 {
		t.Errorf("modules %v, error %v: want none", n.Modules(), err)
	}
}
