package model

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/tensor"
)

// TestAddLoRA compares a network with low-rank terms to one whose weights have them
// added in: y = (W + scale B A) x.
func TestAddLoRA(t *testing.T) {
	g := onnx.NewGraph("small")
	b := builder{Graph: g}
	x := g.Input("x", tensor.Float32, onnx.Sym("rows"), onnx.N(3), onnx.Sym("height"), onnx.Sym("width"))
	y := b.convWith(x, "down.conv", 5, 3, 2, [4]int64{0, 0, 1, 1})
	y = b.conv(y, "wide", 4, 3)
	y = b.linear(b.tokens(y), "to_q", 6, false)
	g.Result("y", b.linear(y, "to_out.0", 2, true))

	rank := map[string]Rank{"down.conv": {2, 0.5}, "to_q": {3, 2}, "to_out.0": {1, -1}}
	changed, terms, err := AddLoRA(g, func(m Module) Rank { return rank[m.Path] })
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	given := map[string]onnxtest.Tensor{}
	draw := func(name string, shape ...int64) {
		n, _ := tensor.Shape(shape).Elements()
		values := make([]float64, n)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		given[name] = onnxtest.Floats(values, shape...)
	}
	draw("x", 2, 3, 7, 5)
	for _, v := range append(slices.Clone(g.Params), changed.Inputs[1:]...) {
		draw(v.Name, numbers(t, v.Shape, nil)...)
	}
	params := func(name string) (onnxtest.Tensor, error) { return given[name], nil }
	got, err := onnxtest.Eval(changed, inputsOf(changed, given), params)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, l := range terms {
		paths = append(paths, l.Path)
		w, a, up := given[l.Path+".weight"], given[l.A.Name], given[l.B.Name]
		r := rank[l.Path]
		in := len(a.Float64()) / int(r.Rank)
		sum := slices.Clone(w.Float64())
		for i := range sum {
			for k := range int(r.Rank) {
				sum[i] += r.Scale * up.Float64()[i/in*int(r.Rank)+k] * a.Float64()[k*in+i%in]
			}
		}
		given[l.Path+".weight"] = onnxtest.Floats(sum, w.Shape...)
	}
	if want := []string{"down.conv", "to_q", "to_out.0"}; !slices.Equal(paths, want) {
		t.Errorf("terms of %v, want %v", paths, want)
	}
	want, err := onnxtest.Eval(g, inputsOf(g, given), params)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range want["y"].Float64() {
		if d := math.Abs(v - got["y"].Float64()[i]); !(d < 1e-9) {
			t.Fatalf("element %d is %g, want %g", i, got["y"].Float64()[i], v)
		}
	}
	if _, _, err := AddLoRA(g, func(Module) Rank { return Rank{-1, 1} }); err == nil {
		t.Error("a rank of -1 is accepted")
	}
}

// TestModules counts the modules of a UNet: every linear layer and convolution has a
// weight of its own, and low-rank factors are none.
func TestModules(t *testing.T) {
	data, err := os.ReadFile("../testdata/zoo/tiny-sdxl/unet/config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseUNet(data)
	if err != nil {
		t.Fatal(err)
	}
	g, err := UNet(c)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, p := range g.Params {
		if path, ok := strings.CutSuffix(p.Name, ".weight"); ok && len(p.Shape) > 1 {
			want[path] = true
		}
	}
	changed, terms, err := AddLoRA(g, func(Module) Rank { return Rank{4, 1} })
	if err != nil || len(terms) != len(want) {
		t.Fatalf("%d low-rank terms for %d weights: %v", len(terms), len(want), err)
	}
	for _, g := range []*onnx.Graph{g, changed} {
		modules := Modules(g)
		for _, m := range modules {
			if !want[m.Path] {
				t.Errorf("%s is a module", m.Path)
			}
		}
		if len(modules) != len(want) {
			t.Errorf("%d modules of %d weights", len(modules), len(want))
		}
	}
}

func inputsOf(g *onnx.Graph, given map[string]onnxtest.Tensor) map[string]onnxtest.Tensor {
	inputs := map[string]onnxtest.Tensor{}
	for _, v := range g.Inputs {
		inputs[v.Name] = given[v.Name]
	}
	return inputs
}
