package autodiff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/ort"
	"cosmicman/tensor"
)

func TestBackwardRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		derive func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error)
		want   string
	}{
		"no scalar": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) { return Gradient(g, g.Exp(x), x) }, "expected floats of one element"},
		"integers": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Gradient(g, g.ShapeOf(x, 0, 1), x)
		}, "int64[1], expected floats"},
		"by integers": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Gradient(g, g.Sum(x, true, 0, 1), x, g.Input("ids", i64, rows))
		}, "ids is int64"},
		"independent": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Gradient(g, g.Sum(x, true, 0, 1), x, g.Input("z", f32, rows), g.Param("w", 3))
		}, "does not depend on z, w"},
		"through an integer": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Gradient(g, g.Sum(g.Cast(g.Cast(x, i64), f32), true, 0, 1), x)
		}, "does not depend on x"},
		"no seed": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Backward(g, Plan{By: []*onnx.Value{x}})
		}, "no loss"},
		"heads": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Backward(g, Plan{By: []*onnx.Value{x}, Seeds: []Seed{{x, x}}, Heads: -1})
		}, "-1 heads at a time"},
		"seed's shape": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Backward(g, Plan{By: []*onnx.Value{x}, Seeds: []Seed{{g.Exp(x), g.Scalar(1)}}})
		}, "is float32[]"},
		"too few sums": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Backward(g, Plan{By: []*onnx.Value{x}, To: []*onnx.Value{}, Seeds: []Seed{{x, x}}})
		}, "1 gradients are to be added to 0 values"},
		"a sum's shape": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Backward(g, Plan{By: []*onnx.Value{x}, To: []*onnx.Value{g.Input("sum", f32, rows)}, Seeds: []Seed{{x, x}}})
		}, "the gradient by x float32[rows, 3] is to be added to float32[rows]"},
		"faulty graph": {func(g *onnx.Graph, x *onnx.Value) ([]*onnx.Value, error) {
			return Gradient(g, g.Sum(g.MatMul(x, x), true, 0, 1), x)
		}, "inner dimensions"},
	} {
		g := onnx.NewGraph("bad")
		_, err := c.derive(g, g.Input("x", f32, rows, n(3)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// TestGradientByInnerValues derives by a node's output and by the loss itself, and
// what comes out can be handed out.
func TestGradientByInnerValues(t *testing.T) {
	g := onnx.NewGraph("inner")
	x := g.Input("x", f32, rows)
	y := g.Mul(x, g.Scalar(3))
	loss := g.Sum(g.Mul(y, y), true, 0)
	by, err := Gradient(g, loss, y, loss, x)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"dy", "one", "dx"} {
		g.Result(name, by[i])
	}
	out := evaluate(t, g, map[string]onnxtest.Tensor{"x": onnxtest.Floats([]float64{1, -2}, 2)})
	for name, want := range map[string]string{"dy": "[6 -12]", "one": "[1]", "dx": "[18 -36]"} {
		if got := fmt.Sprint(out[name].Float64()); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestGradientsAreAdded: a gradient that has a value to be added to is added, another
// one is what it is.
func TestGradientsAreAdded(t *testing.T) {
	g := onnx.NewGraph("sums")
	x, y, sum := g.Input("x", f32, rows), g.Input("y", f32, rows), g.Input("sum", f32, rows)
	loss := g.Sum(g.Mul(g.Mul(x, x), y), true, 0)
	one, err := One(g, loss)
	if err != nil {
		t.Fatal(err)
	}
	by, err := Backward(g, Plan{Seeds: []Seed{one}, By: []*onnx.Value{x, y}, To: []*onnx.Value{sum, nil}})
	if err != nil {
		t.Fatal(err)
	}
	g.Result("by x", by[0])
	g.Result("by y", by[1])
	got, err := onnxtest.Eval(g, map[string]onnxtest.Tensor{
		"x": onnxtest.Floats([]float64{2, 3}, 2), "y": onnxtest.Floats([]float64{5, 7}, 2), "sum": onnxtest.Floats([]float64{100, 200}, 2),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(got["by x"].Float64()), fmt.Sprint(got["by y"].Float64()); a != "[120 242]" || b != "[4 9]" {
		t.Errorf("by x %s, by y %s, want [120 242] and [4 9]", a, b)
	}
}

// TestNothingUnused: what a rule wrote and nobody needs is gone.
func TestNothingUnused(t *testing.T) {
	for op, all := range forms {
		for i, f := range all {
			d := derive(t, f)
			used := map[*onnx.Value]bool{}
			for _, r := range d.whole.Outputs {
				used[r.Value] = true
			}
			for _, n := range d.whole.Nodes {
				for _, v := range n.Inputs {
					used[v] = true
				}
			}
			for _, n := range d.whole.Nodes {
				if !used[n.Output] {
					t.Errorf("%s %d: nobody reads %s", op, i, n.Output.Name)
				}
			}
			for _, c := range d.whole.Consts {
				if !used[c] {
					t.Errorf("%s %d: nobody reads constant %v", op, i, c.Data)
				}
			}
		}
	}
}

// TestAttentionEqualsTheFusedOne holds the attention in plain operators to the
// fused operator, and a loss on its probabilities to central differences.
func TestAttentionEqualsTheFusedOne(t *testing.T) {
	for i, bias := range []onnx.Shape{nil, {n(1), n(1), queries, tokens}} {
		build := func(probabilities bool) *onnx.Graph {
			g := onnx.NewGraph("attention")
			q, k, v := g.Input("q", f32, rows, queries, n(4)), g.Input("k", f32, rows, tokens, n(4)), g.Input("v", f32, rows, tokens, n(6))
			var b *onnx.Value
			if bias != nil {
				b = g.Input("bias", f32, bias...)
			}
			out, p := Attention(g, q, k, v, 2, 0, b)
			g.Result("out", out)
			g.Result("fused", g.Attention(q, k, v, 2, b))
			seed := g.Input("seed", f32, p.Shape...)
			p = g.Mul(g.Mul(p, p), seed)
			loss := g.Sum(p, false, 1, 2, 3)
			loss = g.Add(g.Sum(loss, true, 0), g.Sum(g.Sum(g.Mul(out, out), false, 1, 2), true, 0))
			g.Result("loss", loss)
			if probabilities {
				by, err := Gradient(g, loss, q, k, v)
				if err != nil {
					t.Fatal(err)
				}
				g.Result("by q", by[0])
				g.Result("by k", by[1])
				g.Result("by v", by[2])
			}
			return g
		}
		plain, whole := build(false), build(true)
		values, symbols := draw(t, plain, rand.New(rand.NewPCG(9, uint64(i))))
		got := evaluate(t, whole, values)
		if off := distance(got["out"].Float64(), got["fused"].Float64()); !(off < 1e-7) { // the scale is a float32
			t.Errorf("%v: %.2g from the fused operator", symbols, off)
		}
		for _, name := range []string{"q", "k", "v"} {
			want := differences(t, values[name], func() float64 { return evaluate(t, plain, values)["loss"].Float64()[0] })
			if off := distance(got["by "+name].Float64(), want); !(off < 1e-7) {
				t.Errorf("%v: by %s: %.2g from central differences", symbols, name, off)
			}
		}
	}
}

// TestOnlyWhatIsWanted: with frozen weights nothing of their gradients is written,
// and what lies before the first value that is derived by is not gone through.
func TestOnlyWhatIsWanted(t *testing.T) {
	build := func() (*onnx.Graph, *onnx.Value, []*onnx.Value) {
		g := onnx.NewGraph("adapted")
		h := convOf(g, g.Input("x", f32, rows, n(2), height, width), 3, 3, 3, true, []int64{1, 1}, 1, 1, 1, 1)
		h = g.Transpose(g.SiLU(h), 0, 2, 3, 1)
		h = g.Reshape(h, onnx.Rest(), onnx.Num(3))
		// A frozen linear layer with a factor of low rank beside it.
		down, up := g.Input("down", f32, n(2), n(3)), g.Input("up", f32, n(4), n(2))
		y := g.Add(g.Linear(h, g.Param("frozen", 4, 3), g.Param("bias", 4)), g.Linear(g.Linear(h, down, nil), up, nil))
		loss := g.Sum(g.Reshape(g.Mul(y, y), onnx.Rest()), true, 0)
		g.Result("loss", loss)
		return g, loss, []*onnx.Value{down, up}
	}
	plain, _, _ := build()
	g, loss, by := build()
	before := count(g, "Gemm")
	gradients, err := Gradient(g, loss, by...)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		g.Result(gradientOf(by[i].Name), v)
	}
	for op, want := range map[string]int{"Gemm": before + 3, "Conv": 1, "Pad": 0, "QuickGelu": 1, "Sigmoid": 0} {
		if have := count(g, op); have != want {
			t.Errorf("%d of %s, want %d", have, op, want)
		}
	}
	values, symbols := draw(t, g, rand.New(rand.NewPCG(16, 1)))
	got := evaluate(t, g, values)
	for _, v := range by {
		want := differences(t, values[v.Name], func() float64 { return evaluate(t, plain, values)["loss"].Float64()[0] })
		if off := distance(got[gradientOf(v.Name)].Float64(), want); !(off < 1e-7) {
			t.Errorf("%v: by %s: %.2g from central differences", symbols, v.Name, off)
		}
	}
}

// TestHeadsByGroups: how many heads are derived at a time changes no result.
func TestHeadsByGroups(t *testing.T) {
	for _, wanted := range [][]string{{"q", "k", "v"}, {"k"}, {"v"}, {"q", "v"}} {
		results := map[int64]map[string]onnxtest.Tensor{}
		for _, most := range []int64{0, 1, 2, 3, 5} {
			g := onnx.NewGraph("heads")
			leaves := map[string]*onnx.Value{
				"q": g.Input("q", f32, rows, queries, n(6)), "k": g.Input("k", f32, rows, tokens, n(6)), "v": g.Input("v", f32, rows, tokens, n(6)),
			}
			y := g.Attention(leaves["q"], leaves["k"], leaves["v"], 3, nil)
			var by []*onnx.Value
			for _, name := range wanted {
				by = append(by, leaves[name])
			}
			gradients, err := Backward(g, Plan{Seeds: []Seed{{y, g.Input("seed", f32, y.Shape...)}}, By: by, Heads: most})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range gradients {
				g.Result(gradientOf(wanted[i]), v)
			}
			if softmaxes, want := count(g, "Softmax"), map[int64]int{0: 1, 1: 3, 2: 2, 3: 1, 5: 1}[most]; softmaxes != want {
				t.Errorf("%d at a time: %d groups, want %d", most, softmaxes, want)
			}
			values, _ := draw(t, g, rand.New(rand.NewPCG(13, 1)))
			results[most] = evaluate(t, g, values)
			for name, v := range results[0] {
				if off := distance(results[most][name].Float64(), v.Float64()); !(off < 1e-12) {
					t.Errorf("%d at a time, of %v: %s is %.2g off", most, wanted, name, off)
				}
			}
		}
	}
}

// TestOtherWidths derives in float64 on ONNX Runtime: constants follow the type.
func TestOtherWidths(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	g := onnx.NewGraph("wide")
	x := g.Cast(g.Input("x", f32, rows, n(4)), tensor.Float64)
	scale := g.Cast(g.Param("scale", 4), tensor.Float64)
	bias := g.Cast(g.Param("bias", 4), tensor.Float64)
	y := g.Softmax(g.LayerNorm(x, scale, bias, 1e-5))
	loss := g.Sum(g.Cast(g.Mul(y, g.Mul(y, y)), f32), true, 0, 1)
	by, err := Gradient(g, loss, g.Inputs[0], g.Params[0], g.Params[1])
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range by {
		g.Result(fmt.Sprint("by ", i), v)
	}
	s := session(t, rt, g)
	values, symbols := draw(t, g, rand.New(rand.NewPCG(10, 1)))
	compareRuntime(t, s, values, evaluate(t, g, values), symbols)
}

// TestNarrowNorms: groups with more elements than float16 counts have a gradient
// in float16.
func TestNarrowNorms(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	g := onnx.NewGraph("narrow")
	half := func(v *onnx.Value) *onnx.Value { return g.Cast(v, tensor.Float16) }
	x, scale, bias := picture(g, 8), g.Param("scale", 8), g.Param("bias", 8)
	y := g.Cast(g.GroupNorm(half(x), half(scale), half(bias), 1, 1e-5), f32)
	gradients, err := Backward(g, Plan{Seeds: []Seed{{y, g.Input("seed", f32, y.Shape...)}}, By: []*onnx.Value{x, scale, bias}})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		g.Result(fmt.Sprint("by ", i), v)
	}
	for _, n := range g.Nodes { // the runtime's CPU computes in float32 anyway, and would not show it
		if n.Op.Name == "ReduceSum" && n.Output.DType != f32 {
			t.Errorf("%s sums in %v", n.Output.Name, n.Output.DType)
		}
	}
	values, err := drawSized(g, rand.New(rand.NewPCG(14, 1)), map[string]int64{"rows": 1, "height": 112, "width": 128})
	if err != nil {
		t.Fatal(err)
	}
	want := evaluate(t, g, values)
	out, err := session(t, rt, g).Run(t.Context(), narrow(values))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range out {
		if off := distance(wide(v), want[name].Float64()); !(off < 2e-3) {
			t.Errorf("%s is %.2g off", name, off)
		}
	}
}
