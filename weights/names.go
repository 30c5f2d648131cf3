package weights

import (
	"regexp"
	"strings"
)

// Kind says which network a component folder holds, and so how its tensors may
// be spelled.
//
// VAE: the mid-block attention's query, key, value and proj_attn of old files
// are to_q, to_k, to_v and to_out.0 today. TextEncoder: CLIPTextModel is
// written with or without text_model. before every key, depending on the
// version of transformers; with it is canonical. The UNet's keys never changed.
type Kind uint8

// The kinds of networks in a pipeline.
const (
	UNet Kind = iota
	VAE
	TextEncoder
)

var kinds = [...]struct {
	name  string
	stems [2]string // of weight files, the usual one first
}{
	UNet:        {"UNet", [2]string{"diffusion_pytorch_model", "model"}},
	VAE:         {"VAE", [2]string{"diffusion_pytorch_model", "model"}},
	TextEncoder: {"text encoder", [2]string{"model", "diffusion_pytorch_model"}},
}

// String returns the kind's name in prose.
func (k Kind) String() string { return kinds[k].name }

var oldAttention = regexp.MustCompile(`^(.*\.attentions\.[0-9]+\.)(query|key|value|proj_attn)(\.weight|\.bias)$`)

var newAttention = map[string]string{"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

// canonical returns today's spelling of a key.
func (k Kind) canonical(key string) string {
	switch k {
	case VAE:
		if m := oldAttention.FindStringSubmatch(key); m != nil {
			return m[1] + newAttention[m[2]] + m[3]
		}
	case TextEncoder:
		for _, p := range []string{"embeddings.", "encoder.", "final_layer_norm."} {
			if strings.HasPrefix(key, p) {
				return "text_model." + key
			}
		}
	}
	return key
}

// dropped reports whether a canonical name is of a tensor that files carry and
// no network needs: CLIP's position_ids are a count from 0, and a file of
// CLIP's both halves has an image encoder and the loss's logit_scale.
func (k Kind) dropped(name string) bool {
	if k != TextEncoder {
		return false
	}
	return name == "text_model.embeddings.position_ids" || name == "logit_scale" ||
		name == "visual_projection.weight" || strings.HasPrefix(name, "vision_model.")
}

// optional reports whether a tensor may be in the file though its network does
// not use it: files of SD's text encoder may carry the projection.
func (k Kind) optional(name string) bool {
	return k == TextEncoder && name == "text_projection.weight"
}
