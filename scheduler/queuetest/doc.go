// Package queuetest holds what every [scheduler.Queue] has to do, as tests: a
// store's own tests call [Run] with a function that opens a fresh store, and
// [Crash] with one that other processes can reach as well.
//
// A case is named by what it promises. Cases wait for conditions and never for a
// time alone, so that a slow machine makes them slower and not wrong: where a case
// is about something running out, its limits are some hundred milliseconds, and
// everywhere else they are so long that nothing runs out.
package queuetest
