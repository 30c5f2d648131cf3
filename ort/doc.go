// Package ort owns ONNX Runtime: where its library is found, the process-wide
// environment, sessions, tensors and errors. It is the only package that
// imports the binding, and with it cgo.
//
// The library is opened once for all ([Open]) and stays until its last user has
// closed it. A [Session] is made from an encoded model whose weights are
// external data, mapped from their files; Run may be called by several
// goroutines at once and stops early when its context ends.
package ort
