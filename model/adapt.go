package model

import (
	"math"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// Adapt returns g with low-rank changes beside the modules that a function picks, the
// factors being inputs that each row chooses from: what a LoRA serves as. The form
// that is trained has one A and B for all rows.
//
//	adapter_slot int64 [rows]   which of the slots a row takes
//
// and for each picked module, behind its path:
//
//	linear layer:     .lora_A float32 [slots, in, rank]             .lora_B float32 [slots, rank, out]
//	1x1 convolution:  .lora_A float32 [slots, rank, in]             .lora_B float32 [slots, out, rank]
//	any other:        .lora_A float32 [slots, taps, rank, in]       .lora_B float32 [slots, out, rank]
//
// slots and rank are symbols, a zero factor changes nothing, and scales belong into B.
// taps are a kernel's places row by row, so that A is a convolution's weight
// [rank, in, kh, kw] with its last axes in front.
func Adapt(g *onnx.Graph, pick func(Module) bool) (*onnx.Graph, error) {
	a := adapted{picked: map[string]bool{}}
	return onnx.Rewrite(g, func(g *onnx.Graph, n *onnx.Node, inputs []*onnx.Value) *onnx.Value {
		path, ok := ModuleOf(n)
		if !ok {
			return nil
		}
		m := layer{Module: Module{path, n.Inputs[1].Shape}}
		if a.picked[path] || !pick(m.Module) {
			return nil
		}
		a.picked[path] = true
		for _, d := range m.Shape {
			size, _ := d.Const()
			m.sizes = append(m.sizes, size)
		}
		if a.slot == nil {
			a.slot = g.Input(AdapterSlot, tensor.Int64, onnx.Sym("rows"))
		}
		a.Graph = g
		y := g.Apply(n.Op.Name, inputs, n.Attrs...)
		if n.Op.Name == "Gemm" {
			return g.Add(y, a.linear(inputs[0], m))
		}
		return g.Add(y, a.conv(inputs[0], y, m, n))
	})
}

// AdapterSlot is the input of Adapt's graphs that says which slot a row takes.
const AdapterSlot = "adapter_slot"

// layer is a module with its weight's shape as numbers.
type layer struct {
	Module
	sizes []int64
}

// taps is how many places of its input a convolution looks at for one of its output.
func (m layer) taps() int64 { return m.sizes[2] * m.sizes[3] }

type adapted struct {
	*onnx.Graph
	slot   *onnx.Value
	picked map[string]bool
}

// factor declares the slots of a factor and returns each row's.
func (a *adapted) factor(m layer, name string, shape ...onnx.Dim) *onnx.Value {
	slots := a.Input(m.Path+name, tensor.Float32, append([]onnx.Dim{onnx.Sym("slots")}, shape...)...)
	return a.Gather(slots, a.slot)
}

var rank = onnx.Sym("rank")

// linear is the change of what a layer makes of x [rows*tokens, in].
func (a *adapted) linear(x *onnx.Value, m layer) *onnx.Value {
	x = a.Reshape(x, onnx.Of(a.slot, 0), onnx.Rest(), onnx.Num(m.sizes[1]))
	x = a.MatMul(x, a.factor(m, loraA, m.Shape[1], rank))
	x = a.MatMul(x, a.factor(m, loraB, rank, m.Shape[0]))
	return a.Reshape(x, onnx.Rest(), onnx.Num(m.sizes[0]))
}

// conv is the change of y [rows, out, H', W'] for x [rows, in, H, W]. A convolution
// whose weights differ from row to row is not an operator: each tap is a product of
// matrices, and its results are moved to where they belong and added while they have
// as few channels as the rank.
func (a *adapted) conv(x, y *onnx.Value, m layer, n *onnx.Node) *onnx.Value {
	strides := n.Ints("strides")
	var t *onnx.Value // [rows, rank, H'*W']
	if m.taps() == 1 && strides[0] == 1 && strides[1] == 1 {
		t = a.MatMul(a.factor(m, loraA, rank, m.Shape[1]), a.Reshape(x, onnx.Of(x, 0), onnx.Num(m.sizes[1]), onnx.Rest()))
	} else {
		flat := a.Reshape(x, onnx.Of(x, 0), onnx.Num(1), onnx.Num(m.sizes[1]), onnx.Rest())
		t = a.MatMul(a.factor(m, loraA, onnx.N(m.taps()), rank, m.Shape[1]), flat) // [rows, taps, rank, H*W]
		t = a.gather(a.Reshape(t, onnx.Of(t, 0), onnx.Of(t, 1), onnx.Of(t, 2), onnx.Of(x, 2), onnx.Of(x, 3)), m, n)
		t = a.Reshape(t, onnx.Of(t, 0), onnx.Of(t, 2), onnx.Rest())
	}
	t = a.MatMul(a.factor(m, loraB, m.Shape[0], rank), t)
	return a.Reshape(t, onnx.Of(y, 0), onnx.Num(m.sizes[0]), onnx.Of(y, 2), onnx.Of(y, 3))
}

// gather adds the taps of t [rows, taps, rank, H, W] as [rows, 1, rank, H', W'].
func (a *adapted) gather(t *onnx.Value, m layer, n *onnx.Node) *onnx.Value {
	p, strides := n.Ints("pads"), n.Ints("strides")
	t = a.Apply("Pad", []*onnx.Value{t, a.Ints([]int64{0, 0, 0, p[0], p[1], 0, 0, 0, p[2], p[3]}, 10)})
	kh, kw := m.sizes[2], m.sizes[3]
	axes, steps := a.Ints([]int64{1, 3, 4}, 3), a.Ints([]int64{1, strides[0], strides[1]}, 3)
	end := func(i, k int64) int64 { // as many places as the last tap has
		if i == k-1 {
			return math.MaxInt64
		}
		return i - (k - 1)
	}
	var sum *onnx.Value
	for i := range kh {
		for j := range kw {
			tap := i*kw + j
			starts, ends := a.Ints([]int64{tap, i, j}, 3), a.Ints([]int64{tap + 1, end(i, kh), end(j, kw)}, 3)
			part := a.Apply("Slice", []*onnx.Value{t, starts, ends, axes, steps})
			if sum == nil {
				sum = part
			} else {
				sum = a.Add(sum, part)
			}
		}
	}
	return sum
}
