package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/autodiff"
	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

func unet(t *testing.T, name string) *onnx.Graph {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/zoo", name, "unet", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseUNet(data)
	if err != nil {
		t.Fatal(err)
	}
	g, err := model.UNet(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

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

// TestMapsOfOddImages: maps have the size that convolutions of stride 2 leave.
func TestMapsOfOddImages(t *testing.T) {
	o := DefaultHOLA()
	o.Strides = []int64{8, 16, 32, 64}
	_, layers, err := o.Supervise(unet(t, "tiny-sd"), 8)
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

// TestSupervisedNetwork holds a UNet with supervised layers to the one without, and
// its loss's gradient to central differences along the gradient; that of the values,
// which the last supervised layer's attention does not depend on, is not there.
func TestSupervisedNetwork(t *testing.T) {
	rt := openRuntime(t)
	o := DefaultHOLA()
	const height, width, tokens = 40, 56, 77
	batch := []Sample{
		{Groups: []Group{{Tokens: [2]int{1, 4}, Foreground: true}, {Tokens: [2]int{5, 6}, Labels: []uint8{2, 4}}}, Map: rings(width, height)},
		{},
	}
	plain := unet(t, "tiny-sd")
	given := map[string]ort.Tensor{
		"sample":                noise(1, 2, 4, height/8, width/8),
		"timestep":              ort.Floats([]float32{21, 801}, 2),
		"encoder_hidden_states": noise(2, 2, tokens, 32),
	}
	for _, p := range plain.Params {
		var shape tensor.Shape
		for _, d := range p.Shape {
			n, _ := d.Const()
			shape = append(shape, n)
		}
		n, _ := shape.Elements()
		values := make([]float32, n)
		fill.Tensor(values, fill.Key{Part: "unet", Name: p.Name}, shape)
		given[p.Name] = ort.Floats(values, shape...)
	}
	want := evaluate(t, rt, plain, given)["output"].Float32()

	g, layers, err := o.Supervise(plain, 8)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := o.Loss(g, layers)
	if err != nil {
		t.Fatal(err)
	}
	g.Result("loss", loss)
	names := []string{"conv_in.weight", layers[0].Name + ".to_q.weight", layers[0].Name + ".to_k.weight", "up_blocks.2.attentions.2.transformer_blocks.0.attn2.to_k.weight"}
	var by []*onnx.Value
	for _, name := range names {
		by = append(by, g.Param(name, given[name].Shape...))
	}
	if last := g.Param("up_blocks.2.attentions.2.transformer_blocks.0.attn2.to_v.weight", 64, 32); g.Err() == nil {
		if _, err := autodiff.Gradient(g, loss, last); err == nil || !strings.Contains(err.Error(), "does not depend on") {
			t.Errorf("the last layer's values have a gradient: %v", err)
		}
	}
	gradients, err := autodiff.Gradient(g, loss, by...)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		g.Result("by "+names[i], v)
	}
	targets, err := o.Targets(batch, Shape{height, width, 8, tokens}, layers)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range targets {
		given[k] = v
	}
	ready := session(t, rt, g)
	out := run(t, ready, given)
	wide := make([]float64, len(want))
	for i, v := range want {
		wide[i] = float64(v)
	}
	if off := distance(out["output"].Float32(), wide); !(off < 1e-5) {
		t.Errorf("the supervised network is %.2g from the plain one", off)
	}
	for _, name := range names {
		slope := out["by "+name].Float32()
		var square float64
		for _, v := range slope {
			square += float64(v) * float64(v)
		}
		if square == 0 {
			t.Errorf("by %s: no gradient", name)
			continue
		}
		// A step along the gradient that should change the loss by a 5000th.
		step := float32(1e-4 * float64(out["loss"].Float32()[0]) / square)
		at := given[name]
		value := func(sign float32) float64 {
			moved := make([]float32, len(slope))
			for i, v := range at.Float32() {
				moved[i] = v + sign*step*slope[i]
			}
			given[name] = ort.Floats(moved, at.Shape...)
			return float64(run(t, ready, given)["loss"].Float32()[0])
		}
		got := (value(1) - value(-1)) / (2 * float64(step))
		given[name] = at
		if !(math.Abs(got/square-1) < 0.01) {
			t.Errorf("by %s: the loss changes by %.6g along the gradient, whose square is %.6g", name, got, square)
		}
	}
}

// noise is a tensor of standard normal values.
func noise(seed uint64, shape ...int64) ort.Tensor {
	n, _ := tensor.Shape(shape).Elements()
	values := make([]float32, n)
	diffusion.NewNoise(seed).Normal(values)
	return ort.Floats(values, shape...)
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
