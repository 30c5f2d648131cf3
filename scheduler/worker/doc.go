// Package worker turns leases into images. A [Worker] takes images from a
// scheduler.Source, packs their rows onto one [Engine] step by step as package
// scheduler/pack chooses, stores what was drawn and records it.
//
// # Goroutines
//
// One goroutine, that of Run, owns the device: it alone calls the engine's Open and
// the models' methods. Others lease (one call at a time, waiting in the store), read
// the uploads that images begin from, beat, listen for revocations, tell progress, and finish: encode the image file, put it
// into the artifact store, record the result. They meet in the book of held leases,
// under one mutex that is never held across a call out.
//
// # Two contexts
//
// When fetch ends the worker leases nothing more, gives back what it has not begun,
// and finishes what runs. When work ends it stops after the present step, gives
// everything back, waits a little for images that are being recorded, and returns.
// Neither counts as an attempt.
//
// # Previews
//
// A decoded preview is a turn of the device, which package pack fits in; a sketch is taken
// along with a step, seldom. Both are encoded and told off the device's goroutine. An
// image's end is recorded after its decoded previews were told, at most two seconds later.
// A preview that cannot be made or told is missing, and that is all.
//
// # When things fail
//
//   - A store that cannot be reached stops nothing that runs. Results, failures and
//     returns are tried again, with growing pauses, until the store takes them or
//     says that they come too late, even after the lease must have ended: whether a
//     result still counts is the store's to say, by the token. Finished images that
//     pile up stop first the decodes, then the leasing.
//   - An image that cannot be stored (a full disk) is kept and tried again for
//     Config.StoreFor, in which nothing new is leased. Then its start has failed, as
//     an attempt, so that another worker tries and a disk that stays full ends in an
//     error for the client instead of drawing for ever.
//   - An upload that cannot be read is tried as long; one that has expired fails its
//     images for good, since the client has to send it again.
//   - A sequence's own error (NaN, a prompt that cannot be encoded) fails its image alone.
//   - A call that fails as a whole has moved nothing, so each of its sequences is
//     then stepped by itself until it has succeeded once: the one to blame fails alone.
//     After a panic nobody knows what was moved; all its sequences fail.
//   - Device memory: the row limit of the group is halved, for good, and the call
//     chosen again; one sequence that does not fit by itself fails as
//     job.OutOfMemory. A library may not be the same afterwards, so with
//     Config.RestartAfterOOM the worker then leases nothing more, finishes what runs
//     and returns ErrRestart. A later error of a call then ends the run at once and
//     gives the rest back.
//   - A model that cannot be loaded is not offered for a pause that doubles with
//     each failure, from 5 seconds to 5 minutes; other models are served on. The
//     first time its images go back without an attempt, since another worker may
//     have the model; when loading fails again they go back as failed attempts, so
//     that a model that can be loaded nowhere ends in an error.
//   - A device that does not answer for Config.StallAfter hangs: nothing is leased and
//     no beat is sent until it does, so that its images are drawn elsewhere.
//   - A lease that the store says is gone (cancelled, fenced) is dropped at the end
//     of the present step; its rows are free in the next.
package worker
