// Package checkpoint writes the state of a run so that it is whole or not there, and
// finds it again.
//
// A run's folder holds
//
//	step-00001234/manifest.json         which files there are, their sizes and SHA-256
//	step-00001234/state.json            the caller's
//	step-00001234/NAME.safetensors      the caller's tensors, float32
//	set-aside-step-00001300/            a checkpoint that the run does not go on from
//	.step-...                           one that is being written or removed
//	.lock                               held (flock) by the process that runs
//
// A checkpoint is written aside, every file and folder synced, the manifest last, and
// then renamed: whenever the process or the machine stops, what has the name of a
// checkpoint is one. What becomes of it later, by a disk that loses bytes or by a
// hand, is found by the hashes when it is opened.
package checkpoint
