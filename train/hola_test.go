package train

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/autodiff"
	"cosmicman/diffusion"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

var lossFile = flag.String("hola", "testdata/hola.json", "the `file` of cases by oracle/hola.py")

// lossCase is one of oracle/hola.py.
type lossCase struct {
	Options               optionsCase
	Height, Width, Tokens int
	Loss                  float64
	Samples               samplesCase
	Layers                []struct {
		Stride int64
		Logits struct {
			Shape []int64
			Seed  uint64
		}
		ByLogits        []float64 `json:"by_logits"`
		ByProbabilities []float64 `json:"by_probabilities"`
	}
}

type optionsCase struct {
	Reduction Reduction
	Heads     Heads
	Resize    Resize
	Maskless  Maskless
}

func (c optionsCase) hola(alpha, beta float64) HOLA {
	return HOLA{
		Alpha: alpha, Beta: beta, Reduction: c.Reduction, Strides: []int64{16},
		Heads: c.Heads, Resize: c.Resize, Maskless: c.Maskless,
	}
}

type samplesCase []struct {
	Height, Width int
	Map           []int
	Groups        []struct {
		Tokens     [2]int
		Labels     []int
		Foreground bool
	}
}

func (c samplesCase) batch() (batch []Sample) {
	labels := func(in []int) (out []uint8) {
		for _, l := range in {
			out = append(out, uint8(l))
		}
		return out
	}
	for _, s := range c {
		sample := Sample{Map: ParsingMap{s.Width, s.Height, labels(s.Map)}}
		for _, g := range s.Groups {
			sample.Groups = append(sample.Groups, Group{g.Tokens, labels(g.Labels), g.Foreground})
		}
		batch = append(batch, sample)
	}
	return batch
}

// grid is the number of positions of maps of a stride over latents of 8 pixels.
func grid(stride int64) onnx.Dim {
	h, w := onnx.Sym("height"), onnx.Sym("width")
	for at := int64(8); at < stride; at *= 2 {
		h, w = h.FloorDiv(1, 2), w.FloorDiv(1, 2)
	}
	return h.Mul(w)
}

// TestEqualsPyTorch compares loss and gradients with the formulas in PyTorch.
func TestEqualsPyTorch(t *testing.T) {
	rt := openRuntime(t)
	for i, c := range cases[lossCase](t, *lossFile) {
		t.Run(fmt.Sprintf("%d %v", i, c.Options), func(t *testing.T) {
			o := c.Options.hola(1, 1)
			g := onnx.NewGraph("hola")
			given := map[string]ort.Tensor{}
			var layers []Layer
			var by []*onnx.Value
			for j, l := range c.Layers {
				name := fmt.Sprint("logits ", j)
				x := g.Input(name, tensor.Float32, onnx.Sym("rows"), onnx.N(l.Logits.Shape[1]), grid(l.Stride), onnx.Sym("tokens"))
				p := g.Softmax(x)
				layers = append(layers, Layer{fmt.Sprint("layer ", j), l.Stride, p})
				by = append(by, x, p)
				values := make([]float32, len(l.ByLogits))
				diffusion.NewNoise(l.Logits.Seed).Normal(values)
				for k := range values {
					values[k] *= 2
				}
				given[name] = ort.Floats(values, l.Logits.Shape...)
			}
			loss, err := o.Loss(g, layers)
			if err != nil {
				t.Fatal(err)
			}
			g.Result("loss", loss)
			gradients, err := autodiff.Gradient(g, loss, by...)
			if err != nil {
				t.Fatal(err)
			}
			for j, v := range gradients {
				g.Result(fmt.Sprint("by ", j), v)
			}
			targets, err := o.Targets(c.Samples.batch(), Shape{c.Height, c.Width, 8, c.Tokens}, layers)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(given, targets)
			out := evaluate(t, rt, g, given)
			got := out["loss"]
			if !slices.Equal(got.Shape, tensor.Shape{1}) || !(math.Abs(float64(got.Float32()[0])-c.Loss) <= 1e-5*c.Loss) {
				t.Errorf("the loss is %v %v, PyTorch's %.9g", got.Shape, got.Data, c.Loss)
			}
			for j, l := range c.Layers {
				if off := distance(out[fmt.Sprint("by ", 2*j)].Float32(), l.ByLogits); !(off <= 1e-5) {
					t.Errorf("layer %d: by logits: %.2g from PyTorch", j, off)
				}
				if off := distance(out[fmt.Sprint("by ", 2*j+1)].Float32(), l.ByProbabilities); !(off <= 1e-5) {
					t.Errorf("layer %d: by probabilities: %.2g from PyTorch", j, off)
				}
			}
		})
	}
}

