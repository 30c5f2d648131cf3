package onnx

import (
	"io"
	"math"
	"strings"
	"testing"

	"cosmicman/tensor"
)

// TestVerifyNamesTheFault spoils a good graph behind the builder's back.
func TestVerifyNamesTheFault(t *testing.T) {
	ints := func(g *Graph) *Value {
		for _, c := range g.Consts {
			if c.DType == tensor.Int64 {
				return c
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		spoil func(g *Graph)
		want  string
	}{
		"order":          {func(g *Graph) { g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0] }, "not defined before it"},
		"shape":          {func(g *Graph) { g.Nodes[0].Output.Shape = Shape{N(1)} }, "its rule says"},
		"type":           {func(g *Graph) { g.Nodes[0].Output.DType = tensor.Float16 }, "its rule says"},
		"content":        {func(g *Graph) { g.Nodes[0].Output.Content = []Dim{N(1)} }, "its rule says"},
		"taken name":     {func(g *Graph) { g.Nodes[0].Output.Name = g.Nodes[1].Output.Name }, "empty or taken"},
		"empty name":     {func(g *Graph) { g.Inputs[0].Name = "" }, "empty or taken"},
		"kind":           {func(g *Graph) { g.Inputs[0].Kind = Param }, "wrong list"},
		"missing":        {func(g *Graph) { g.Params = g.Params[1:] }, "not defined before it"},
		"nil input":      {func(g *Graph) { g.Inputs[0] = nil }, "a value is missing"},
		"nil node":       {func(g *Graph) { g.Nodes[3] = nil }, "node 3 has no output"},
		"nil output":     {func(g *Graph) { g.Nodes[3].Output = nil }, "node 3 has no output"},
		"foreign op":     {func(g *Graph) { op := *g.Nodes[2].Op; g.Nodes[2].Op = &op }, "no operator of the table"},
		"other node":     {func(g *Graph) { g.Nodes[2].Output.Node = g.Nodes[1] }, "does not know its node"},
		"no result":      {func(g *Graph) { g.Outputs = nil }, "has no result"},
		"unknown":        {func(g *Graph) { g.Outputs[0].Value = nil }, `result "up" is not defined`},
		"leaf as result": {func(g *Graph) { g.Outputs[0].Value = g.Inputs[0] }, `"up" is no node's output`},
		"result's name":  {func(g *Graph) { g.Outputs[0].Name = "x" }, "taken"},
		"same results":   {func(g *Graph) { g.Outputs[0].Name = "tokens" }, "taken"},
		"input's type":   {func(g *Graph) { g.Inputs[0].DType = tensor.Invalid }, "x has no element type"},
		"input's shape":  {func(g *Graph) { g.Inputs[0].Shape[0] = N(0) }, "dimensions of at least 1"},
		"param's shape":  {func(g *Graph) { g.Params[1].Shape[0] = Sym("n") }, "conv.bias has shape [n], expected numbers"},
		"const's type":   {func(g *Graph) { ints(g).DType = tensor.Float32 }, "holds"},
		"const's count":  {func(g *Graph) { ints(g).Data = []int64{1} }, "holds 1 elements"},
		"const's data":   {func(g *Graph) { ints(g).Data.([]int64)[0]++ }, "other elements than noted"},
		"no attribute": {func(g *Graph) { g.Nodes[0].Attrs = append(g.Nodes[0].Attrs, Attr{"colour", int64(1)}) },
			`has no attribute "colour"`},
		"attribute's type": {func(g *Graph) { g.Nodes[0].Attrs[0].Value = float32(3) }, `attribute "kernel_shape" is a float32, expected []int64`},
		"attribute twice":  {func(g *Graph) { g.Nodes[0].Attrs = append(g.Nodes[0].Attrs, g.Nodes[0].Attrs[0]) }, "stands twice"},
		"kernel":           {func(g *Graph) { g.Nodes[0].Attrs[0].Value = []int64{3, 5} }, "kernel_shape is [3 5]"},
		"arity":            {func(g *Graph) { g.Nodes[0].Inputs = g.Nodes[0].Inputs[:1] }, "has 1 inputs"},
		"absent":           {func(g *Graph) { g.Nodes[0].Inputs[0] = nil }, "input 0 is required"},
	} {
		g := small()
		c.spoil(g)
		if err := Verify(g); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	f32, i64 := tensor.Float32, tensor.Int64
	for name, c := range map[string]struct {
		build func(g *Graph) *Value
		want  string
	}{
		"kernel over the edge": {func(g *Graph) *Value {
			return g.Conv2D(g.Input("a", f32, N(1), N(2), N(2), Sym("w")), g.Param("w", 2, 2, 3, 3), nil, 1, [4]int64{})
		}, "larger than the padded input"},
		"mixed matmul": {func(g *Graph) *Value { return g.MatMul(g.Input("a", f32, N(2), N(2)), g.Input("b", i64, N(2), N(2))) }, "has int64"},
		"mixed widths": {func(g *Graph) *Value {
			return g.Linear(g.Input("a", tensor.Float16, N(2), N(2)), g.Param("b", 2, 2), nil)
		}, "mixes float16 and float32"},
		"cut beyond":             {func(g *Graph) *Value { return g.Slice(g.Input("a", f32, N(4)), 0, 2, 5) }, "cannot take 2 to 5 of 4"},
		"cut of an unknown size": {func(g *Graph) *Value { return g.Slice(g.Input("a", f32, Sym("n")), 0, 0, 2) }, "cannot take 0 to 2 of n"},
		"cut of nothing":         {func(g *Graph) *Value { return g.Slice(g.Input("a", f32, N(4)), 0, 2, -2) }, "cannot take 2 to -2"},
		"step": {func(g *Graph) *Value {
			one := g.Ints([]int64{1}, 1)
			return g.Apply("Slice", in(g.Input("a", f32, N(1), N(4)), g.Ints([]int64{0}, 1), one, one, g.Ints([]int64{0}, 1)))
		}, "steps of at least 1"},
		"step of nothing": {func(g *Graph) *Value {
			one := g.Ints([]int64{1}, 1)
			return g.Apply("Slice", in(g.Input("a", f32, N(4)), one, one, g.Ints([]int64{0}, 1), g.Ints([]int64{0}, 1)))
		}, "steps of at least 1"},
		"half an axis turned round": {func(g *Graph) *Value {
			back := g.Ints([]int64{-1}, 1)
			return g.Apply("Slice", in(g.Input("a", f32, N(4)), back, g.Ints([]int64{1}, 1), g.Ints([]int64{0}, 1), back))
		}, "turns a whole axis round"},
		"turned round from the middle": {func(g *Graph) *Value {
			return g.Apply("Slice", in(g.Input("a", f32, N(4)), g.Ints([]int64{2}, 1), g.Ints([]int64{math.MinInt64}, 1), g.Ints([]int64{0}, 1), g.Ints([]int64{-1}, 1)))
		}, "from its last element"},
		"turned product": {func(g *Graph) *Value {
			return g.Product(1, g.Input("a", f32, N(2), N(3)), true, g.Input("b", f32, N(3), N(2)), false)
		}, "inner dimensions 2 and 3 differ"},
		"sum's axis":       {func(g *Graph) *Value { return g.Sum(g.Input("a", f32, N(4)), true, 0, 0) }, "each once"},
		"cumulated axis":   {func(g *Graph) *Value { return g.Apply("CumSum", in(g.Input("a", f32, N(4)), g.Ints([]int64{1}))) }, "constant axis"},
		"negative padding": {func(g *Graph) *Value { return g.Apply("Pad", in(g.Input("a", f32, N(4)), g.Ints([]int64{1, -1}, 2))) }, "pad 1 is -1"},
		"few pads":         {func(g *Graph) *Value { return g.Apply("Pad", in(g.Input("a", f32, N(4)), g.Ints([]int64{1}, 1))) }, "needs 2 pads"},
		"expanded to":      {func(g *Graph) *Value { return g.Expand(g.Input("a", f32, N(4)), g.Ints([]int64{3}, 1)) }, "do not broadcast"},
		"expanded to none": {func(g *Graph) *Value { return g.Expand(g.Input("a", f32, N(1)), g.Ints([]int64{0}, 1)) }, "dimension 0"},
		"scattered": {func(g *Graph) *Value {
			ids := g.Input("i", i64, N(2), N(3))
			return g.Apply("ScatterElements", in(g.Input("a", f32, N(4), N(3)), ids, g.Input("u", f32, N(2), N(4))), Attr{"reduction", "add"})
		}, "must be float32[2, 3]"},
		"scattered over": {func(g *Graph) *Value {
			a := g.Input("a", f32, N(4))
			return g.Apply("ScatterElements", in(a, g.Input("i", i64, N(4)), a))
		}, "only the reduction add"},
		"picked": {func(g *Graph) *Value {
			return g.Apply("GatherElements", in(g.Input("a", f32, N(4), N(3)), g.Input("i", i64, N(4), N(2))))
		}, "outside axis 0"},
		"output padding": {func(g *Graph) *Value {
			x, w := g.Input("a", f32, N(1), N(2), N(3), N(3)), g.Param("w", 2, 2, 3, 3)
			return g.Apply("ConvTranspose", in(x, w), Attr{"pads", []int64{1, 1, 1, 1}}, Attr{"strides", []int64{2, 2}}, Attr{"output_padding", []int64{2, 0}})
		}, "below the strides"},
		"transposed channels": {func(g *Graph) *Value {
			x, w := g.Input("a", f32, N(1), N(2), N(3), N(3)), g.Param("w", 3, 2, 3, 3)
			return g.Apply("ConvTranspose", in(x, w), Attr{"pads", []int64{1, 1, 1, 1}}, Attr{"strides", []int64{2, 2}})
		}, "takes its channels"},
		"transA": {func(g *Graph) *Value {
			return g.Apply("Gemm", in(g.Input("a", f32, N(2), N(2)), g.Param("b", 2, 2)), Attr{"transA", int64(-1)})
		}, "transA must be 0 or 1"},
		"transB": {func(g *Graph) *Value {
			return g.Apply("Gemm", in(g.Input("a", f32, N(2), N(2)), g.Param("b", 2, 2)), Attr{"transB", int64(2)})
		}, "0 or 1"},
		"approximate":   {func(g *Graph) *Value { return g.Apply("Gelu", in(g.Input("a", f32)), Attr{"approximate", "roughly"}) }, `"roughly"`},
		"no axes":       {func(g *Graph) *Value { return g.ShapeOf(g.Input("a", f32, N(2)), 1, 1) }, "axes 1 to 1"},
		"minus two":     {func(g *Graph) *Value { return g.Reshape(g.Input("a", f32, N(4)), Num(-2), Num(-2)) }, "is -2"},
		"scalar target": {func(g *Graph) *Value { return g.Apply("Reshape", in(g.Input("a", f32, N(4)), g.Ints([]int64{4}))) }, "not known"},
		"bias rows": {func(g *Graph) *Value {
			a := g.Input("a", f32, Sym("rows"), N(3), N(4))
			return g.Attention(a, a, a, 2, g.Input("b", f32, N(5), N(1), N(3), N(3)))
		}, "does not fit rows rows"},
		"bias heads": {func(g *Graph) *Value {
			a := g.Input("a", f32, Sym("rows"), N(3), N(4))
			return g.Attention(a, a, a, 2, g.Input("b", f32, N(1), N(3), N(3), N(3)))
		}, "2 heads"},
	} {
		g := NewGraph("bad")
		g.Result("out", c.build(g))
		if err := Verify(g); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// FuzzVerify changes a good graph step by step, three bytes each. Verify must
// find the fault or leave a graph that can be printed and encoded.
func FuzzVerify(f *testing.F) {
	for what := range byte(12) {
		f.Add([]byte{what, 0, 1})
		f.Add([]byte{what, 3, 0, what, 7, 9, 2, 1, 1})
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		g := small()
		for ; len(steps) >= 3; steps = steps[3:] {
			spoil(g, steps[0], int(steps[1]), int(steps[2]))
		}
		if Verify(g) != nil {
			return
		}
		if err := Print(io.Discard, g); err != nil {
			t.Error(err)
		}
		_, err := Encode(g, func(name string) (External, error) {
			for _, p := range g.Params {
				if n, _ := p.Shape.Elements().Const(); p.Name == name {
					return External{"w", 0, n * 4, tensor.Float32, false}, nil
				}
			}
			t.Fatalf("Encode asks for %q, which is no parameter", name)
			return External{}, nil
		})
		if err != nil {
			t.Errorf("Verify let pass what Encode refuses: %v", err)
		}
	})
}

// spoil makes one change, what of it, at the places i and j of the lists.
func spoil(g *Graph, what byte, i, j int) {
	if len(g.Nodes) == 0 || len(g.Outputs) == 0 || len(g.Params) == 0 || len(g.Consts) == 0 {
		return
	}
	n := g.Nodes[i%len(g.Nodes)]
	if n == nil || n.Output == nil {
		return
	}
	values := append(append(append([]*Value{nil}, g.Inputs...), g.Params...), g.Consts...)
	for _, m := range g.Nodes {
		if m != nil {
			values = append(values, m.Output)
		}
	}
	v := values[j%len(values)]
	switch what % 12 {
	case 0:
		if len(n.Inputs) > 0 {
			n.Inputs[j%len(n.Inputs)] = values[(i+j)%len(values)]
		}
	case 1:
		n.Inputs = append(n.Inputs, v)
	case 2:
		n.Inputs = n.Inputs[:j%(len(n.Inputs)+1)]
	case 3:
		if len(n.Attrs) > 0 {
			n.Attrs[j%len(n.Attrs)].Value = []any{nil, int64(j), int64(-j), float32(j), "nearest", []int64{}, []int64{int64(j), -1}, 1}[i%8]
		}
	case 4:
		n.Op = ops[OpNames()[j%len(ops)]]
	case 5:
		n.Output.Shape = append(n.Output.Shape, Sym("rows"))
	case 6:
		n.Output.DType = tensor.DType(j)
	case 7:
		if v != nil {
			v.Shape = Shape{N(int64(i) - 2), Sym("height")}[:i%3]
		}
	case 8:
		if v != nil {
			v.Content = []Dim{N(int64(i)), N(-1)}[:i%3]
		}
	case 9:
		g.Outputs[i%len(g.Outputs)].Value = v
	case 10:
		g.Nodes[i%len(g.Nodes)] = []*Node{nil, {}, {Op: n.Op}, {Op: n.Op, Output: n.Output}}[j%4]
	case 11:
		if v != nil {
			v.Data = []any{nil, []int64{}, []int64{0, -1, int64(i)}, []float32{1}, "x"}[i%5]
		}
	}
}
