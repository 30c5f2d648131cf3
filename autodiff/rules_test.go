package autodiff

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/ort"
	"cosmicman/tensor"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *measureFlag != "" {
		peak, err := measure(*measureFlag)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(peak)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestEveryRowHasARule(t *testing.T) {
	if have, want := slices.Sorted(maps.Keys(rules)), onnx.OpNames(); !slices.Equal(have, want) {
		t.Errorf("rules are for %v, the table has %v", have, want)
	}
	for name, r := range rules {
		if r != nil && len(forms[name]) == 0 {
			t.Errorf("the rule of %s is not checked", name)
		}
	}
}

// derived is a form y and, in a second graph, the gradient of sum(y seed) by every
// float leaf, under the names that gradientOf gives.
type derived struct {
	plain, whole *onnx.Graph
	leaves       []string
}

func gradientOf(leaf string) string { return "by " + leaf }

func leavesOf(g *onnx.Graph) (out []*onnx.Value) {
	for _, v := range append(slices.Clone(g.Inputs), g.Params...) {
		if v.DType.IsFloat() {
			out = append(out, v)
		}
	}
	return out
}

func derive(t *testing.T, f form) derived {
	t.Helper()
	write := func() (*onnx.Graph, *onnx.Value, *onnx.Value) {
		g := onnx.NewGraph("form")
		y := f(g)
		seed := g.Input("seed", y.DType, y.Shape...)
		g.Result("loss", g.Sum(g.Reshape(g.Mul(y, seed), onnx.Rest()), true, 0))
		return g, y, seed
	}
	d := derived{}
	d.plain, _, _ = write()
	whole, y, seed := write()
	d.whole = whole
	var by []*onnx.Value
	for _, v := range leavesOf(whole) {
		if v.Name != "like" && v != seed {
			by = append(by, v)
			d.leaves = append(d.leaves, v.Name)
		}
	}
	gradients, err := Backward(whole, Plan{Seeds: []Seed{{y, seed}}, By: by})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		whole.Result(gradientOf(d.leaves[i]), v)
	}
	return d
}

// TestRulesEqualDifferences holds every rule to central differences in float64
// over sizes drawn at random, and to ONNX Runtime in float32.
func TestRulesEqualDifferences(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	for op, all := range forms {
		for i, f := range all {
			t.Run(fmt.Sprint(op, " ", i), func(t *testing.T) {
				d := derive(t, f)
				if !slices.ContainsFunc(d.plain.Nodes, func(n *onnx.Node) bool { return n.Op.Name == op }) {
					t.Fatalf("the form has no %s", op)
				}
				r := rand.New(rand.NewPCG(7, uint64(i)))
				s := session(t, rt, d.whole)
				for range 4 {
					values, symbols := draw(t, d.plain, r)
					got := evaluate(t, d.whole, values)
					for _, leaf := range d.leaves {
						want := differences(t, values[leaf], func() float64 { return evaluate(t, d.plain, values)["loss"].Float64()[0] })
						if off := distance(got[gradientOf(leaf)].Float64(), want); !(off < 1e-7) {
							t.Errorf("%v: by %s: %.2g from central differences", symbols, leaf, off)
						}
					}
					compareRuntime(t, s, values, got, symbols)
				}
			})
		}
	}
}

