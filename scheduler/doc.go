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
//
// # What the simulations say
//
// By package sim, which drives the embedded store and the packer in made-up time:
//
//	go test -tags long -v ./scheduler/sim
//
// A day of 1,000 workers, of which each crashes, is stopped and is cut off every two
// hours and is told to drain every four, one in fifty being 5 times slower, with memory for
// one model of two (TestADayOfAThousandWorkersLosesNothing): 489,604 jobs of 1,558,066
// images accepted, 11,956 crashes, 65,190 images started again, 9,717 late writes refused,
// nothing lost and nothing recorded twice.
//
// An hour of 12 GPU-like workers (a UNet call's fixed part is worth 16 rows) that are
// offered 60 % of what full calls of one size would draw (TestWhatSettingsChange). Times
// are seconds from acceptance to the first start, and to completion:
//
//	                                   busy rows/call  wait p95  all p50  p95   refused  loads
//	as it is                            92%      17.3         7       55   183     0 %     12
//	half as many leased ahead           95%      14.8       190       43   315     0 %     12
//	2 times as many                     91%      17.2         2       65   272     1 %     12
//	4 times as many                     89%      18.6         0       52   308     0 %      4
//	at most 8 rows a call               98%       5.6      1440       40  1604    21 %     12
//	at most 16                          95%       9.4       866       44  1020     8 %     12
//	at most 32                          95%      14.3       222       53   368     0 %     12
//	a crash each 4 h a worker           92%      17.4         8       57   194     0 %     14
//	a crash each hour                   92%      18.0        29       63   235     0 %     38
//	a crash each 15 min                 92%      19.7        48       71   336     1 %    111
//	one worker in ten 5 times slower    94%      19.5        54       67   322     1 %     12
//	two models, memory for one          94%       6.3      1852       38  2322    50 %   3068
//	  loads only after 10 times as long 94%       6.5      1813       40  2147    46 %   3184
//	  a busy one changes models seldom  92%      19.6        86       53   190     0 %    200
//
// What follows:
//
//   - A busy device is not a full one: calls grow with what waits. Busy share says
//     little about what more can be taken; rows a call against the limit do.
//   - Holding a batch and a quarter is about right: with half of it calls are short of
//     rows and the fleet loses its reserve; with more, images wait on workers that are
//     no faster, out of the queue's order, and p95 grows by half.
//   - Rows a call are what capacity is made of where the fixed part is large: a limit of
//     16 rows costs a third of what 64 can draw.
//   - Crashes cost what they interrupt: one an hour a worker adds a quarter to p95.
//   - Where models do not fit together and the site is busy, a model that is not loaded
//     is soon one whose oldest image has waited for longer than loading takes, on every
//     worker: they load in turns, and draw little between. Asking for longer waits does not
//     help, since all waits grow. A worker that has other work and offers to load only
//     once ten times the duration of a load has passed since its last one does: loading
//     then takes at most a tenth of its time. Package worker does so (in the table it is
//     the last line; the lines above are without, see sim.Config.LoadPause).
//   - Ageing is one image a minute for a whole class, however many workers there are: in
//     a day's overload a large fleet starves its low class for hours.
//
// One device that is never idle, 10 to 50 steps, guidance in 7 of 10 (cosmicman bench
// scheduler): with GPU-like costs packing by steps draws 1.35 times the images a second of
// batches of whole requests where calls have at most 16 rows, 1.14 times at 64, with p95
// at 0.77 and 0.80 of theirs. Against batches that count rows and look for requests of
// equal steps it is 1.21 and 1.09 times. More cannot be had: packed calls are full. A batch
// from which n rows finish between 10 and 50 steps costs 1 + 2/3 * 16/(16 + n) times as
// much as full calls. With CPU-like costs, linear in rows, throughput is the same and
// p95 lower.
package scheduler
