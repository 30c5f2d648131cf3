package onnx

import (
	"errors"
	"fmt"
	"slices"

	"cosmicman/tensor"
)

// The rules that give each operator's output type. They take a node whose
// arity and attribute names have been checked and say what is wrong with the
// rest.

func inferBroadcast(n *Node) (Type, error) {
	a, b := n.Inputs[0], n.Inputs[1]
	if a.DType != b.DType {
		return Type{}, fmt.Errorf("mixes %v and %v", a.DType, b.DType)
	}
	s, err := broadcast(a.Shape, b.Shape)
	return Type{DType: a.DType, Shape: s}, err
}

// inferAdd and inferSub also follow extents, so that a size can be computed.
func inferAdd(n *Node) (Type, error) { return inferExtents(n, Dim.Add) }

func inferSub(n *Node) (Type, error) { return inferExtents(n, Dim.Sub) }

func inferExtents(n *Node, combine func(a, b Dim) Dim) (Type, error) {
	t, err := inferBroadcast(n)
	a, b := n.Inputs[0].Content, n.Inputs[1].Content
	if err != nil || a == nil || len(a) != len(b) || len(t.Shape) != 1 {
		return t, err
	}
	for i := range a {
		t.Content = append(t.Content, combine(a[i], b[i]))
	}
	return t, nil
}

func inferEqual(n *Node) (Type, error) {
	t, err := inferBroadcast(n)
	t.DType = tensor.Bool
	return t, err
}

