package lora

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/tensor"
)

// Modules that the tests' files change, in zero-snr.
const (
	query      = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q" // [64, 64]
	queryKohya = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
	conv       = "unet.mid_block.resnets.0.conv1"      // [64, 64, 3, 3]
	proj       = "unet.mid_block.attentions.0.proj_in" // [64, 64]
)

func TestFaults(t *testing.T) {
	n := zoo(t, "zero-snr")
	down, up := query+".lora_A.weight", query+".lora_B.weight"
	pair := []stored{{name: down, shape: tensor.Shape{4, 64}}, {name: up, shape: tensor.Shape{64, 4}}}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		tensors  []stored
		metadata map[string]string
		words    []string
	}{
		"nothing":         {nil, nil, []string{"no tensors"}},
		"down alone":      {pair[:1], nil, []string{down, "no up (lora_B)"}},
		"up alone":        {pair[1:], nil, []string{up, "no down (lora_A)"}},
		"alpha alone":     {[]stored{{name: query + ".alpha"}}, nil, []string{query + ".alpha", "no down"}},
		"unknown module":  {[]stored{{name: "unet.nowhere.lora_A.weight", shape: tensor.Shape{4, 64}}}, nil, []string{"no module unet.nowhere"}},
		"unknown network": {[]stored{{name: "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha"}}, nil, []string{"no module lora_te2_"}},
		"not LoRA":        {[]stored{{name: query + ".weight", shape: tensor.Shape{64, 64}}}, nil, []string{query + ".weight", "not the name of a LoRA tensor"}},
		"DoRA":            {append([]stored{{name: queryKohya + ".dora_scale", shape: tensor.Shape{64, 1}}}, pair...), nil, []string{".dora_scale", "DoRA"}},
		"LoHa":            {[]stored{{name: queryKohya + ".hada_w1_a", shape: tensor.Shape{64, 4}}}, nil, []string{"hada_w1_a", "LoHa"}},
		"LoKr":            {[]stored{{name: queryKohya + ".lokr_w1", shape: tensor.Shape{64, 4}}}, nil, []string{"lokr_w1", "LoKr"}},
		"peft's own":      {[]stored{{name: "base_model.model.mid_block.attentions.0.proj_in.lora_A.weight", shape: tensor.Shape{4, 64}}}, nil, []string{"adapter_config.json"}},
		"bias":            {append([]stored{{name: query + ".lora_B.bias", shape: tensor.Shape{64}}}, pair...), nil, []string{"lora_B.bias", "bias"}},
		"two spellings": {append([]stored{{name: queryKohya + ".lora_down.weight", shape: tensor.Shape{4, 64}}}, pair...), nil,
			[]string{queryKohya + ".lora_down.weight", down}},
		"down's width": {[]stored{{name: down, shape: tensor.Shape{4, 63}}, pair[1]}, nil, []string{down, "[4, 63]", "[rank, 64]"}},
		"down is flat": {[]stored{{name: down, shape: tensor.Shape{256}}, pair[1]}, nil, []string{down, "[256]"}},
		"up's height":  {[]stored{pair[0], {name: up, shape: tensor.Shape{63, 4}}}, nil, []string{up, "[63, 4]", "[64, 4]"}},
		"ranks differ": {[]stored{pair[0], {name: up, shape: tensor.Shape{64, 3}}}, nil, []string{up, "rank 4", "[64, 4]"}},
		"rank 0":       {[]stored{{name: down, shape: tensor.Shape{0, 64}}, {name: up, shape: tensor.Shape{64, 0}}}, nil, []string{down, "[0, 64]"}},
		"other kernel": {[]stored{{name: conv + ".lora_A.weight", shape: tensor.Shape{4, 64, 1, 1}}, {name: conv + ".lora_B.weight", shape: tensor.Shape{64, 4, 1, 1}}},
			nil, []string{conv, "[4, 64, 1, 1]", "[rank, 64, 3, 3]"}},
		"a kernel for up": {[]stored{{name: conv + ".lora_A.weight", shape: tensor.Shape{4, 64, 3, 3}}, {name: conv + ".lora_B.weight", shape: tensor.Shape{64, 4, 3, 3}}},
			nil, []string{conv + ".lora_B.weight", "[64, 4, 3, 3]"}},
		"NaN alpha":      {append([]stored{{name: query + ".alpha", values: []float32{nan}}}, pair...), nil, []string{query + ".alpha", "NaN"}},
		"endless alpha":  {append([]stored{{name: query + ".alpha", values: []float32{float32(math.Inf(1))}}}, pair...), nil, []string{query + ".alpha", "Inf"}},
		"alpha 0":        {append([]stored{{name: query + ".alpha", values: []float32{0}}}, pair...), nil, []string{query + ".alpha", "alpha is 0"}},
		"alphas":         {append([]stored{{name: query + ".alpha", shape: tensor.Shape{2}}}, pair...), nil, []string{query + ".alpha", "[2]"}},
		"NaN":            {[]stored{pair[0], {name: up, shape: tensor.Shape{64, 4}, values: []float32{1, 2, nan}}}, nil, []string{up, "element 2", "NaN"}},
		"settings":       {pair, map[string]string{settingsKey: "{"}, []string{settingsKey, "JSON"}},
		"alpha is text":  {pair, map[string]string{settingsKey: `{"unet.lora_alpha": "x"}`}, []string{settingsKey, "unet."}},
		"use_dora":       {pair, map[string]string{settingsKey: `{"unet.use_dora": true}`}, []string{"use_dora"}},
		"bad pattern":    {pair, map[string]string{settingsKey: `{"unet.alpha_pattern": {"(": 1}}`}, []string{"alpha_pattern", "regular expression"}},
		"settings say 0": {pair, map[string]string{settingsKey: `{"unet.lora_alpha": 0}`}, []string{settingsKey, query, "alpha is 0"}},
		"another base":   {[]stored{{name: "lora_unet_input_blocks_4_1_proj_in.alpha"}}, map[string]string{"ss_base_model_version": "sdxl_base_v1-0"}, []string{"made for sdxl_base_v1-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, c.metadata, c.tensors...)
			_, err := Read(path, n)
			wantError(t, err, append(c.words, path)...)
		})
	}
}

