package model

import (
	"fmt"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// The ends of the low-rank factors' names, behind their module's path.
const (
	loraA = ".lora_A"
	loraB = ".lora_B"
)

// LoRA is a module's low-rank term (Hu et al., 2021): scale * B A beside the weight.
type LoRA struct {
	Module
	A *onnx.Value // [rank, in] or [rank, in, kh, kw]: an input called PATH.lora_A.weight
	B *onnx.Value // [out, rank] or [out, rank, 1, 1]: an input called PATH.lora_B.weight
}

// Rank is how a module's low-rank term is to be: its rank and the factor of its
// product. A rank of 0 is none.
type Rank struct {
	Rank  int64
	Scale float64 // alpha / rank
}

// AddLoRA returns g with low-rank terms beside the linear layers and convolutions
// that a function gives a rank, and these in the order in which they run. The factors
// are inputs, one of each for all rows: the form in which they are trained. A module's
// result is y + up(scale * down(x)), where down is the module's own kind of layer, with
// its kernel, stride and padding, and up a linear layer or a convolution of 1x1.
func AddLoRA(g *onnx.Graph, pick func(m Module) Rank) (*onnx.Graph, []LoRA, error) {
	var terms []LoRA
	var fault error
	out, err := onnx.Rewrite(g, func(g *onnx.Graph, n *onnx.Node, in []*onnx.Value) *onnx.Value {
		path, ok := ModuleOf(n)
		if !ok {
			return nil
		}
		m := Module{path, in[1].Shape}
		r := pick(m)
		if r.Rank == 0 {
			return nil
		}
		if r.Rank < 0 {
			fault = fmt.Errorf("lora: %s: rank %d, expected 1 or more", path, r.Rank)
			return nil
		}
		t := LoRA{Module: m}
		down, up := append(onnx.Shape{onnx.N(r.Rank)}, m.Shape[1:]...), onnx.Shape{m.Shape[0], onnx.N(r.Rank)}
		if n.Op.Name == "Conv" {
			up = append(up, onnx.N(1), onnx.N(1))
		}
		t.A = g.Input(path+loraA+".weight", tensor.Float32, down...)
		t.B = g.Input(path+loraB+".weight", tensor.Float32, up...)
		terms = append(terms, t)
		scale := g.Scalar(float32(r.Scale))
		y := g.Apply(n.Op.Name, in, n.Attrs...)
		if n.Op.Name == "Conv" {
			return g.Add(y, g.Conv2D(g.Mul(g.Apply("Conv", []*onnx.Value{in[0], t.A}, n.Attrs...), scale), t.B, nil, 1, [4]int64{}))
		}
		return g.Add(y, g.Linear(g.Mul(g.Linear(in[0], t.A, nil), scale), t.B, nil))
	})
	if err == nil {
		err = fault
	}
	if err != nil {
		return nil, nil, err
	}
	return out, terms, nil
}
