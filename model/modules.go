package model

import (
	"strings"

	"cosmicman/onnx"
)

// ModuleOf names the linear layer or convolution that a node is, by its module's
// path in the checkpoint: what its weight, a parameter or an input, is called
// without .weight. It is false for every other node, and for low-rank factors.
func ModuleOf(n *onnx.Node) (path string, ok bool) {
	if n.Op.Name != "Gemm" && n.Op.Name != "Conv" || len(n.Inputs) < 2 {
		return "", false
	}
	w := n.Inputs[1]
	if w.Kind != onnx.Param && w.Kind != onnx.Input {
		return "", false
	}
	path, ok = strings.CutSuffix(w.Name, ".weight")
	return path, ok && !strings.HasSuffix(path, loraA) && !strings.HasSuffix(path, loraB)
}

// Modules lists the linear layers and convolutions of a graph in the order in which
// they run.
func Modules(g *onnx.Graph) []Module {
	var out []Module
	for _, n := range g.Nodes {
		if path, ok := ModuleOf(n); ok {
			out = append(out, Module{path, n.Inputs[1].Shape})
		}
	}
	return out
}

// Module is a linear layer or a convolution.
type Module struct {
	Path  string     // canonical, such as mid_block.attentions.0.proj_in
	Shape onnx.Shape // of its weight: [out, in] or [out, in, kh, kw]
}
