// Package inference is the engine: it opens a model's parts on ONNX Runtime,
// turns requests into sequences and sequences into images.
//
// A [Model] owns the sessions. A [Request] is checked once ([Model.Check]); for
// each of its images there is a [Sequence], which holds everything that one
// image's drawing changes: latents, sampler, noise generator. [Model.Step] packs
// the rows of any sequences of one latent shape into one call of the UNet, each
// row with its own timestep and text, and lets every sequence's sampler go on by
// itself. [Model.Decode] turns finished latents into pixels. An image is a
// function of its request and seed, never of its neighbours.
package inference
