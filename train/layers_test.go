package train

import (
	"fmt"
	"strings"
	"testing"

	"cosmicman/autodiff"
	"cosmicman/onnx"
	"cosmicman/ort"
)

// TestWhatIsSupervised: stride 16 is what the published code picks.
func TestWhatIsSupervised(t *testing.T) {
	by := func(change func(o *HOLA)) HOLA {
		o := DefaultHOLA()
		change(&o)
		return o
	}
	for _, c := range []struct {
		model   string
		o       HOLA
		prefix  string // of the layers, and how many have it
		count   int
		strides string
	}{
		{"tiny-sd", DefaultHOLA(), "down_blocks.1.", 2, "[16]"},
		{"tiny-sd", DefaultHOLA(), "up_blocks.2.", 3, "[16]"},
		{"tiny-sdxl", DefaultHOLA(), "down_blocks.1.", 4, "[16]"},
		{"tiny-sd", by(func(o *HOLA) { o.Strides = []int64{64, 8} }), "mid_block.", 1, "[8 64]"},
		{"tiny-sd", by(func(o *HOLA) { o.Layers = []string{"up_blocks.*.attentions.2.*.*.attn2"} }), "up_blocks.", 3, "[8 16 32]"},
	} {
		_, layers, err := c.o.Supervise(unet(t, c.model), 8)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, l := range layers {
			if strings.HasPrefix(l.Name, c.prefix) {
				count++
			}
			if !strings.HasSuffix(l.Name, ".attn2") {
				t.Errorf("%s: %s is supervised", c.model, l.Name)
			}
		}
		if got := fmt.Sprint(strides(layers)); count != c.count || got != c.strides {
			t.Errorf("%s %v: %d layers at %s of strides %s, want %d of %s", c.model, c.o.Strides, count, c.prefix, got, c.count, c.strides)
		}
	}
	for want, o := range map[string]HOLA{
		"strides [4] pick no layer of unet, which has down_blocks.0.attentions.0.transformer_blocks.0.attn2 (stride 8)": by(func(o *HOLA) { o.Strides = []int64{4} }),
		`layers ["attn2"] pick no layer`: by(func(o *HOLA) { o.Layers = []string{"attn2"} }),
		"heads is":                       by(func(o *HOLA) { o.Heads = "two" }),
	} {
		if _, _, err := o.Supervise(unet(t, "tiny-sd"), 8); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestLayersOfTrainedNetworks: layers are found whatever is done to the projection of
// their keys, and where the block's first attention looks at the text, it is one too.
func TestLayersOfTrainedNetworks(t *testing.T) {
	plain := unet(t, "tiny-sd")
	free, err := onnx.Free(plain, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	lowRank, err := onnx.Rewrite(plain, func(g *onnx.Graph, n *onnx.Node, in []*onnx.Value) *onnx.Value {
		key, ok := "", false
		if n.Op.Name == "Gemm" {
			key, ok = strings.CutSuffix(in[1].Name, ".to_k.weight")
		}
		if !ok {
			return nil
		}
		width, _ := in[0].Shape[1].Const()
		out, _ := n.Output.Shape[1].Const()
		delta := g.Linear(g.Linear(in[0], g.Param(key+".to_k.lora_A.weight", 2, width), nil), g.Param(key+".to_k.lora_B.weight", out, 2), nil)
		return g.Add(delta, g.Linear(in[0], in[1], nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, g := range map[string]*onnx.Graph{"free": free, "low rank": lowRank} {
		_, layers, err := DefaultHOLA().Supervise(g, 8)
		if err != nil || len(layers) != 5 || layers[0].Name != "down_blocks.1.attentions.0.transformer_blocks.0.attn2" {
			t.Errorf("%s: %d layers (%v), want 5", what, len(layers), err)
		}
	}
	cross := unet(t, "odd-cross")
	o := DefaultHOLA()
	o.Layers = []string{"*.*.*.*.*.*.attn1"}
	_, layers, err := o.Supervise(cross, 8)
	if err != nil || len(layers) == 0 {
		t.Errorf("attentions that only look at the text: %d (%v)", len(layers), err)
	}
	if _, _, err := o.Supervise(plain, 8); err == nil {
		t.Error("an attention of the image to itself is supervised")
	}
}

// TestMapsOfOddImages: maps have the size that convolutions of stride 2 leave.
func TestMapsOfOddImages(t *testing.T) {
	o := DefaultHOLA()
	o.Strides = []int64{8, 16, 32, 64}
	g := unet(t, "tiny-sd")
	_, layers, err := o.Supervise(g, 8)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64][2]int{8: {9, 13}, 16: {5, 7}, 32: {3, 4}, 64: {2, 2}}
	for _, l := range layers {
		h, w, err := l.mapSize(Shape{Height: 72, Width: 104, Pixels: 8})
		if err != nil || want[l.Stride] != [2]int{h, w} {
			t.Errorf("%s: %dx%d (%v), want %v", l.Name, h, w, err, want[l.Stride])
		}
	}
	if _, _, err := layers[0].mapSize(Shape{Height: 70, Width: 104, Pixels: 8}); err == nil {
		t.Error("70 pixels have latents of 8")
	}
}

// TestSupervisedNetwork holds a UNet with supervised layers to the one without. The
// loss does not depend on the last supervised layer's values.
func TestSupervisedNetwork(t *testing.T) {
	rt := openRuntime(t)
	plain := unet(t, "tiny-sd")
	given := weightsOf(plain)
	given["sample"] = noise(1, 2, 4, 5, 7)
	given["timestep"] = ort.Floats([]float32{21, 801}, 2)
	given["encoder_hidden_states"] = noise(2, 2, 77, 32)
	o := DefaultHOLA()
	g, layers, err := o.Supervise(plain, 8)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, 2*4*5*7)
	for i, v := range evaluate(t, rt, plain, given)["output"].Float32() {
		want[i] = float64(v)
	}
	if off := distance(evaluate(t, rt, g, given)["output"].Float32(), want); !(off < 1e-5) {
		t.Errorf("the supervised network is %.2g from the plain one", off)
	}
	loss, err := o.Loss(g, layers)
	if err != nil {
		t.Fatal(err)
	}
	last := "up_blocks.2.attentions.2.transformer_blocks.0.attn2"
	for name, depends := range map[string]bool{".to_q.weight": true, ".to_k.weight": true, ".to_v.weight": false} {
		_, err := autodiff.Gradient(g, loss, g.Param(last+name, given[last+name].Shape...))
		if (err == nil) != depends {
			t.Errorf("by %s: %v", last+name, err)
		}
	}
}

// rings is a parsing map of boxes within boxes, of labels 0 to 5 from the edge on.
func rings(width, height int) ParsingMap {
	m := ParsingMap{width, height, make([]uint8, width*height)}
	for y := range height {
		for x := range width {
			m.Labels[y*width+x] = uint8(min(x, y, width-1-x, height-1-y, 15) / 3)
		}
	}
	return m
}
