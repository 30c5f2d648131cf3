// Package inference is the engine: it opens a model's parts on ONNX Runtime,
// turns requests into sequences and sequences into images.
//
// A [Model] owns the sessions. [Model.Begin] starts images: each [Request] is checked
// by itself ([Model.Check]), texts that are not in the model's cache are encoded
// together, and every image gets a [Sequence], which holds everything that drawing
// it changes: latents, sampler, noise generator. [Model.Advance] packs the rows of any
// sequences of one latent shape into one call of the UNet, each row with its own
// timestep and text, and lets every sequence's sampler go on by itself.
// [Model.Decode] turns finished latents into pixels.
//
// # Same request, same image
//
// An image is a function of its request, its seed and the engine ([Fingerprint]),
// never of its neighbours. Its definition is the image drawn alone, in calls of two
// rows: with guidance its own, without its only row twice. Whether a row among
// others has the same bits depends on how the library cuts layers into pieces, so it is
// not believed but compared: every row count's first use at a shape is run both ways,
// and a count that differs in one bit of any row or padding is never used there; its
// sequences are run in smaller calls. What was found out outlives the process in
// [Proofs]. Text encoders go the same way; the VAE decodes one image a call.
//
// # LoRAs
//
// A request with LoRAs is drawn with forms of the networks in which picked modules have
// low-rank changes beside them, whose factors are inputs that each row chooses from
// (model.Adapt). Which form, a class of modules, and which rank factors are filled up to
// follow from the request alone; both are its [Sequence.Variant], and sequences of
// different variants share no call. A network that no LoRA of the request changes is run
// as it is. So requests with different LoRAs share calls, and each keeps its bits. Every
// class that is in use costs a session, with packed copies of its own beside the mapped
// weights; two a network are kept.
//
// # Failures
//
// A call that fails, for want of memory ([ErrOutOfMemory]) or because its context has
// ended, has moved no sequence and can be made again. A sequence whose numbers are not
// finite ends alone.
package inference
