package autodiff

import (
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// recomputation computes what lies inside blocks of the forward pass once more
// where the backward pass needs it, so that it need not be kept in between
// (Chen et al., 2016). What a block hands to others is kept.
//
// The second computation reads the block's inputs plus 0 times an element of each
// gradient that the blocks after it have given. This forces the order, and the
// runtime cannot take both computations for one and the same. Without it the
// runtime would compute the weights' gradients, which nobody reads, at the very
// end, and keep all that they are made from.
type recomputation struct {
	g      *onnx.Graph
	plan   Plan
	block  map[*onnx.Node]int // 0: none
	nodes  map[int][]*onnx.Node
	kept   map[*onnx.Value]bool
	copies map[int]map[*onnx.Value]*onnx.Value // by block, what stands for a value
	given  []*onnx.Value                       // gradients that left blocks since the last one was entered
}

func newRecomputation(g *onnx.Graph, forward []*onnx.Node, plan Plan) *recomputation {
	r := &recomputation{
		g: g, plan: plan, block: map[*onnx.Node]int{}, nodes: map[int][]*onnx.Node{},
		kept: map[*onnx.Value]bool{}, copies: map[int]map[*onnx.Value]*onnx.Value{},
	}
	if plan.Block == nil {
		return r
	}
	r.assign(forward, plan.Block)
	for _, n := range forward {
		r.nodes[r.block[n]] = append(r.nodes[r.block[n]], n)
		for _, v := range n.Inputs {
			if v != nil && (v.Kind != onnx.Output || r.block[v.Node] != r.block[n]) {
				r.kept[v] = true
			}
		}
	}
	for _, o := range g.Outputs {
		r.kept[o.Value] = true
	}
	for _, s := range plan.Seeds {
		r.kept[s.Value], r.kept[s.Gradient] = true, true
	}
	return r
}

// moves are operators whose result is no smaller than what they read.
var moves = []string{"Concat", "Expand", "Reshape", "Resize", "Shape", "Slice", "Transpose"}

// assign gives every node its block: that of the weights it reads, or of the last
// weight before it. A move whose result only one later block reads goes there, so
// that what it reads is kept in its place.
func (r *recomputation) assign(forward []*onnx.Node, blockOf func(weight string) string) {
	last, number := "", 0
	weighs := map[*onnx.Node]bool{}
	for _, n := range forward {
		for _, v := range n.Inputs {
			if v == nil || v.Kind != onnx.Param && v.Kind != onnx.Input {
				continue
			}
			name := blockOf(v.Name)
			if v.Kind == onnx.Input && name == "" {
				continue // no weight
			}
			weighs[n] = true
			if name != last {
				last = name
				number++
			}
		}
		if last != "" {
			r.block[n] = number
		}
	}
	readers := map[*onnx.Value][]*onnx.Node{}
	for _, n := range slices.Backward(forward) {
		if to := readers[n.Output]; !weighs[n] && len(to) > 0 && slices.Contains(moves, n.Op.Name) {
			first := r.block[to[0]]
			if !slices.ContainsFunc(to, func(m *onnx.Node) bool { return r.block[m] != first }) {
				r.block[n] = first
			}
		}
		for _, v := range n.Inputs {
			if v != nil {
				readers[v] = append(readers[v], n)
			}
		}
	}
}

// view returns n with inputs and an output that the backward pass can read. dy is
// the gradient that it has reached.
func (r *recomputation) view(n *onnx.Node, dy *onnx.Value) *onnx.Node {
	block := r.block[n]
	if block == 0 {
		return n
	}
	now := r.copies[block]
	if now == nil {
		now = r.again(block, dy)
		r.copies[block] = now
	}
	seen := *n
	seen.Inputs = make([]*onnx.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		seen.Inputs[i] = now[v]
	}
	if !r.kept[n.Output] {
		seen.Output = now[n.Output]
	}
	return &seen
}

// leaves notes the gradient that a node gives a value outside of its block.
func (r *recomputation) leaves(n *onnx.Node, v, part *onnx.Value) {
	if r.plan.Block != nil && (v.Kind != onnx.Output || r.block[v.Node] != r.block[n]) {
		r.given = append(r.given, part)
	}
}

// again writes a block's nodes once more. What nobody will read is dropped later.
func (r *recomputation) again(block int, dy *onnx.Value) map[*onnx.Value]*onnx.Value {
	g := r.g
	var elements []*onnx.Value
	for _, v := range append(r.given, dy) {
		elements = append(elements, convert(g, g.Slice(g.Reshape(v, onnx.Rest()), 0, 0, 1), tensor.Float32))
	}
	r.given = nil
	nothing := g.Mul(g.Sum(g.Concat(0, elements...), true, 0), g.Scalar(0))
	now := map[*onnx.Value]*onnx.Value{nil: nil}
	after := func(v *onnx.Value) *onnx.Value {
		weight := v.Kind == onnx.Param || v.Kind == onnx.Input && r.plan.Block(v.Name) != ""
		if weight || v.Kind == onnx.Const || !v.DType.IsFloat() || len(v.Shape) == 0 {
			return v
		}
		return g.Add(v, convert(g, nothing, v.DType))
	}
	for _, n := range r.nodes[block] {
		inputs := make([]*onnx.Value, len(n.Inputs))
		for i, v := range n.Inputs {
			if _, ok := now[v]; !ok {
				now[v] = after(v)
			}
			inputs[i] = now[v]
		}
		if !r.kept[n.Output] {
			now[n.Output] = g.Apply(n.Op.Name, inputs, n.Attrs...)
		}
	}
	return now
}
