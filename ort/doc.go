// Package ort owns ONNX Runtime: where its library is found, the process-wide
// environment, sessions, tensors and errors with their codes. It is the only
// package that imports the binding or cgo.
//
// # Lifetimes
//
// The library is loaded by the first [Open] and never unloaded. The environment
// is one a process: Runtimes and Sessions share it, and it ends with the last of
// them; a [Runtime] that is closed makes no more sessions, and sessions outlive
// it. The binding loads the library and starts the environment; sessions are made
// and run through ONNX Runtime's own table of functions (capi.h), because the
// binding keeps neither its error codes nor what a model declares, and copies
// every output twice.
//
// A [Session] is made from an encoded model whose weights are external data,
// mapped from their files. Run may be called by several goroutines at once; it
// checks its arguments against what the model declares before any of them reaches
// C, and stops at the next operator when its context ends. During a run Go's
// memory is pinned and shared, not copied.
//
// External data must lie below [SessionConfig.ExternalDir], which may be "/";
// links below it are followed, and offsets need no alignment. A file that is too
// short is an error when the session is made. One that is cut while it is mapped
// kills the process (SIGBUS), as with any mapping: replace files by rename.
//
// # What memory and time depend on
//
// Measured with ONNX Runtime 1.32.0 on a Zen 4 with two cores, fp32. Own memory
// is anonymous (RssAnon); mapped pages belong to the page cache and can be dropped.
//
//   - Convolutions run on the mapped file as it is. Linear layers are packed when a
//     session is made: their size again in own memory, 1 s for 300 MiB. Without
//     packing ([SessionConfig.Lean]) a session is made in 10 ms, owns nothing but
//     activations, and Gemm and FusedMatMul with transB = 1 lose 1 to 7 % of their
//     speed (Gemm of 320 inputs: up to 20 %). A Transpose before MatMul is folded into a copy at load,
//     so that form gains nothing.
//   - [All] lays convolution weights out anew (NCHWc): their size again in own memory and 4 to 8 s
//     instead of 1 s to make the session of 640 MiB, for 3x3 convolutions that are 5 to 14 % faster.
//     [None] and [Basic] save nothing over [Extended].
//   - fp16 weights behind a Cast are folded into fp32 copies at [Basic] and above; at [None]
//     they are cast anew in every run.
//   - The arena makes no measurable difference to speed or memory; off, freed
//     activations go back to the system between runs. Memory patterns cost up to 60 MiB in
//     640 and gain nothing where shapes vary: they are always off.
//     session.use_device_allocator_for_initializers changes nothing. With graphs of
//     gradients it is another matter: see ARCHITECTURE.md.
//   - Where the runtime knows the shape of a result, it keeps the memory for a later one of
//     that shape. Told of all shapes (value_info), a training step took 1.1 to 2 times the
//     memory and as long.
//
// # Rows and threads
//
// Whether a row's result has the same bits alone and among others is decided by
// how layers are cut into pieces for threads and kernels, which depends on the shape, the
// number of threads and the processor. Measured on whole networks: on a Zen 4, 1
// to 4 rows agreed with 1 or 2 threads for Conv, Gemm, MatMul, MultiHeadAttention,
// Softmax and the normalizations, but for a Lean session's linear layer over a single
// row (a matrix-vector kernel), which differs by 1e-6. On a Zen 5, a single row
// of a packed session with 2 threads differs, too, from 2 to 8 rows, which
// agree; and so do 1 and 2 threads of a Lean session, 2 and 3 of a packed one at some
// sizes: all with networks of a few channels. A UNet of Stable Diffusion 1.5's size
// agreed at 1, 2, 3, 4, 5, 6 and 8 rows there, at 128 and 192 pixels, with 1 and with 2
// threads. So nothing here may be taken for granted: package inference compares.
// Packed and Lean, [Extended] and [All] differ from each other by 1e-6.
package ort
