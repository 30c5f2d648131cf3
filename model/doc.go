// Package model writes each network once, as an ONNX graph: the UNet of Stable
// Diffusion 1.5, 2 and SDXL (diffusers' UNet2DConditionModel), CLIP's text
// encoders and the AutoencoderKL. A graph names its weights by their keys in
// the published checkpoints and says nothing about where they are or on which
// device it will run; inference and training use the same graphs.
//
// Configs are the config.json files of diffusers and transformers. A key that
// changes the result and is not supported is refused by name; keys that those
// libraries themselves ignore (EMA settings, versions) are ignored.
package model