// TestSecondDerivatives derives the gradients again, which holds the rules to each
// other: what a rule writes must itself be differentiable, and right.
func TestSecondDerivatives(t *testing.T) {
	for op, all := range forms {
		for i, f := range all {
			t.Run(fmt.Sprint(op, " ", i), func(t *testing.T) {
				d := derive(t, f)
				// The sum of all gradients, each times weights of its own.
				var sum *onnx.Value
				for _, leaf := range d.leaves {
					j := slices.IndexFunc(d.whole.Outputs, func(r onnx.Result) bool { return r.Name == gradientOf(leaf) })
					v := d.whole.Outputs[j].Value
					part := d.whole.Mul(v, d.whole.Input("weight of "+leaf, v.DType, v.Shape...))
					if len(part.Shape) > 0 {
						part = d.whole.Sum(part, false, axes(0, len(part.Shape))...)
					}
					if sum == nil {
						sum = part
					} else {
						sum = d.whole.Add(sum, part)
					}
				}
				sum = d.whole.Reshape(sum, onnx.Num(1))
				d.whole.Result("sum", sum)
				r := rand.New(rand.NewPCG(8, uint64(i)))
				for _, leaf := range append([]string{"seed"}, d.leaves...) {
					values, symbols := draw(t, d.whole, r)
					want := differences(t, values[leaf], func() float64 { return evaluate(t, d.whole, values)["sum"].Float64()[0] })
					v := leavesOf(d.whole)[slices.IndexFunc(leavesOf(d.whole), func(v *onnx.Value) bool { return v.Name == leaf })]
					second, err := Gradient(d.whole, sum, v)
					if err != nil && strings.Contains(err.Error(), "does not depend on") {
						if at := slices.IndexFunc(want, func(f float64) bool { return math.Abs(f) > 1e-6 }); at >= 0 {
							t.Errorf("by %s: no derivative, the difference is %g", leaf, want[at])
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					name := "second by " + leaf
					d.whole.Result(name, second[0])
					if off := distance(evaluate(t, d.whole, values)[name].Float64(), want); !(off < 1e-6) {
						t.Errorf("%v: by %s: %.2g from central differences", symbols, leaf, off)
					}
				}
			})
		}
	}
}

// draw gives every symbol a size from 1 to 4 and every leaf its elements; what is
// named positive is that, and integers suit their names.
func draw(t *testing.T, g *onnx.Graph, r *rand.Rand) (map[string]onnxtest.Tensor, map[string]int64) {
	t.Helper()
	symbols := map[string]int64{}
	for _, name := range []string{"rows", "height", "width", "tokens", "queries"} {
		symbols[name] = 1 + r.Int64N(4)
	}
	// Kernels of the forms may be five high and three wide.
	symbols["height"], symbols["width"] = symbols["height"]+2, symbols["width"]+1
	values, err := drawSized(g, r, symbols)
	if err != nil {
		t.Fatal(err)
	}
	return values, symbols
}

func drawSized(g *onnx.Graph, r *rand.Rand, symbols map[string]int64) (map[string]onnxtest.Tensor, error) {
	values := map[string]onnxtest.Tensor{}
	for _, v := range append(slices.Clone(g.Inputs), g.Params...) {
		shape := make(tensor.Shape, len(v.Shape))
		for i, d := range v.Shape {
			size, err := d.Eval(symbols)
			if err != nil {
				return nil, err
			}
			shape[i] = size
		}
		count, _ := shape.Elements()
		if v.DType == i64 {
			ids := make([]int64, count)
			for i := range ids {
				ids[i] = r.Int64N(map[string]int64{"few": 3, "ids": 5}[v.Name])
			}
			values[v.Name] = onnxtest.Ints(ids, shape...)
			continue
		}
		data := make([]float64, count)
		for i := range data {
			data[i] = float64(float32(r.NormFloat64()))
			if v.Name == "positive" {
				data[i] = float64(float32(math.Abs(data[i]) + 0.5))
			}
		}
		values[v.Name] = onnxtest.Floats(data, shape...)
	}
	return values, nil
}

func evaluate(t *testing.T, g *onnx.Graph, values map[string]onnxtest.Tensor) map[string]onnxtest.Tensor {
	t.Helper()
	inputs := map[string]onnxtest.Tensor{}
	for _, v := range g.Inputs {
		inputs[v.Name] = values[v.Name]
	}
	out, err := onnxtest.Eval(g, inputs, func(name string) (onnxtest.Tensor, error) { return values[name], nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// differences is the derivative of f by each element of x, by four points around it.
func differences(t *testing.T, x onnxtest.Tensor, f func() float64) []float64 {
	t.Helper()
	data := x.Float64()
	out := make([]float64, len(data))
	const h = 1e-3
	for i, at := range data {
		value := func(steps float64) float64 {
			data[i] = at + steps*h
			return f()
		}
		out[i] = (8*(value(1)-value(-1)) - (value(2) - value(-2))) / (12 * h)
		data[i] = at
	}
	return out
}

// distance is norm(a - b) over the larger of norm(b) and 1.
func distance(a, b []float64) float64 { return difference(a, b) / max(length(b), 1) }

func difference(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var off float64
	for i, v := range b {
		off += (a[i] - v) * (a[i] - v)
	}
	return math.Sqrt(off)
}

func length(v []float64) float64 { return difference(v, make([]float64, len(v))) }

// session runs a graph with its parameters as inputs.
func session(t *testing.T, rt *ort.Runtime, g *onnx.Graph) *ort.Session {
	t.Helper()
	return profiledSession(t, rt, g, "")
}

func profiledSession(t *testing.T, rt *ort.Runtime, g *onnx.Graph, profile string) *ort.Session {
	t.Helper()
	s, err := newSession(rt, g, profile, ort.Extended)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newSession(rt *ort.Runtime, g *onnx.Graph, profile string, level ort.Level) (*ort.Session, error) {
	free, err := onnx.Free(g, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	model, err := onnx.Encode(free, nil)
	if err != nil {
		return nil, err
	}
	c := ort.SessionConfig{Name: g.Name, Model: model, Threads: 1, Profile: profile, Level: level}
	for _, v := range free.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	for _, v := range free.Outputs {
		if len(v.Value.Shape) > 0 { // of rank 0 none can be read
			c.Outputs = append(c.Outputs, v.Name)
		}
	}
	return rt.NewSession(c)
}

func compareRuntime(t *testing.T, s *ort.Session, values, want map[string]onnxtest.Tensor, symbols map[string]int64) {
	t.Helper()
	out, err := s.Run(t.Context(), narrow(values))
	if err != nil {
		t.Fatalf("%v: %v", symbols, err)
	}
	for name, v := range out {
		if off := distance(wide(v), want[name].Float64()); !(off < 1e-5) {
			t.Errorf("%v: %s: ONNX Runtime is %.2g off", symbols, name, off)
		}
	}
}

func narrow(values map[string]onnxtest.Tensor) map[string]ort.Tensor {
	given := map[string]ort.Tensor{}
	for name, v := range values {
		if ids := v.Int64(); ids != nil {
			given[name] = ort.Ints(ids, v.Shape...)
			continue
		}
		data := make([]float32, len(v.Float64()))
		for i, f := range v.Float64() {
			data[i] = float32(f)
		}
		given[name] = ort.Floats(data, v.Shape...)
	}
	return given
}
