package autodiff

import (
	"fmt"
	"slices"
	"strings"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// Seed says what the derivative of the loss by a value is, in the value's own
// shape and element type.
type Seed struct{ Value, Gradient *onnx.Value }

// Plan is what is to be derived.
type Plan struct {
	// Seeds are where the backward pass begins. Contributions of several to one
	// value add up.
	Seeds []Seed
	// By are the values by which is derived: inputs, parameters or outputs of
	// nodes, all of a floating-point type.
	By []*onnx.Value
	// To, where it is given, are values of the shapes and types of By, to which the
	// gradients are added. A nil one is none.
	To []*onnx.Value
	// Block names the block of the network that a weight (a parameter, or an
	// input of that name) belongs to, "" for none. What lies inside a block is
	// not kept for the backward pass but computed anew (Chen et al., 2016). A
	// nil Block keeps everything.
	Block func(weight string) string
	// Heads is how many heads of an attention are derived at a time. Each takes
	// about three matrices of queries times keys a row of memory. 0 is all.
	Heads int64
}

// Gradient adds to g the nodes that compute the derivative of loss, a value of
// one element, by each of the others, and returns these in order and in the
// others' shapes. A value on which loss does not depend is an error.
func Gradient(g *onnx.Graph, loss *onnx.Value, by ...*onnx.Value) ([]*onnx.Value, error) {
	one, err := One(g, loss)
	if err != nil {
		return nil, err
	}
	return Backward(g, Plan{Seeds: []Seed{one}, By: by})
}

// One is the seed of a loss: the derivative of a value of one element by itself.
func One(g *onnx.Graph, loss *onnx.Value) (Seed, error) {
	if err := g.Err(); err != nil {
		return Seed{}, err
	}
	if n, ok := loss.Shape.Elements().Const(); !ok || n != 1 || !loss.DType.IsFloat() {
		return Seed{}, fmt.Errorf("autodiff: graph %s: the loss %s is %v%v, expected floats of one element", g.Name, loss.Name, loss.DType, loss.Shape)
	}
	one := g.Floats([]float32{1}, slices.Repeat([]int64{1}, len(loss.Shape))...)
	return Seed{loss, convert(g, one, loss.DType)}, nil
}

func convert(g *onnx.Graph, v *onnx.Value, to tensor.DType) *onnx.Value {
	if v.DType == to {
		return v
	}
	return g.Cast(v, to)
}

// Backward adds to g the nodes that compute the derivatives of a plan, and
// returns these in the order of plan.By. Nodes that turned out not to be needed
// are not among them. After an error g is of no more use.
func Backward(g *onnx.Graph, plan Plan) ([]*onnx.Value, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	forward := slices.Clone(g.Nodes)
	b := &pass{Graph: g, active: map[*onnx.Value]bool{}, gradients: map[*onnx.Value]*onnx.Value{}, most: plan.Heads}
	if err := b.activate(forward, plan); err != nil {
		return nil, err
	}
	again := newRecomputation(g, forward, plan)
	for _, n := range slices.Backward(forward) {
		dy := b.gradients[n.Output]
		if dy == nil || !b.active[n.Output] {
			continue
		}
		b.node = n
		parts := rules[n.Op.Name](b, again.view(n, dy), dy)
		for i, part := range parts {
			if part != nil && b.wants(i) {
				b.add(n.Inputs[i], part)
				again.leaves(n, n.Inputs[i], part)
			}
		}
		if err := g.Err(); err != nil {
			return nil, fmt.Errorf("autodiff: the gradient of %s %s: %w", n.Op.Name, n.Output.Name, err)
		}
		if b.err != nil {
			return nil, fmt.Errorf("autodiff: graph %s: the gradient of %s %s: %w", g.Name, n.Op.Name, n.Output.Name, b.err)
		}
	}
	out := make([]*onnx.Value, len(plan.By))
	var unreached []string
	for i, v := range plan.By {
		if out[i] = b.gradients[v]; out[i] == nil {
			unreached = append(unreached, v.Name)
			continue
		}
		if out[i].Kind != onnx.Output && (plan.To == nil || plan.To[i] == nil) { // can be no result
			out[i] = g.Mul(out[i], b.scalar(out[i], 1))
		}
	}
	if unreached != nil {
		return nil, fmt.Errorf("autodiff: graph %s: the loss does not depend on %s", g.Name, strings.Join(unreached, ", "))
	}
	if plan.To != nil {
		b.addTo(plan.To, out)
	}
	g.DropUnused(len(forward), out...)
	b.order(out)
	return out, g.Err()
}

// addTo adds the gradients to other values, in the order in which they are made.
func (b *pass) addTo(to, gradients []*onnx.Value) {
	made := map[*onnx.Value]int{}
	for i, n := range b.Nodes {
		made[n.Output] = i
	}
	at := make([]int, len(gradients))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int { return made[gradients[i]] - made[gradients[j]] })
	for _, i := range at {
		if to[i] != nil {
			gradients[i] = b.Add(to[i], gradients[i])
		}
	}
}

