// Package lora reads and writes LoRA files (Hu et al., 2021): low-rank changes
// of a pipeline's linear layers and convolutions, as safetensors.
//
// A module's weight W [out, in] becomes W + scale * B A, with A [rank, in], B
// [out, rank] and scale = alpha / rank. A convolution's weight [out, in, kh, kw]
// is a matrix [out, in*kh*kw].
//
// There are two families of names. kohya's sd-scripts flatten a module's path
// with underscores behind lora_unet_, lora_te_, lora_te1_ or lora_te2_; their
// UNet of SDXL has the names of its first publication (input_blocks.4.1 and so
// on). diffusers and peft keep the path behind unet., text_encoder. or
// text_encoder_2., with several spellings of the two factors over the years. A
// flattened name cannot be taken apart again, so Names makes every spelling of
// every module that the model has, and looks them up.
package lora
