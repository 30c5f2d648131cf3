package lora

import (
	"fmt"
	"regexp"
	"strconv"
)

// inBlock takes a path of diffusers' UNet apart: the side, the block, the list,
// the place in the list, the rest.
var inBlock = regexp.MustCompile(`^(down|up)_blocks\.([0-9]{1,4})\.(resnets|attentions|downsamplers|upsamplers)\.([0-9]{1,4})\.(.+)$`)

// The first publication's names of what stands outside of the blocks, of the
// middle, and of a resnet's layers.
var (
	originalTop = map[string]string{
		"conv_in": "input_blocks.0.0", "conv_out": "out.2",
		"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
		"add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
	}
	inMiddle       = regexp.MustCompile(`^mid_block\.(resnets\.0|attentions\.0|resnets\.1)\.(.+)$`)
	originalMiddle = map[string]int{"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}
	originalResnet = map[string]string{
		"conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
	}
)

// originalPaths maps the paths of diffusers' UNet to those of the UNet that
// Stable Diffusion was published with (CompVis' and Stability's openaimodel.py).
// That one counts all layers of a side through: a block's layers, then its
// down-sampler as a layer of its own. An up-sampler is the last part of its
// block's last layer.
func originalPaths(paths []string) map[string]string {
	type block struct {
		layers              int
		attention, resample bool
	}
	sides := map[string]map[int]*block{"down": {}, "up": {}}
	each := func(visit func(path, side string, b int, list string, i int, rest string)) {
		for _, path := range paths {
			if m := inBlock.FindStringSubmatch(path); m != nil {
				b, _ := strconv.Atoi(m[2])
				i, _ := strconv.Atoi(m[4])
				visit(path, m[1], b, m[3], i, m[5])
			}
		}
	}
	each(func(_, side string, b int, list string, i int, _ string) {
		if sides[side][b] == nil {
			sides[side][b] = &block{}
		}
		switch at := sides[side][b]; list {
		case "resnets":
			at.layers = max(at.layers, i+1)
		case "attentions":
			at.attention = true
		default:
			at.resample = true
		}
	})
	starts := map[string]map[int]int{"down": {}, "up": {}}
	for side, next := range map[string]int{"down": 1, "up": 0} { // conv_in is input block 0
		for b := 0; sides[side][b] != nil; b++ {
			starts[side][b] = next
			next += sides[side][b].layers
			if side == "down" && sides[side][b].resample {
				next++
			}
		}
	}
	out := make(map[string]string, len(paths))
	each(func(path, side string, b int, list string, i int, rest string) {
		start, known := starts[side][b]
		if !known {
			return
		}
		at := sides[side][b]
		name := map[string]string{"down": "input_blocks", "up": "output_blocks"}[side]
		switch {
		case list == "resnets" && originalResnet[rest] != "":
			out[path] = fmt.Sprintf("%s.%d.0.%s", name, start+i, originalResnet[rest])
		case list == "attentions":
			out[path] = fmt.Sprintf("%s.%d.1.%s", name, start+i, rest)
		case list == "downsamplers" && rest == "conv":
			out[path] = fmt.Sprintf("%s.%d.0.op", name, start+at.layers)
		case list == "upsamplers" && at.attention:
			out[path] = fmt.Sprintf("%s.%d.2.%s", name, start+at.layers-1, rest)
		case list == "upsamplers":
			out[path] = fmt.Sprintf("%s.%d.1.%s", name, start+at.layers-1, rest)
		}
	})
	for _, path := range paths {
		if top := originalTop[path]; top != "" {
			out[path] = top
		} else if m := inMiddle.FindStringSubmatch(path); m != nil {
			rest := m[2]
			if in := originalResnet[rest]; in != "" && m[1] != "attentions.0" {
				rest = in
			}
			out[path] = fmt.Sprintf("middle_block.%d.%s", originalMiddle[m[1]], rest)
		}
	}
	return out
}