// distance is norm(a - b) over norm(b), and norm(a) where b is 0.
func distance(a []float32, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var off, norm float64
	for i, v := range b {
		off += (float64(a[i]) - v) * (float64(a[i]) - v)
		norm += v * v
	}
	if norm == 0 {
		norm = 1
	}
	return math.Sqrt(off / norm)
}

// TestTotal weighs both losses.
func TestTotal(t *testing.T) {
	o := DefaultHOLA()
	o.Alpha, o.Beta = 0.5, 3
	g := onnx.NewGraph("total")
	noise, hola := g.Input("noise", tensor.Float32, onnx.N(1)), g.Input("hola", tensor.Float32, onnx.N(1))
	g.Result("both", o.Total(g, noise, hola))
	g.Result("alone", o.Total(g, noise, nil))
	out := evaluate(t, openRuntime(t), g, map[string]ort.Tensor{"noise": ort.Floats([]float32{4}, 1), "hola": ort.Floats([]float32{5}, 1)})
	if got := fmt.Sprint(out["both"].Data, out["alone"].Data); got != "[17] [2]" {
		t.Errorf("losses are %s, want [17] [2]", got)
	}
}

// TestEquivalentBeta: a batch of one group has the same loss times its beta either way.
func TestEquivalentBeta(t *testing.T) {
	authors, paper := DefaultHOLA(), DefaultHOLA()
	authors.Beta, paper.Reduction = 2, ByPaper
	paper.Beta = authors.EquivalentBeta(ByPaper, 6, 3)
	layers := []Layer{{"layer", 16, onnx.NewGraph("p").Input("p", tensor.Float32, onnx.N(1), onnx.N(2), grid(16), onnx.N(9))}}
	batch := []Sample{{Groups: []Group{{Tokens: [2]int{1, 4}}}}}
	var weights []float64
	for _, o := range []HOLA{authors, paper} {
		targets, err := o.Targets(batch, Shape{32, 48, 8, 9}, layers)
		if err != nil {
			t.Fatal(err)
		}
		weights = append(weights, o.Beta*float64(targets[WeightsInput(16)].Float32()[0]))
	}
	if math.Abs(weights[0]/weights[1]-1) > 1e-6 {
		t.Errorf("a map weighs %g by the authors and %g by the paper", weights[0], weights[1])
	}
	if back := paper.EquivalentBeta(ByAuthors, 6, 3); math.Abs(back-2) > 1e-12 {
		t.Errorf("the way back gives %g, want 2", back)
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	if err := DefaultHOLA().Check(); err != nil {
		t.Error(err)
	}
	err := HOLA{Alpha: -1, Beta: math.NaN(), Reduction: "sum", Heads: "none", Resize: "cubic", Maskless: "one", Layers: []string{"a["}, Strides: []int64{0}}.Check()
	for _, want := range []string{"alpha is -1", "beta is NaN", `reduction is "sum"`, `heads is "none"`, `resize is "cubic"`, `maskless is "one"`, `"a["`, "strides has 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	o := DefaultHOLA()
	o.Strides = nil
	if err := o.Check(); err == nil || !strings.Contains(err.Error(), "strides is empty") {
		t.Errorf("no strides: %v", err)
	}
}
