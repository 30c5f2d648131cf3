// Package train teaches the networks of package model: it makes losses and their
// gradients as graphs, and changes weights by them.
//
// [HOLA] is the loss that draws the attention of a group of words to the part of
// the person that they describe (Li et al., "CosmicMan", 2024): which layers it
// looks at (layers.go), the graph (hola.go), and what a batch's captions and
// parsing maps ask of it (targets.go, mask.go). [AdamW] and [EMA] are the arithmetic
// of a step (adamw.go, ema.go).
//
// A [Program] is a network with its losses and gradients, ready to run (program.go).
// [UNetLearner] is the program of a UNet, of which the weights (full.go) or low-rank
// terms beside them (lora.go) are trained on batches of noisy latents (batch.go,
// noise.go).
//
// A [Task] is what a run teaches, and package loop repeats it; [Chance] is where all
// random choices of a run come from.
package train
