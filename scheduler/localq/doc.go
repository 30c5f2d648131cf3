// Package localq is the embedded durable queue: one process holds it, no other
// program is needed, and what it acknowledged survives a crash of the machine.
//
// # State and journal
//
// The whole state is in memory, in maps and in the structures that hold the order.
// Every change is decided there under one mutex, and the records it changed are
// appended to a Pebble store in the same order before the mutex is given up. The
// call then waits, outside the mutex, until that part of the write-ahead log is on
// disk, so that all calls that wait at the same time share one sync: an idle
// store syncs at once, a busy one in groups. A change becomes visible to those who
// watch or ask for the job only when it is on disk. What a lease reads may still be on
// its way there, but its own record follows in the same log, so that no start is
// known to a worker before all it rests on is durable.
//
// Pebble is pure Go and well kept, and a commit costs one sync of its log, with
// group commit built in: 163 µs a commit with one caller and 21 µs with 64, where a bare
// write and fsync took 132 µs on the same disk. bbolt needs two syncs a commit and
// one writer at a time; SQLite in Go is a larger thing for three kinds of records.
//
// A write that fails (a full disk) leaves unknown how much of it is on disk. From then
// on the store changes nothing there, so that the folder is as after a crash, refuses
// every call with job.Unavailable and tells its watchers. Opening it anew, once
// there is room, reads what the disk has: all that was ever acknowledged, and perhaps
// changes that were not.
//
// # Records
//
// Everything is JSON, so that it can be read and mended by hand:
//
//	schema         the schema's version
//	s/<id>         the job as accepted, written once
//	j/<id>         the job's state
//	i/<id>/<image> the image's state, from its first start on
//	w/<id>         somebody watched a job that ends with its last watcher
//
// A store of a newer schema is refused with job.TooNew. Fields of a record that
// this program does not know, from a newer one of the same schema, are kept when it
// is written again. A job whose Needs is above job.Version and which cannot be read is
// kept as it is, for the program that wrote it, and given to nobody.
//
// Not on disk, because nothing is lost with them: workers and their beats, progress,
// the tenants' accounts. After a restart a lease runs for one more LeaseTTL, or,
// if its worker lived in the process that held the store, counts as a crash at once.
//
// # Choosing
//
// A lane holds three classes, a class its tenants in a heap by account, a tenant its jobs
// in a heap by acceptance; each class also has its jobs in a tree that counts images,
// for the oldest one and for positions. Images that came back stand in heaps by the
// fingerprint they were started on. So choosing looks at the lanes offered, and
// costs the logarithm of what waits in them: by BenchmarkChoose 1.4 µs to choose, give and
// replace an image among 100, 3.2 µs among 10,000 and 7.6 µs among a million.
package localq