// TestManyFaults has every fault named once, and the rest counted.
func TestManyFaults(t *testing.T) {
	var tensors []stored
	for i := range 30 {
		tensors = append(tensors, stored{name: "unet.nowhere." + strings.Repeat("x", i) + ".alpha"})
	}
	_, err := Read(writeFile(t, nil, tensors...), zoo(t, "zero-snr"))
	wantError(t, err, "and 10 more faults")
	if n := strings.Count(err.Error(), "no module"); n != maxListed {
		t.Errorf("%d faults are listed, want %d", n, maxListed)
	}
}

func TestNoFile(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "none.safetensors"), zoo(t, "zero-snr"))
	wantError(t, err, "none.safetensors")
	path := filepath.Join(t.TempDir(), "a.safetensors")
	if err := os.WriteFile(path, []byte("PK\x03\x04 a pickle in a zip"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Read(path, zoo(t, "zero-snr"))
	wantError(t, err, path, "zip archive")
}

// TestShapesOfOneMatrix reads a linear layer's factors as those of a 1x1
// convolution, and the reverse.
func TestShapesOfOneMatrix(t *testing.T) {
	n := zoo(t, "zero-snr")
	sd15 := builtin(t, "sd15")
	for _, c := range []struct {
		names    *Names
		module   string
		down, up tensor.Shape
	}{
		{n, proj, tensor.Shape{4, 64, 1, 1}, tensor.Shape{64, 4, 1, 1}},
		{n, query, tensor.Shape{4, 64, 1}, tensor.Shape{64, 4, 1}},
		{n, conv, tensor.Shape{4, 64, 3, 3}, tensor.Shape{64, 4}},
		{sd15, "unet.down_blocks.0.attentions.0.proj_in", tensor.Shape{4, 320}, tensor.Shape{320, 4}},
		{sd15, "unet.down_blocks.0.attentions.0.proj_in", tensor.Shape{4, 320, 1, 1}, tensor.Shape{320, 4, 1, 1}},
	} {
		a, err := Read(writeFile(t, nil, stored{name: c.module + ".lora_A.weight", shape: c.down}, stored{name: c.module + ".lora_B.weight", shape: c.up}), c.names)
		if err != nil {
			t.Errorf("%s %v %v: %v", c.module, c.down, c.up, err)
			continue
		}
		l := a.Layers[0]
		if l.Module.String() != c.module || l.Rank != 4 || int64(len(l.A)) != 4*l.Module.In() || int64(len(l.B)) != 4*l.Module.Out() || l.Scale != 1 {
			t.Errorf("%s: %v of rank %d with %d and %d elements, scale %v", c.module, l.Module, l.Rank, len(l.A), len(l.B), l.Scale)
		}
	}
}
