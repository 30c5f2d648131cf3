package autodiff

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/ort"
)

const depth = 12

// tower is residual blocks of two convolutions over a picture, whose skips are
// joined again at its end, and a loss.
func tower() (*onnx.Graph, *onnx.Value, []*onnx.Value) {
	g := onnx.NewGraph("tower")
	const c = 16
	conv := func(x *onnx.Value, name string, in int64) *onnx.Value {
		return g.Conv2D(x, g.Param(name+".weight", c, in, 3, 3), g.Param(name+".bias", c), 1, [4]int64{1, 1, 1, 1})
	}
	x := g.Input("x", f32, rows, n(c), height, width)
	h := x
	var skip *onnx.Value
	for i := range depth {
		in, path := int64(c), fmt.Sprint("block.", i)
		y := h
		if i == depth-1 {
			y, in = g.Concat(1, y, skip), 2*c
		}
		y = g.SiLU(g.GroupNorm(y, g.Param(path+".norm.weight", in), g.Param(path+".norm.bias", in), 4, 1e-5))
		y = conv(g.SiLU(conv(y, path+".conv1", in)), path+".conv2", c)
		h = g.Add(h, y)
		if i == 0 {
			skip = h
		}
	}
	h = g.Mul(h, g.Param("scale", 1))
	loss := g.Sum(g.Reshape(g.Mul(h, h), onnx.Rest()), true, 0)
	g.Result("loss", loss)
	return g, loss, append([]*onnx.Value{x}, g.Params...)
}

// towerBlock is the block of a weight of the tower.
func towerBlock(weight string) string {
	if parts := strings.Split(weight, "."); len(parts) > 2 {
		return parts[0] + "." + parts[1]
	}
	return ""
}

func derivedTower(t *testing.T, block func(string) string) *onnx.Graph {
	t.Helper()
	g, loss, by := tower()
	one, err := One(g, loss)
	if err != nil {
		t.Fatal(err)
	}
	gradients, err := Backward(g, Plan{Seeds: []Seed{one}, By: by, Block: block})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		g.Result(gradientOf(by[i].Name), v)
	}
	return g
}

func count(g *onnx.Graph, op string) (n int) {
	for _, node := range g.Nodes {
		if node.Op.Name == op {
			n++
		}
	}
	return n
}

// TestBlocksAreComputedAnew counts nodes: of each block the first convolution and
// both activations are written twice, the second convolution, whose result no
// rule reads, is not; a Concat more joins what forces the order. And what the runtime runs has them still.
func TestBlocksAreComputedAnew(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	kept, again := derivedTower(t, nil), derivedTower(t, towerBlock)
	for op, more := range map[string]int{"Conv": depth, "QuickGelu": 2 * depth, "GroupNormalization": depth, "Concat": 1 + depth, "Gemm": 0} {
		if have, want := count(again, op), count(kept, op)+more; have != want {
			t.Errorf("%d of %s with blocks, want %d", have, op, want)
		}
	}
	values, _ := draw(t, kept, rand.New(rand.NewPCG(11, 1)))
	for _, g := range []*onnx.Graph{kept, again} {
		if ran := profiled(t, rt, g, values)["Conv"]; ran != count(g, "Conv") {
			t.Errorf("%d convolutions ran, the graph has %d", ran, count(g, "Conv"))
		}
	}
	a, b := evaluate(t, kept, values), evaluate(t, again, values)
	for name, v := range a {
		if off := distance(b[name].Float64(), v.Float64()); !(off < 1e-12) {
			t.Errorf("%s is %.2g off with blocks", name, off)
		}
	}
}

// TestBlocksOfAUNetRun: the runtime leaves what is computed anew in a whole network.
func TestBlocksOfAUNetRun(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	counts := map[bool]int{}
	for _, blocks := range []bool{false, true} {
		g, loss, by := smallUNet()
		one, err := One(g, loss)
		if err != nil {
			t.Fatal(err)
		}
		plan := Plan{Seeds: []Seed{one}, By: by}
		if blocks {
			plan.Block = model.Block
		}
		gradients, err := Backward(g, plan)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range gradients {
			g.Result(gradientOf(by[i].Name), v)
		}
		values, err := drawSized(g, rand.New(rand.NewPCG(15, 1)), map[string]int64{"rows": 1, "height": 8, "width": 8, "tokens": 4})
		if err != nil {
			t.Fatal(err)
		}
		counts[blocks] = count(g, "Conv")
		ran := profiled(t, rt, g, values)
		for _, op := range []string{"Conv", "MultiHeadAttention"} {
			if ran[op] != count(g, op) {
				t.Errorf("blocks %t: %d of %s ran, the graph has %d", blocks, ran[op], op, count(g, op))
			}
		}
	}
	// Each of the 22 resnets computes its first convolution anew.
	if again := counts[true] - counts[false]; again < 22 {
		t.Errorf("%d convolutions with blocks, %d without", counts[true], counts[false])
	}
}

// profiled runs g once and counts by operator what the runtime ran.
func profiled(t *testing.T, rt *ort.Runtime, g *onnx.Graph, values map[string]onnxtest.Tensor) map[string]int {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "profile")
	s := profiledSession(t, rt, g, prefix)
	if _, err := s.Run(t.Context(), narrow(values)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(prefix + "*")
	if err != nil || len(files) != 1 {
		t.Fatalf("profiles %v: %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var events []struct {
		Name string
		Args struct {
			Op string `json:"op_name"`
		}
	}
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, e := range events {
		if strings.HasSuffix(e.Name, "_kernel_time") {
			ran[e.Args.Op]++
		}
	}
	return ran
}
