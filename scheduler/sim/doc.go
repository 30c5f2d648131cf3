// Package sim plays days of traffic on fleets of workers in seconds: a
// discrete-event simulator whose devices take the time that a cost model says, and
// whose faults come by chance from a seed. What decides is real: the queue is the
// embedded store (localq, in memory, on the simulator's clock) and each simulated
// worker asks scheduler/pack for every turn.
//
// A simulated worker differs from worker.Worker in that its calls of the store take
// no time, and in that one hungry worker at a time is told of new work instead of all
// (those that were not told ask again with their next beat). That worker.Worker itself
// loses nothing is tested here in made-up time with goroutines.
//
// [Run] returns a [Report], which says what became of every accepted job: each must
// end exactly once, and each image of a completed job be recorded exactly once.
// [Classic] is the server to compare with: batches of whole requests.
package sim
