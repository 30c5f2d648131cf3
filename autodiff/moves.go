package autodiff

import (
	"fmt"
	"math"
	"slices"

	"cosmicman/onnx"
)

func reshapeRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return []*onnx.Value{b.shaped(dy, n.Inputs[0]), nil}
}

func transposeRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	perm := n.Ints("perm")
	back := make([]int64, len(perm))
	for i, p := range perm {
		back[p] = int64(i)
	}
	return only(b.Transpose(dy, back...))
}

// concatRule cuts each input's part out of the whole. Bounds that are not numbers
// are added up when it runs.
func concatRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	axis := n.Int("axis", 0)
	out := make([]*onnx.Value, len(n.Inputs))
	start := b.Ints([]int64{0}, 1)
	for i, v := range n.Inputs {
		end := b.plus(start, b.size(v, axis))
		if b.wants(i) {
			out[i] = b.Apply("Slice", []*onnx.Value{dy, start, end, b.Ints([]int64{axis}, 1)})
		}
		start = end
	}
	return out
}

// size is the extent of an axis as an int64 value of shape [1].
func (b *pass) size(v *onnx.Value, axis int64) *onnx.Value {
	if n, ok := v.Shape[axis].Const(); ok {
		return b.Ints([]int64{n}, 1)
	}
	return b.ShapeOf(v, axis, axis+1)
}

// plus and minus compute with sizes, at once where both are numbers.
func (b *pass) plus(x, y *onnx.Value) *onnx.Value {
	if m, n := number(x), number(y); m != nil && n != nil {
		return b.Ints([]int64{m[0] + n[0]}, 1)
	}
	return b.Add(x, y)
}

func (b *pass) minus(x, y *onnx.Value) *onnx.Value {
	if m, n := number(x), number(y); m != nil && n != nil {
		return b.Ints([]int64{m[0] - n[0]}, 1)
	}
	return b.Sub(x, y)
}

func number(v *onnx.Value) []int64 {
	n, _ := v.Data.([]int64)
	return n
}

// element is number i of a list of integers, as a value of shape [1].
func (b *pass) element(list *onnx.Value, i int) *onnx.Value {
	if n := number(list); n != nil {
		return b.Ints(n[i:i+1], 1)
	}
	return b.Slice(list, 0, int64(i), int64(i)+1)
}

// list makes one list of values of shape [1].
func (b *pass) list(parts []*onnx.Value) *onnx.Value {
	var numbers []int64
	for _, p := range parts {
		numbers = append(numbers, number(p)...)
	}
	if len(numbers) == len(parts) {
		return b.Ints(numbers, int64(len(numbers)))
	}
	return b.Concat(0, parts...)
}

// sliceRule puts zeros around what was taken, and between its elements where
// there was a step.
func sliceRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x := n.Inputs[0]
	if len(n.Inputs) > 4 && n.Inputs[4] != nil && slices.Contains(number(n.Inputs[4]), -1) {
		return turnedRule(b, n, dy)
	}
	zero := b.Ints([]int64{0}, 1)
	head, tail := slices.Repeat([]*onnx.Value{zero}, len(x.Shape)), slices.Repeat([]*onnx.Value{zero}, len(x.Shape))
	var steps []int64
	if len(n.Inputs) > 4 && n.Inputs[4] != nil {
		steps = number(n.Inputs[4])
	}
	for i, a := range number(n.Inputs[3]) {
		end := b.element(n.Inputs[2], i)
		if e := number(end); e != nil && e[0] == math.MaxInt64 {
			end = b.size(x, a)
		} else if e != nil && e[0] < 0 {
			end = b.plus(b.size(x, a), end)
		}
		head[a], tail[a] = b.element(n.Inputs[1], i), b.minus(b.size(x, a), end)
		if steps != nil && steps[i] > 1 {
			dy = b.spread(dy, a, steps[i], b.minus(end, head[a]))
		}
	}
	dx := b.Apply("Pad", []*onnx.Value{dy, b.list(append(head, tail...))})
	return append(only(dx), make([]*onnx.Value, len(n.Inputs)-1)...)
}

// turnedRule is that of a Slice which turns axes round, and does nothing else: dy is
// turned likewise.
func turnedRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	for i, step := range number(n.Inputs[4]) {
		if step != -1 {
			b.err = fmt.Errorf("axis %d is taken in steps of %d beside one that is turned round", number(n.Inputs[3])[i], step)
			return nil
		}
	}
	dx := b.Apply("Slice", append([]*onnx.Value{dy}, n.Inputs[1:]...))
	return append(only(dx), make([]*onnx.Value, len(n.Inputs)-1)...)
}

// spread puts step - 1 zeros behind each element of an axis and cuts it to a length.
func (b *pass) spread(v *onnx.Value, axis, step int64, length *onnx.Value) *onnx.Value {
	split := make([]onnx.Extent, 0, len(v.Shape)+1)
	for i := range v.Shape {
		split = append(split, onnx.Of(v, i))
		if int64(i) == axis {
			split = append(split, onnx.Num(1))
		}
	}
	pads := make([]int64, 2*len(split))
	pads[int64(len(split))+axis+1] = step - 1
	wide := b.Apply("Pad", []*onnx.Value{b.Reshape(v, split...), b.Ints(pads, int64(len(pads)))})
	joined := make([]onnx.Extent, len(v.Shape))
	for i := range joined {
		if joined[i] = onnx.Of(v, i); int64(i) == axis {
			joined[i] = onnx.Rest()
		}
	}
	// The length is at most elements times step.
	flat := b.Reshape(wide, joined...)
	return b.Apply("Slice", []*onnx.Value{flat, b.Ints([]int64{0}, 1), length, b.Ints([]int64{axis}, 1)})
}

