package lora

import "strings"

// part says what a tensor of a LoRA file is.
type part uint8

const (
	down  part = iota // A
	up                // B
	alpha             // a number
)

var partNames = [...]string{down: "down (lora_A)", up: "up (lora_B)", alpha: "alpha"}

// endings are the spellings of the parts, longer ones before those that they
// end with.
var endings = []struct {
	text string
	part part
}{
	{".lora_linear_layer.down.weight", down}, {".lora_linear_layer.up.weight", up}, // diffusers' linear layers of 0.17
	{".lora_A.default.weight", down}, {".lora_B.default.weight", up}, // peft's state dict with its adapter's name
	{".lora_A.weight", down}, {".lora_B.weight", up}, // peft
	{".lora_down.weight", down}, {".lora_up.weight", up}, // sd-scripts
	{".lora.down.weight", down}, {".lora.up.weight", up}, // diffusers since 0.18
	{"_lora.down.weight", down}, {"_lora.up.weight", up}, // its attention processors
	{".alpha", alpha},
}

// split takes a tensor's key apart into the spelling of its module and the part.
func split(key string) (module string, p part, ok bool) {
	for _, e := range endings {
		if module, ok = strings.CutSuffix(key, e.text); ok {
			if e.text[0] == '_' {
				module += "_lora" // belongs to the spelling: to_q_lora
			}
			return module, e.part, true
		}
	}
	return key, 0, false
}

// others are marks of methods that are no plain LoRA, in the order they are
// looked for.
var others = []struct{ mark, what string }{
	{"dora_scale", "DoRA's magnitudes"},
	{"lora_magnitude_vector", "DoRA's magnitudes"},
	{".hada_", "LyCORIS' LoHa"},
	{".lokr_", "LyCORIS' LoKr"},
	{".oft_", "OFT"},
	{"_oft_", "OFT"},
	{".lora_mid.", "LyCORIS' Tucker decomposition"},
	{".lora_embedding_", "a change of an embedding"},
	{".lora_B.bias", "a bias of a LoRA layer"},
	{".lora_up.bias", "a bias of a LoRA layer"},
	{".diff", "a full difference of a weight"},
	{"bundle_emb.", "a textual inversion"},
	{"base_model.model.", "peft's own file, whose alpha stands in adapter_config.json"},
}

// unsupported names the method that a key belongs to, or returns "".
func unsupported(key string) string {
	for _, o := range others {
		if strings.Contains(key, o.mark) {
			return o.what
		}
	}
	return ""
}
