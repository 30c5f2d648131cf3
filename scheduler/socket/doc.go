// Package socket lets other processes of the same user use a [scheduler.Queue]
// that one process holds: child workers and the command line reach the embedded
// store of `cosmicman serve` through a Unix socket in its data folder.
//
// # Protocol
//
// HTTP/1.1 over the socket: POST /v1/METHOD with the arguments as JSON, the answer
// is JSON. Watch and Revocations answer a stream with one JSON value a line. Both
// sides name their [Protocol] in a header; a client of another protocol is refused
// as job.TooNew before its call is read. An error is a [job.Error] and crosses
// whole, except its cause.
//
// # Endings
//
//   - A call ends with its caller's context, and with its caller's process: the
//     connection's end cancels it on the other side.
//   - A lease that is given while its caller gives up is not lost: the caller asks
//     for the end of the call and takes what it answers. What cannot be handed over
//     any more is released, without an attempt.
//   - A watcher leaves when its connection ends. When it is the serving process
//     that ends, nobody has left: the client comes again until the process is back,
//     and tells job.Lost if that one does not know the job.
package socket
