package onnx

import (
	"strings"
	"testing"

	"cosmicman/tensor"
)

func small() *Graph {
	g := NewGraph("small")
	x := g.Input("x", tensor.Float32, Sym("rows"), N(4), Sym("height"), Sym("width"))
	h := g.Conv2D(x, g.Param("conv.weight", 8, 4, 3, 3), g.Param("conv.bias", 8), 2, [4]int64{1, 1, 1, 1})
	h = g.SiLU(g.GroupNorm(h, g.Param("norm.weight", 8), g.Param("norm.bias", 8), 4, 1e-5))
	t := g.Reshape(g.Transpose(h, 0, 2, 3, 1), Rest(), Num(8))
	t = g.Linear(t, g.Param("to.weight", 6, 8), nil)
	t = g.Reshape(t, Of(x, 0), Rest(), Num(6))
	t = g.Attention(t, t, t, 2, nil)
	t = g.Transpose(g.Reshape(t, Of(h, 0), Of(h, 2), Of(h, 3), Num(6)), 0, 3, 1, 2)
	g.Result("up", g.UpsampleTo(t, x))
	g.Result("tokens", t)
	return g
}

func TestSmallGraph(t *testing.T) {
	g := small()
	if err := Verify(g); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Outputs[0].Value.Shape.String(), "[rows, 6, height, width]"; got != want {
		t.Errorf("shape of up: %s, want %s", got, want)
	}
	cpu, err := CPU(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range cpu.Nodes {
		if n.Op.Name == "GroupNormalization" {
			t.Error("the CPU dialect still holds a GroupNormalization")
		}
	}
	var b strings.Builder
	if err := Print(&b, cpu); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"input %x: float32[rows, 4, height, width]", "conv.weight", "InstanceNormalization", "result tokens"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("print lacks %q:\n%s", s, &b)
		}
	}
}

func TestBuilderFaults(t *testing.T) {
	f32 := tensor.Float32
	for name, c := range map[string]struct {
		build func(g *Graph) *Value
		want  string
	}{
		"broadcast": {func(g *Graph) *Value { return g.Add(g.Input("a", f32, N(2)), g.Input("b", f32, N(3))) }, "do not broadcast"},
		"channels": {func(g *Graph) *Value {
			return g.Conv2D(g.Input("a", f32, N(1), N(3), N(4), N(4)), g.Param("w", 2, 5, 3, 3), nil, 1, [4]int64{})
		}, "the weight takes 5"},
		"inner":       {func(g *Graph) *Value { return g.Linear(g.Input("a", f32, N(1), N(3)), g.Param("w", 2, 5), nil) }, "inner dimensions"},
		"heads":       {func(g *Graph) *Value { a := g.Input("a", f32, N(1), N(3), N(6)); return g.Attention(a, a, a, 4, nil) }, "split into 4 heads"},
		"elements":    {func(g *Graph) *Value { return g.Reshape(g.Input("a", f32, N(2), N(3)), Num(5)) }, "do not fill"},
		"perm":        {func(g *Graph) *Value { return g.Transpose(g.Input("a", f32, N(2), N(3)), 0, 0) }, "no permutation"},
		"twice named": {func(g *Graph) *Value { return g.Add(g.Input("a", f32), g.Input("a", f32)) }, "named \"a\""},
		"no operator": {func(g *Graph) *Value { return g.Apply("Frobnicate", nil) }, "no operator"},
		"two shapes":  {func(g *Graph) *Value { return g.Add(g.Param("p", 2), g.Param("p", 3)) }, "shapes [2] and [3]"},
		"groups": {func(g *Graph) *Value {
			return g.GroupNorm(g.Input("a", f32, N(1), N(6), N(2)), g.Param("s", 6), g.Param("b", 6), 4, 1e-5)
		}, "4 groups"},
	} {
		g := NewGraph("bad")
		g.Result("out", c.build(g))
		if err := Verify(g); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
		if _, err := Encode(g, nil); err == nil {
			t.Errorf("%s: encoded all the same", name)
		}
	}
}

// TestFree takes a parameter as an input, under its name.
func TestFree(t *testing.T) {
	g, err := Free(small(), func(p string) bool { return p == "to.weight" })
	if err != nil {
		t.Fatal(err)
	}
	last := g.Inputs[len(g.Inputs)-1]
	if last.Name != "to.weight" || last.Kind != Input || last.Shape.String() != "[6, 8]" {
		t.Errorf("the last input is %s %v", last.Name, last.Shape)
	}
	if have, want := len(g.Params), len(small().Params)-1; have != want {
		t.Errorf("%d parameters, want %d", have, want)
	}
}

// TestDropUnused keeps what results and the given values need, and what stood
// before the first node that may go.
func TestDropUnused(t *testing.T) {
	g := small()
	x := g.Inputs[0]
	before := len(g.Nodes)
	consts := len(g.Consts)
	kept := g.Mul(g.Add(x, g.Scalar(5)), x)
	g.Sin(g.Cos(g.Mul(x, g.Scalar(6))))
	g.DropUnused(before, kept)
	if err := Verify(g); err != nil {
		t.Error(err)
	}
	if len(g.Nodes) != before+2 || len(g.Consts) != consts+1 {
		t.Errorf("%d nodes and %d constants, want %d and %d", len(g.Nodes), len(g.Consts), before+2, consts+1)
	}
	g.Result("more", g.Mul(kept, g.Scalar(6))) // a constant that went comes anew
	if err := Verify(g); err != nil {
		t.Error(err)
	}
	g.DropUnused(0)
	for _, n := range g.Nodes {
		if n.Op.Name == "Sin" || n.Op.Name == "Cos" {
			t.Errorf("%s is still there", n.Op.Name)
		}
	}
}
