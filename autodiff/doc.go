// Package autodiff writes the backward pass of a graph of package onnx as nodes
// of the same graph: reverse-mode differentiation (Griewank and Walther, 2008),
// one rule an operator (rules.go, products.go, norms.go, attention.go, moves.go).
// The operators that rules use have rules in their turn.
//
// [Gradient] is for a loss of one element. [Backward] takes any seeds, and can
// leave what lies inside blocks of a network out of memory and compute it anew
// (recompute.go). A loss on attention probabilities needs them as a value of the
// graph: [Attention] writes an attention in plain operators for that.
package autodiff
