// Package onnx is the intermediate representation in which every network of
// this program is written: a typed subset of ONNX itself, with ONNX's operator
// names, NCHW layout and broadcasting.
//
// A [Graph] is built through its methods (graph.go, build.go). A [Value] is an
// input, a parameter, a constant or the output of a [Node]. Shapes are symbolic
// ([Dim]): rows, height and width stay names, and what follows from them
// (half of the height, rows times tokens) is an expression of those names, so
// that shapes are checked while a network is written, not when it first runs.
//
// What an operator is stands in one row of the table in ops.go: domain,
// version, arity, attributes and the rule that gives its outputs' types
// (infer.go). Package onnxtest evaluates every row in float64.
//
// [Verify] checks a graph from scratch, [Print] writes it for people,
// [Encode] as ONNX protobuf whose parameters point into safetensors files, and
// [Rewrite] maps one graph to another, which is how a device's dialect is made
// (dialect_cpu.go).
package onnx
