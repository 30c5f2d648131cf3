package model

import "regexp"

var block = regexp.MustCompile(`^.*\b(?:resnets|attentions|transformer_blocks|layers|downsamplers|upsamplers)\.\d+\b`)

// Block names the block of a network that a weight belongs to by its canonical
// checkpoint key: one resnet, one transformer block, one layer of a text encoder,
// what stands around the transformer blocks. It is "" for weights outside of all.
func Block(weight string) string { return block.FindString(weight) }
