package lora

import (
	"slices"
	"strings"
)

// Targets names a set of modules that are trained together.
type Targets string

// The usual sets. Attention is the default of diffusers' training scripts (128
// modules of SD 1.5's UNet, 560 of SDXL's; text encoders have 4 a layer).
// Transformer is sd-scripts' networks.lora: every linear layer and 1x1
// convolution of the UNet's transformers and the text encoders' layers (192 and
// 72 in SD 1.5; 722, 72 and 192 in SDXL). All is every module.
const (
	Attention   Targets = "attention"
	Transformer Targets = "transformer"
	All         Targets = "all"
)

// Has reports whether the module is one of the set.
func (t Targets) Has(m Module) bool {
	switch t {
	case All:
		return true
	case Transformer:
		if m.Component == UNet {
			return strings.Contains(m.Path, ".attentions.") && m.pointwise()
		}
		return strings.Contains(m.Path, ".self_attn.") || strings.Contains(m.Path, ".mlp.")
	case Attention:
		return slices.ContainsFunc([]string{".to_q", ".to_k", ".to_v", ".to_out.0", ".q_proj", ".k_proj", ".v_proj", ".out_proj"},
			func(end string) bool { return strings.HasSuffix(m.Path, end) })
	}
	return false
}
