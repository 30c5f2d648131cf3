package lora

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// FuzzRead reads whatever bytes as a LoRA file. What is read has parts that fit
// the modules and each other.
func FuzzRead(f *testing.F) {
	// A small model, since the fuzzer minimises large seeds for minutes.
	n, err := NewNames(
		Component{UNet, []weights.Param{{Name: "mid_block.attn1.to_q.weight", Shape: tensor.Shape{2, 3}}, {Name: "conv.weight", Shape: tensor.Shape{1, 1, 3, 3}}}},
		Component{TextEncoder, []weights.Param{{Name: "text_model.a.mlp.fc1.weight", Shape: tensor.Shape{2, 1}}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, metadata := range []map[string]string{nil, {settingsKey: `{"unet.lora_alpha": 2, "unet.alpha_pattern": {"to_q": 3}, "unet.use_rslora": true}`}} {
		for _, alpha := range []float32{1, -0.5} {
			b, err := os.ReadFile(writeFile(f, metadata,
				stored{name: "unet.mid_block.attn1.to_q.lora_A.weight", shape: tensor.Shape{1, 3}},
				stored{name: "mid_block.attn1.processor.to_q_lora.up.weight", shape: tensor.Shape{2, 1}},
				stored{name: "lora_te_text_model_a_mlp_fc1.lora_down.weight", shape: tensor.Shape{2, 1}},
				stored{name: "lora_te_text_model_a_mlp_fc1.lora_up.weight", shape: tensor.Shape{2, 2}},
				stored{name: "lora_te_text_model_a_mlp_fc1.alpha", values: []float32{alpha}}))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a.safetensors")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := Read(path, n)
		if err != nil {
			return
		}
		if err := a.check(n); err != nil {
			t.Fatalf("what was read does not hold: %v", err)
		}
		for _, l := range a.Layers {
			if err := l.AddTo(make([]float32, l.Module.Out()*l.Module.In()), 1); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzSettings reads whatever text as peft's settings.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{
		`{"unet.lora_alpha": 8, "unet.alpha_pattern": {"mid_block.*to_v": 3, "to_(q|k)": 1.5}, "unet.r": 4}`,
		`{"lora_alpha": 1e300, "use_rslora": true}`, `{"text_encoder.lora_alpha": null}`, `{"unet.alpha_pattern": {"(": 1}}`, `[]`, `null`,
	} {
		f.Add(text)
	}
	m := Module{UNet, "mid_block.attentions.0.transformer_blocks.0.attn1.to_q", tensor.Shape{4, 4}}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := readSettings(text)
		if err != nil {
			return
		}
		if v, err := s.scale(m, 4); err == nil && (v == 0 || math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("scale %v", v)
		}
	})
}