// padRule cuts the zeros off again.
func padRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x, pads := n.Inputs[0], n.Inputs[1]
	var starts, ends []*onnx.Value
	for i := range x.Shape {
		starts = append(starts, b.element(pads, i))
		ends = append(ends, b.plus(starts[i], b.size(x, int64(i))))
		// A bound that is a number counts from the end of an axis that has none.
		after := b.element(pads, len(x.Shape)+i)
		if m := number(after); m != nil && number(ends[i]) == nil {
			ends[i] = b.Ints([]int64{before(m[0])}, 1)
		}
	}
	all := axes(0, len(x.Shape))
	return []*onnx.Value{b.Apply("Slice", []*onnx.Value{dy, b.list(starts), b.list(ends), b.Ints(all, int64(len(all)))}), nil}
}

func expandRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return []*onnx.Value{b.sumTo(dy, n.Inputs[0]), nil}
}

// gatherRule adds each row's gradient to the row it was picked from. Rows are
// added one after another, so equal inputs give equal bits.
func gatherRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x, indices := n.Inputs[0], n.Inputs[1]
	row, pick := []onnx.Extent{onnx.Rest()}, []onnx.Extent{onnx.Rest()}
	for i := 1; i < len(x.Shape); i++ {
		row, pick = append(row, onnx.Of(x, i)), append(pick, onnx.Num(1))
	}
	dy = b.Reshape(dy, row...)
	return []*onnx.Value{b.scatter(x, b.expanded(b.Reshape(indices, pick...), dy), dy, 0), nil}
}

// scatter adds updates to a tensor of zeros like x.
func (b *pass) scatter(x, indices, updates *onnx.Value, axis int64) *onnx.Value {
	zeros := b.expanded(b.scalar(x, 0), x)
	return b.Apply("ScatterElements", []*onnx.Value{zeros, indices, updates}, onnx.Attr{Name: "axis", Value: axis}, onnx.Attr{Name: "reduction", Value: "add"})
}

func gatherElementsRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	return []*onnx.Value{b.scatter(n.Inputs[0], n.Inputs[1], dy, n.Int("axis", 0)), nil}
}

func scatterElementsRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	out := []*onnx.Value{dy, nil, nil}
	if b.wants(2) {
		out[2] = b.Apply("GatherElements", []*onnx.Value{dy, n.Inputs[1]}, onnx.Attr{Name: "axis", Value: n.Int("axis", 0)})
	}
	return out
}

// resizeRule adds up the gradients of an element's copies: by a reshape where an
// axis became a whole number of times longer, else by a product with the matrix
// that has 1 where a target took a source.
func resizeRule(b *pass, n *onnx.Node, dy *onnx.Value) []*onnx.Value {
	x, y := n.Inputs[0], n.Output
	out := make([]*onnx.Value, len(n.Inputs))
	for i := range x.Shape {
		if x.Shape[i].Equal(y.Shape[i]) {
			continue
		}
		if times, ok := y.Shape[i].Div(x.Shape[i]); ok {
			if k, ok := times.Const(); ok {
				dy = b.folded(dy, x, i, k)
				continue
			}
		}
		dy = b.along(dy, b.sources(x, y, int64(i)), i)
	}
	out[0] = dy
	return out
}

// folded sums each k neighbours of an axis, which has then x's extent there.
func (b *pass) folded(v, x *onnx.Value, axis int, k int64) *onnx.Value {
	split := make([]onnx.Extent, 0, len(v.Shape)+1)
	for i := range v.Shape {
		if i == axis {
			split = append(split, onnx.Of(x, i), onnx.Num(k))
			continue
		}
		split = append(split, onnx.Of(v, i))
	}
	return b.Sum(b.Reshape(v, split...), false, int64(axis)+1)
}

// sources is a matrix [targets, sources] with 1 where target i of the axis was
// source floor(i sources / targets).
func (b *pass) sources(x, y *onnx.Value, axis int64) *onnx.Value {
	from := b.Div(b.Mul(b.count(y, axis), b.size(x, axis)), b.size(y, axis))
	equal := b.Apply("Equal", []*onnx.Value{b.Reshape(from, onnx.Rest(), onnx.Num(1)), b.Reshape(b.count(x, axis), onnx.Num(1), onnx.Rest())})
	return b.Cast(equal, x.DType)
}

// count is 0, 1, 2, ... along an axis of v.
func (b *pass) count(v *onnx.Value, axis int64) *onnx.Value {
	one := b.Ints([]int64{1}, 1)
	ones := b.Expand(one, b.size(v, axis))
	return b.Sub(b.Apply("CumSum", []*onnx.Value{ones, b.Ints([]int64{0})}), one)
}

// along multiplies an axis of v by a matrix.
func (b *pass) along(v, m *onnx.Value, axis int) *onnx.Value {
	switch rank := len(v.Shape); {
	case axis == rank-1 && rank > 1:
		return b.MatMul(v, m)
	case axis == rank-2:
		return b.Product(1, m, true, v, false)
	case rank == 1:
		return b.Reshape(b.MatMul(b.Reshape(v, onnx.Num(1), onnx.Rest()), m), onnx.Rest())
	default:
		perm := axes(0, rank)
		perm[axis], perm[rank-1] = perm[rank-1], perm[axis]
		return b.Transpose(b.MatMul(b.Transpose(v, perm...), m), perm...)
	}
}