// order puts the gradients that no other node reads at the end, the first one
// last. The runtime goes from the last such node back to what it is made from and
// then to the one before: as they lie, it would come to all others only when it
// has made the very last, and keep what they are made from until then.
func (b *pass) order(gradients []*onnx.Value) {
	unread := map[*onnx.Value]bool{}
	for _, v := range gradients {
		unread[v] = true
	}
	for _, n := range b.Nodes {
		for _, v := range n.Inputs {
			delete(unread, v)
		}
	}
	var rest, last []*onnx.Node
	for _, n := range b.Nodes {
		if unread[n.Output] {
			last = append(last, n)
		} else {
			rest = append(rest, n)
		}
	}
	slices.Reverse(last)
	b.Nodes = append(rest, last...)
}

// pass goes from the last node to the first.
type pass struct {
	*onnx.Graph
	active    map[*onnx.Value]bool        // depends on what is derived by
	gradients map[*onnx.Value]*onnx.Value // as far as they were added up
	node      *onnx.Node                  // whose rule is at work
	most      int64                       // heads at a time, 0 for all
	err       error
}

// activate notes the seeds, and what depends on the values that are derived by.
func (b *pass) activate(forward []*onnx.Node, plan Plan) error {
	for _, v := range plan.By {
		if !v.DType.IsFloat() {
			return fmt.Errorf("autodiff: graph %s: %s is %v, only floats have a gradient", b.Name, v.Name, v.DType)
		}
		b.active[v] = true
	}
	for _, n := range forward {
		r, ok := rules[n.Op.Name]
		if !ok {
			return fmt.Errorf("autodiff: graph %s: %s has no row in the table of gradients", b.Name, n.Op.Name)
		}
		if r != nil && n.Output.DType.IsFloat() && slices.ContainsFunc(n.Inputs, func(v *onnx.Value) bool { return b.active[v] }) {
			b.active[n.Output] = true
		}
	}
	if plan.To != nil && len(plan.To) != len(plan.By) {
		return fmt.Errorf("autodiff: graph %s: %d gradients are to be added to %d values", b.Name, len(plan.By), len(plan.To))
	}
	for i, v := range plan.To {
		if v == nil {
			continue
		}
		if by := plan.By[i]; v.DType != by.DType || !v.Shape.Equal(by.Shape) {
			return fmt.Errorf("autodiff: graph %s: the gradient by %s %v%v is to be added to %v%v", b.Name, by.Name, by.DType, by.Shape, v.DType, v.Shape)
		}
	}
	if plan.Heads < 0 {
		return fmt.Errorf("autodiff: graph %s: %d heads at a time, expected 0 or more", b.Name, plan.Heads)
	}
	if len(plan.Seeds) == 0 {
		return fmt.Errorf("autodiff: graph %s: there is no loss", b.Name)
	}
	for _, s := range plan.Seeds {
		b.add(s.Value, s.Gradient)
	}
	if b.err != nil {
		return fmt.Errorf("autodiff: graph %s: a seed: %w", b.Name, b.err)
	}
	return nil
}

