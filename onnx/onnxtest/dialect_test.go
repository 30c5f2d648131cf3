package onnxtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"cosmicman/onnx"
	"cosmicman/ort"
)

// mixed is a small network of everything that a UNet's block has.
func mixed() *onnx.Graph {
	g := onnx.NewGraph("mixed")
	x := picture(g, 4)
	h := g.Conv2D(x, g.Param("conv.weight", 6, 4, 3, 3), g.Param("conv.bias", 6), 2, [4]int64{1, 1, 1, 1})
	h = g.SiLU(g.GroupNorm(h, g.Param("norm.weight", 6), g.Param("norm.bias", 6), 3, 1e-5))
	t := g.Reshape(g.Transpose(h, 0, 2, 3, 1), onnx.Rest(), onnx.Num(6))
	t = g.LayerNorm(t, g.Param("ln.weight", 6), g.Param("ln.bias", 6), 1e-5)
	t = g.Linear(t, g.Param("to.weight", 6, 6), nil)
	t = g.Reshape(t, onnx.Of(x, 0), onnx.Rest(), onnx.Num(6))
	t = g.Attention(t, t, t, 2, nil)
	t = g.Transpose(g.Reshape(t, onnx.Of(h, 0), onnx.Of(h, 2), onnx.Of(h, 3), onnx.Num(6)), 0, 3, 1, 2)
	g.Result("tokens", t)
	t = g.UpsampleTo(g.Add(t, h), x)
	g.Result("up", g.GroupNorm(g.Concat(1, t, x), g.Param("out.weight", 10), g.Param("out.bias", 10), 5, 1e-6))
	return g
}

// TestCPUDialect holds the CPU's rewriting to the plain graph's numbers.
func TestCPUDialect(t *testing.T) {
	graphs := map[string]*onnx.Graph{"mixed": mixed()}
	for i, form := range forms["GroupNormalization"] {
		g := onnx.NewGraph("norm")
		g.Result("y", form(g))
		graphs[fmt.Sprint("norm ", i)] = g
	}
	for name, g := range graphs {
		cpu, err := onnx.CPU(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range cpu.Nodes {
			if n.Op.Name == "GroupNormalization" {
				t.Errorf("%s: the CPU dialect has a GroupNormalization", name)
			}
		}
		r := rand.New(rand.NewPCG(2, 3))
		drawn := drawParams(g, r)
		params := func(name string) (Tensor, error) { return drawn[name], nil }
		for range 6 {
			in, symbols := drawInputs(t, g, r)
			want, err := Eval(g, in, params)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Eval(cpu, in, params)
			if err != nil {
				t.Fatal(err)
			}
			for result, w := range want {
				if d, err := distance(got[result], w); err != nil || !(d <= 1e-12) {
					t.Errorf("%s, %v: %s is %.2g off: %v", name, symbols, result, d, err)
				}
			}
		}
	}
}

// TestMixedEqualsRuntime runs operators after one another, in both dialects.
func TestMixedEqualsRuntime(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	t.Run("plain", func(t *testing.T) { compare(t, rt, mixed(), 8) })
	cpu, err := onnx.CPU(mixed())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("cpu", func(t *testing.T) { compare(t, rt, cpu, 8) })
}

// TestUpsampleToIsExact holds ONNX Runtime, which divides in float32, to
// floor(i * in / out) for every size that a skip connection can have: what was
// halved by rounding up or down. At other ratios its rounding shows.
func TestUpsampleToIsExact(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	g := onnx.NewGraph("upsample")
	x := g.Input("x", f32, onnx.N(1), onnx.N(1), onnx.N(1), width)
	like := g.Input("like", f32, onnx.N(1), onnx.N(1), onnx.N(1), tokens)
	g.Result("y", g.UpsampleTo(x, like))
	s := session(t, rt, g, nil)
	for in := int64(1); in <= 256; in++ {
		for out := 2*in - 1; out <= 2*in+1; out++ {
			line := make([]float64, in)
			for i := range line {
				line[i] = float64(i)
			}
			inputs := map[string]Tensor{"x": Floats(line, 1, 1, 1, in), "like": Floats(make([]float64, out), 1, 1, 1, out)}
			want, err := Eval(g, inputs, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Run(t.Context(), map[string]ort.Tensor{"x": narrow(inputs["x"]), "like": narrow(inputs["like"])})
			if err != nil {
				t.Fatal(err)
			}
			if d, err := distance(wide(got["y"]), want["y"]); d != 0 || err != nil {
				t.Errorf("%d to %d: %v is not %v", in, out, got["y"].Data, want["y"].Data)
			}
		}
	}
}
