// Package redisq is the queue in Redis, for any number of front ends and workers on
// any number of machines, and a store of artifacts beside it.
//
// Every step is one Lua script (lua/), so that it happens whole or not at all, and
// every script that go-redis may send twice, since an answer was lost, answers the
// second time what it answered the first. Time is that of Redis, so that the clocks
// of the machines do not matter. Scripts that take in something new (submit, put)
// are refused by Redis at their start when its memory is full; those by which work
// goes on and ends (lease, beat, finish, fail, release) run all the same, since they
// are what makes room.
//
// # Keys
//
// All keys begin with the prefix in braces, a hash tag, so that a cluster keeps
// them in one slot. They are few and fixed, so that each script declares all it
// touches. Names in members are escaped: no NUL is in them but those written here as |.
//
//	schema    the schema's version
//	options   what the queue's keeper said of leases, attempts, retention, for those that join
//	count     jobs (not ended), us (estimated device µs not drawn yet), seq, tidied
//	jobs      id -> state of the job and its images, JSON with short names (record.go)
//	specs     id -> job.Spec as accepted, never looked into
//	progress  id|image -> done and all, of images that run
//	idem      tenant|key -> id|digest
//	forget    jobs that ended, by the time at which they are removed
//	fresh     model|needs|class|sequence|image|accepted|tenant|id: queued, by class
//	turn      model|needs|class|tenant|sequence|image|accepted|id: the same, by tenant
//	tenants   model|needs|class|account|sequence|image|tenant: who is served next
//	account   model|needs|class|tenant -> the middle of its member in tenants
//	gave      model|needs|class -> when it last gave an image
//	back      model|needs|sequence|image|accepted|came back|fingerprint|id: at the head
//	leases    id|image|token, by the time at which they end
//	held      worker|request|id|image
//	due       jobs of which nothing was started, by deadline
//	watchers  id|watcher|process
//	watched   the same, by the time at which they are taken for dead
//	workers   id -> scheduler.Worker
//	alive     workers, by the time at which they are taken for dead
//	offers    L|model|worker (loaded) and F|model|fingerprint|worker
//	offered   worker -> its part of offers
//	dead      dead letters, by the time at which they failed
//	waiters   model|process: processes in which a Lease waits
//
// Sorted sets whose members carry their order have all scores 0: a range by name
// finds the first of a class, of a tenant or of a model in logarithmic time, however
// much is queued.
//
// # Hints
//
// Each process listens on one connection to a channel of its own, on which scripts tell it
// that there is work, and the changes of the jobs that it watches, and to one channel of
// revocations. What is told there is a hint. A process that missed some, since its
// connection broke, asks anew when it is back and now and then anyway.
//
// # Failures
//
//   - Redis cannot be reached: job.Unavailable after at most patience; Lease and
//     Watch callers come again, and a Watch that has begun goes on by itself.
//   - Redis was away for longer than leases and watchers may be silent: who lives has
//     half a LeaseTTL to say so, and no attempt is counted. So it is when its clock jumps.
//   - Redis comes back empty: watches end with job.Lost, writes of workers are refused
//     with job.NotFound, new jobs are accepted.
//   - Redis is out of memory: Submit is job.Unavailable with a time to come again, Put
//     job.Overloaded, and nothing was written.
//   - Redis fails over to a replica, which may lack the last moments: what was
//     acknowledged in them is lost, as far as min-replicas-to-write does not prevent it.
//   - An answer is lost: calls are repeated with the same ID. A Lease whose answer
//     was lost or no longer wanted is given back, without an attempt counted.
package redisq
