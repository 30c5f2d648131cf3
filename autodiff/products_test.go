package autodiff

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cosmicman/onnx"
)

// TestTurnedImages: with a large weight, of which images are turned round in the
// taps' place, the gradient is what the transposed convolution gives.
func TestTurnedImages(t *testing.T) {
	const channels, count = 256, 1024
	pads := []int64{1, 0, 0, 1}
	g := onnx.NewGraph("turned")
	x := g.Input("x", f32, rows, n(channels), height, width)
	y := convOf(g, x, count, 3, 2, false, []int64{1, 1}, pads...)
	seed := g.Input("seed", f32, y.Shape...)
	gradients, err := Backward(g, Plan{Seeds: []Seed{{y, seed}}, By: []*onnx.Value{x}})
	if err != nil {
		t.Fatal(err)
	}
	turned := func(n *onnx.Node) bool { return n.Op.Name == "Slice" && n.Inputs[0].Node != nil && len(n.Inputs) > 4 }
	if i := slices.IndexFunc(g.Nodes, turned); i < 0 || !g.Nodes[i].Inputs[0].Shape[1].Equal(n(count)) {
		t.Fatal("no image is turned round")
	}
	g.Result("by x", gradients[0])
	g.Result("transposed", apply(g, "ConvTranspose", vs(seed, g.Params[0]),
		"kernel_shape", []int64{3, 2}, "strides", []int64{1, 1}, "pads", pads, "output_padding", []int64{0, 0}))
	values, err := drawSized(g, rand.New(rand.NewPCG(3, 1)), map[string]int64{"rows": 2, "height": 3, "width": 2})
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, g, values)
	if off := distance(got["by x"].Float64(), got["transposed"].Float64()); !(off < 1e-12) {
		t.Errorf("%.2g from the transposed convolution", off)
	}
}
