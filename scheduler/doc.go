// Package scheduler stands between the HTTP side and the engine: a durable queue
// ([Queue]), a store of finished images ([Artifacts]), and below it the two stores
// (localq, embedded; redisq, for many machines), the door to the embedded store for
// other processes (socket), the worker that packs every request onto the device at
// every denoising step (worker, with its policy in pack), and the simulator that
// drives them (sim).
//
// # States
//
// A job is one request for some images; the image is what is leased.
//
//	image:  queued -> in_progress -> completed
//	          ^            |-> queued (crash or engine error: attempt + 1, to the head;
//	          |            |           drain: no attempt, to the head)
//	          |            |-> failed (attempts used up, or an error that no retry mends)
//	          '- Retry ----'
//	        queued, in_progress -> cancelled
//	        queued -> expired (deadline; only a job of which no image was started)
//
// A job is queued until its first start, in_progress until its last image has
// ended, and completed when all images are. One failed image fails the job: its
// other images are dropped, running ones are revoked; what was completed stays.
//
// # Promises
//
//   - What Submit accepted is never lost: it is on disk (or in Redis with its
//     append-only file) before Submit returns.
//   - An image is started at least once and its result is recorded exactly once.
//     Every start has a token, the count of the image's starts; a write with
//     another token than the last is refused as job.Fenced and changes nothing.
//   - An image that runs has a lease that ends Options.LeaseTTL after its worker's
//     last beat; then it goes back to the head and one attempt is counted.
//   - The artifact is written before Finish records its name.
//
// # Order
//
// A lane is a model and the least job.Version that its jobs need; a worker takes
// from the lanes of the models it offers whose version is not above its own, so
// that old workers leave new records alone. In a lane stand three classes (the
// priorities), in a class the tenants, and a tenant's images in the order of their
// acceptance (job by job, image by image).
//
//  1. Images that came back (a crash, an engine error, a drain) go first, in the
//     order of acceptance. One that was started on another engine fingerprint than
//     the asking worker's is left alone for half a LeaseTTL after it came back if a
//     live worker with that fingerprint offers its model.
//  2. Of the classes of all offered lanes, the one with the least of
//     max(acceptance of its oldest image, when it last gave an image) + c * Ageing,
//     where c is -1, 0 or 1 for high, normal and low. So a lower class gives at
//     least one image each Ageing (two for two classes) however much stands above
//     it, and a flood in a higher one is otherwise served first.
//  3. In the class, the tenant that has received the fewest device seconds: each
//     start adds Spec.Seconds (at least a millisecond) to the tenant's account; a
//     tenant that had nothing queued in the class enters with the least account of those
//     that have, or with the account of the one served last. Ties go to the oldest image.
//
// A model that is not loaded (Offer.LoadSeconds above 0) is offered only if no live
// worker has it loaded, or its oldest image has waited longer than LoadSeconds.
package scheduler