// wants reports whether the gradient of the node's input i is asked for.
func (b *pass) wants(i int) bool { return i < len(b.node.Inputs) && b.active[b.node.Inputs[i]] }

// add adds to v's gradient.
func (b *pass) add(v, part *onnx.Value) {
	if b.Err() == nil && b.err == nil && (part.DType != v.DType || !part.Shape.Equal(v.Shape)) {
		b.err = fmt.Errorf("the gradient of %s %v%v is %v%v", v.Name, v.DType, v.Shape, part.DType, part.Shape)
	}
	if have := b.gradients[v]; have != nil {
		part = b.Add(have, part)
	}
	b.gradients[v] = part
}

// scalar is a number in the element type of like.
func (b *pass) scalar(like *onnx.Value, x float64) *onnx.Value {
	return convert(b.Graph, b.Scalar(float32(x)), like.DType)
}

// times returns v multiplied by a number.
func (b *pass) times(v *onnx.Value, x float64) *onnx.Value { return b.Mul(v, b.scalar(v, x)) }

// sumTo undoes broadcasting: it sums v along the axes that like lacks or has as
// 1, so that v has like's shape.
func (b *pass) sumTo(v, like *onnx.Value) *onnx.Value {
	extra := len(v.Shape) - len(like.Shape)
	var lead, repeated []int64
	for i, d := range v.Shape {
		switch {
		case i < extra:
			lead = append(lead, int64(i))
		case like.Shape[i-extra].Equal(onnx.N(1)) && !d.Equal(onnx.N(1)):
			repeated = append(repeated, int64(i-extra))
		}
	}
	if lead != nil {
		v = b.Sum(v, false, lead...)
	}
	if repeated != nil {
		v = b.Sum(v, true, repeated...)
	}
	return v
}

// shaped gives v the shape of like, which has as many elements.
func (b *pass) shaped(v, like *onnx.Value) *onnx.Value {
	if v.Shape.Equal(like.Shape) {
		return v
	}
	if len(like.Shape) == 0 {
		return b.Sum(v, false, axes(0, len(v.Shape))...) // one element: no target of Reshape is empty
	}
	numbers := make([]int64, len(like.Shape))
	for i, d := range like.Shape {
		n, ok := d.Const()
		if !ok {
			return b.Apply("Reshape", []*onnx.Value{v, b.ShapeOf(like, 0, int64(len(like.Shape)))})
		}
		numbers[i] = n
	}
	return b.Apply("Reshape", []*onnx.Value{v, b.Ints(numbers, int64(len(numbers)))})
}

// expanded repeats v until it has like's shape.
func (b *pass) expanded(v, like *onnx.Value) *onnx.Value {
	if v.Shape.Equal(like.Shape) {
		return v
	}
	return b.Expand(v, b.ShapeOf(like, 0, int64(len(like.Shape))))
}

// axes lists the axes from first to end, excluded.
func axes(first, end int) []int64 {
	out := make([]int64, 0, end-first)
	for i := first; i < end; i++ {
		out = append(out, int64(i))
	}
	return out
}

// extent is the number of elements along some axes of v: a number where it is
// known, else a value of shape [1] of v's element type.
func (b *pass) extent(v *onnx.Value, along ...int64) *onnx.Value {
	known, symbolic := onnx.N(1), (*onnx.Value)(nil)
	for _, a := range along {
		if d := v.Shape[a]; d.Equal(onnx.N(0)) {
			continue
		} else if _, ok := d.Const(); ok {
			known = known.Mul(d)
			continue
		}
		n := b.Cast(b.ShapeOf(v, a, a+1), v.DType)
		if symbolic != nil {
			n = b.Mul(symbolic, n)
		}
		symbolic = n
	}
	n, _ := known.Const()
	if symbolic == nil {
		return b.scalar(v, float64(n))
	}
	return b.times(symbolic, float64(n))
}