func broadcast(a, b Shape) (Shape, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	off := len(a) - len(b)
	for i, d := range b {
		e := a[off+i]
		switch {
		case d.Equal(e) || d.Equal(N(1)):
		case e.Equal(N(1)):
			out[off+i] = d
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return out, nil
}

func inferSameFloat(n *Node) (Type, error) {
	x := n.Inputs[0]
	if !x.DType.IsFloat() {
		return Type{}, fmt.Errorf("needs floats, has %v", x.DType)
	}
	return Type{DType: x.DType, Shape: x.Shape}, nil
}

// oneFloatType refuses inputs that are no floats or of different types.
func oneFloatType(n *Node) error {
	for _, in := range n.Inputs {
		switch {
		case in == nil:
		case !in.DType.IsFloat():
			return fmt.Errorf("needs floats, has %v", in.DType)
		case in.DType != n.Inputs[0].DType:
			return fmt.Errorf("mixes %v and %v", n.Inputs[0].DType, in.DType)
		}
	}
	return nil
}

func inferClip(n *Node) (Type, error) {
	for i, v := range n.Inputs[1:] {
		if v == nil || v.Kind != Const || len(v.Shape) != 0 {
			return Type{}, fmt.Errorf("bound %d is no constant scalar", i)
		}
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	return inferSameFloat(n)
}

func inferGelu(n *Node) (Type, error) {
	if a := n.Str("approximate"); n.attr("approximate") != nil && a != "none" && a != "tanh" {
		return Type{}, fmt.Errorf("approximate is %q, expected none or tanh", a)
	}
	return inferSameFloat(n)
}

func inferSoftmax(n *Node) (Type, error) {
	x := n.Inputs[0]
	if a := n.Int("axis", -1); a < -int64(len(x.Shape)) || a >= int64(len(x.Shape)) {
		return Type{}, fmt.Errorf("axis %d of rank %d", a, len(x.Shape))
	}
	return inferSameFloat(n)
}

func inferConv(n *Node) (Type, error) {
	x, w := n.Inputs[0], n.Inputs[1]
	if len(x.Shape) != 4 || len(w.Shape) != 4 {
		return Type{}, errors.New("needs a 4-D input and weight")
	}
	if !x.Shape[1].Equal(w.Shape[1]) {
		return Type{}, fmt.Errorf("input has %v channels, the weight takes %v", x.Shape[1], w.Shape[1])
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != nil && !n.Inputs[2].Shape.Equal(Shape{w.Shape[0]}) {
		return Type{}, fmt.Errorf("bias has shape %v for %v output channels", n.Inputs[2].Shape, w.Shape[0])
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	pads, strides, kernel := n.Ints("pads"), n.Ints("strides"), n.Ints("kernel_shape")
	if len(pads) != 4 || len(strides) != 2 || slices.Min(strides) < 1 || slices.Min(pads) < 0 {
		return Type{}, fmt.Errorf("needs 4 pads >= 0 and 2 strides >= 1, has %v and %v", pads, strides)
	}
	out := Shape{x.Shape[0], w.Shape[0], {}, {}}
	for i := range 2 {
		k, ok := w.Shape[2+i].Const()
		if !ok {
			return Type{}, errors.New("needs a kernel of fixed size")
		}
		if kernel != nil && (len(kernel) != 2 || kernel[i] != k) {
			return Type{}, fmt.Errorf("kernel_shape is %v for a weight of shape %v", kernel, w.Shape)
		}
		out[2+i] = x.Shape[2+i].FloorDiv(pads[i]+pads[i+2]-k+strides[i], strides[i])
		if size, ok := out[2+i].Const(); ok && size < 1 {
			return Type{}, fmt.Errorf("a kernel of %d is larger than the padded input %v", k, x.Shape)
		}
	}
	return Type{DType: x.DType, Shape: out}, nil
}

func inferGemm(n *Node) (Type, error) {
	a, b := n.Inputs[0], n.Inputs[1]
	if len(a.Shape) != 2 || len(b.Shape) != 2 {
		return Type{}, errors.New("needs two matrices")
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	for _, name := range []string{"transA", "transB"} {
		if v := n.Int(name, 0); v != 0 && v != 1 {
			return Type{}, fmt.Errorf("%s must be 0 or 1", name)
		}
	}
	r, inner := a.Shape[0], a.Shape[1]
	if n.Int("transA", 0) == 1 {
		r, inner = inner, r
	}
	k, m := b.Shape[0], b.Shape[1]
	if n.Int("transB", 0) == 1 {
		k, m = m, k
	}
	if !inner.Equal(k) {
		return Type{}, fmt.Errorf("inner dimensions %v and %v differ", inner, k)
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != nil && !n.Inputs[2].Shape.Equal(Shape{m}) {
		return Type{}, fmt.Errorf("bias has shape %v for %v columns", n.Inputs[2].Shape, m)
	}
	return Type{DType: a.DType, Shape: Shape{r, m}}, nil
}

func inferMatMul(n *Node) (Type, error) { return multiplied(n, n.Inputs[0].Shape, n.Inputs[1].Shape) }

// inferFusedMatMul is that of a product whose sides may be turned first.
func inferFusedMatMul(n *Node) (Type, error) {
	var sides [2]Shape
	for i, name := range []string{"transA", "transB"} {
		sides[i] = slices.Clone(n.Inputs[i].Shape)
		if last := len(sides[i]) - 1; n.Int(name, 0) == 1 && last > 0 {
			sides[i][last-1], sides[i][last] = sides[i][last], sides[i][last-1]
		}
	}
	return multiplied(n, sides[0], sides[1])
}

func multiplied(n *Node, a, b Shape) (Type, error) {
	ra, rb := len(a), len(b)
	if ra < 2 || rb < 2 {
		return Type{}, errors.New("needs ranks of at least 2")
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	if !a[ra-1].Equal(b[rb-2]) {
		return Type{}, fmt.Errorf("inner dimensions %v and %v differ", a[ra-1], b[rb-2])
	}
	batch, err := broadcast(a[:ra-2], b[:rb-2])
	if err != nil {
		return Type{}, err
	}
	return Type{DType: n.Inputs[0].DType, Shape: append(slices.Clone(batch), a[ra-2], b[rb-1])}, nil
}

func inferAttention(n *Node) (Type, error) {
	q, k, v := n.Inputs[0], n.Inputs[1], n.Inputs[2]
	if v == nil || len(q.Shape) != 3 || len(k.Shape) != 3 || len(v.Shape) != 3 {
		return Type{}, errors.New("needs query, key and value of shape [rows, tokens, hidden]")
	}
	if !q.Shape[2].Equal(k.Shape[2]) || !k.Shape[1].Equal(v.Shape[1]) || !q.Shape[0].Equal(k.Shape[0]) || !q.Shape[0].Equal(v.Shape[0]) {
		return Type{}, errors.New("query, key and value do not fit each other")
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	h := n.Int("num_heads", 0)
	for _, s := range []*Value{q, v} {
		if c, ok := s.Shape[2].Const(); !ok || h < 1 || c%h != 0 {
			return Type{}, fmt.Errorf("%v channels do not split into %d heads", s.Shape[2], h)
		}
	}
	for i := 3; i < len(n.Inputs); i++ {
		in := n.Inputs[i]
		switch {
		case i < 5 && in != nil:
			return Type{}, fmt.Errorf("input %d is not used here", i)
		case i == 5 && (in == nil || len(in.Shape) != 4 || !in.Shape[2].Equal(q.Shape[1]) || !in.Shape[3].Equal(k.Shape[1])):
			return Type{}, errors.New("the attention bias must be [rows or 1, heads or 1, queries, keys]")
		case i == 5 && (!in.Shape[0].Equal(q.Shape[0]) && !in.Shape[0].Equal(N(1)) || !in.Shape[1].Equal(N(h)) && !in.Shape[1].Equal(N(1))):
			return Type{}, fmt.Errorf("the attention bias %v does not fit %v rows and %d heads", in.Shape, q.Shape[0], h)
		}
	}
	return Type{DType: q.DType, Shape: Shape{q.Shape[0], q.Shape[1], v.Shape[2]}}, nil
}

func inferGroupNorm(n *Node) (Type, error) {
	x := n.Inputs[0]
	g := n.Int("num_groups", 0)
	if len(x.Shape) < 3 {
		return Type{}, errors.New("needs [rows, channels, ...]")
	}
	if c, ok := x.Shape[1].Const(); !ok || g < 1 || c%g != 0 {
		return Type{}, fmt.Errorf("%v channels do not split into %d groups", x.Shape[1], g)
	}
	return channelParams(n, x.Shape[1])
}

func inferInstanceNorm(n *Node) (Type, error) {
	x := n.Inputs[0]
	if len(x.Shape) < 3 {
		return Type{}, errors.New("needs [rows, channels, ...]")
	}
	return channelParams(n, x.Shape[1])
}

func inferLayerNorm(n *Node) (Type, error) {
	x := n.Inputs[0]
	if len(x.Shape) < 1 || n.Int("axis", -1) != -1 {
		return Type{}, errors.New("normalizes the last axis only")
	}
	return channelParams(n, x.Shape[len(x.Shape)-1])
}

func channelParams(n *Node, c Dim) (Type, error) {
	for i := 1; i < 3; i++ {
		if n.Inputs[i] == nil || !n.Inputs[i].Shape.Equal(Shape{c}) {
			return Type{}, fmt.Errorf("scale and bias must have shape [%v]", c)
		}
	}
	if err := oneFloatType(n); err != nil {
		return Type{}, err
	}
	return inferSameFloat(n)
}

func inferShape(n *Node) (Type, error) {
	s := n.Inputs[0].Shape
	start, end := n.Int("start", 0), n.Int("end", int64(len(s)))
	if start < 0 || end > int64(len(s)) || start >= end {
		return Type{}, fmt.Errorf("axes %d to %d of rank %d", start, end, len(s))
	}
	return Type{DType: tensor.Int64, Shape: Shape{N(end - start)}, Content: s[start:end]}, nil
}

func inferReshape(n *Node) (Type, error) {
	x, target := n.Inputs[0], n.Inputs[1]
	if target.DType != tensor.Int64 || target.Content == nil || len(target.Shape) != 1 {
		return Type{}, errors.New("the target's elements are not known")
	}
	out := make(Shape, len(target.Content))
	infer := -1
	known := N(1)
	for i, d := range target.Content {
		switch c, ok := d.Const(); {
		case ok && c == 0:
			if i >= len(x.Shape) {
				return Type{}, fmt.Errorf("dimension %d copies from rank %d", i, len(x.Shape))
			}
			d = x.Shape[i]
		case ok && c == -1:
			if infer >= 0 {
				return Type{}, errors.New("two dimensions are left to be inferred")
			}
			infer = i
			continue
		case ok && c < -1:
			return Type{}, fmt.Errorf("dimension %d of the target is %d", i, c)
		}
		out[i] = d
		known = known.Mul(d)
	}
	total := x.Shape.Elements()
	if infer >= 0 {
		d, ok := total.Div(known)
		if !ok {
			return Type{}, fmt.Errorf("%v elements do not divide by %v", total, known)
		}
		out[infer] = d
	} else if !total.Equal(known) {
		return Type{}, fmt.Errorf("%v elements do not fill %v", total, out)
	}
	return Type{DType: x.DType, Shape: out}, nil
}

func inferTranspose(n *Node) (Type, error) {
	x, perm := n.Inputs[0], n.Ints("perm")
	if len(perm) != len(x.Shape) {
		return Type{}, fmt.Errorf("perm %v for rank %d", perm, len(x.Shape))
	}
	out := make(Shape, len(perm))
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if p < 0 || p >= int64(len(perm)) || seen[p] {
			return Type{}, fmt.Errorf("perm %v is no permutation", perm)
		}
		seen[p] = true
		out[i] = x.Shape[p]
	}
	return Type{DType: x.DType, Shape: out}, nil
}

func inferConcat(n *Node) (Type, error) {
	first := n.Inputs[0]
	axis := n.Int("axis", 0)
	if axis < 0 || axis >= int64(len(first.Shape)) {
		return Type{}, fmt.Errorf("axis %d of rank %d", axis, len(first.Shape))
	}
	out := slices.Clone(first.Shape)
	content := slices.Clone(first.Content)
	known := first.Content != nil
	for _, in := range n.Inputs[1:] {
		if in.DType != first.DType || len(in.Shape) != len(out) {
			return Type{}, errors.New("inputs differ in type or rank")
		}
		for i := range out {
			if int64(i) == axis {
				out[i] = out[i].Add(in.Shape[i])
			} else if !out[i].Equal(in.Shape[i]) {
				return Type{}, fmt.Errorf("shapes %v and %v differ outside axis %d", first.Shape, in.Shape, axis)
			}
		}
		known = known && in.Content != nil
		content = append(content, in.Content...)
	}
	if !known || len(out) != 1 {
		content = nil
	}
	return Type{DType: first.DType, Shape: out, Content: content}, nil
}

func inferGather(n *Node) (Type, error) {
	x, idx := n.Inputs[0], n.Inputs[1]
	if n.Int("axis", 0) != 0 || len(x.Shape) < 1 {
		return Type{}, errors.New("gathers along axis 0 only")
	}
	if idx.DType != tensor.Int64 {
		return Type{}, fmt.Errorf("needs int64 indices, has %v", idx.DType)
	}
	return Type{DType: x.DType, Shape: append(slices.Clone(idx.Shape), x.Shape[1:]...)}, nil
}

func inferResize(n *Node) (Type, error) {
	x := n.Inputs[0]
	if n.Inputs[1] != nil {
		return Type{}, errors.New("takes no region of interest here")
	}
	if n.Str("mode") != "nearest" || n.Str("coordinate_transformation_mode") != "asymmetric" || n.Str("nearest_mode") != "floor" {
		return Type{}, errors.New("only nearest, asymmetric, floor is used here")
	}
	if len(n.Inputs) == 4 && n.Inputs[3] != nil {
		c := n.Inputs[3].Content
		if len(c) != len(x.Shape) || n.Inputs[2] != nil {
			return Type{}, errors.New("sizes must be known, one an axis, and stand alone")
		}
		return Type{DType: x.DType, Shape: Shape(c)}, nil
	}
	if n.Inputs[2] == nil {
		return Type{}, errors.New("needs scales or sizes")
	}
	scales, ok := n.Inputs[2].Data.([]float32)
	if !ok || len(scales) != len(x.Shape) {
		return Type{}, errors.New("needs one constant scale an axis")
	}
	out := make(Shape, len(scales))
	for i, s := range scales {
		if s != float32(int64(s)) || s < 1 {
			return Type{}, fmt.Errorf("scale %v is no positive whole number", s)
		}
		out[i] = x.Shape[i].Mul(N(int64(s)))
	}
	return Type{DType: x.DType, Shape: out}, nil
}

func inferCast(n *Node) (Type, error) {
	to, err := dtypeOf(n.Int("to", 0))
	if err != nil {
		return Type{}, err
	}
	return Type{DType: to, Shape: n.Inputs[0].Shape}, nil
}
