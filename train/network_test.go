package train

import (
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"testing"

	"cosmicman/autodiff"
	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// networkCase is a UNet with both losses, of oracle/hola.py.
type networkCase struct {
	Name, Model           string
	Options               optionsCase
	Alpha, Beta           float64
	Height, Width, Tokens int
	Timesteps             []float32
	TimeIDs               [][]float32 `json:"time_ids"`
	Noise                 map[string]noiseCase
	Target                noiseCase
	Supervised            []string
	Samples               samplesCase
	HOLA, Loss, Norm      float64
	Gradients             map[string][]float64 // norm, then products with directions
}

type noiseCase struct {
	Shape []int64
	Seed  uint64
}

// TestNetworksEqualPyTorch derives the loss of training by every weight of UNets, with
// every block computed anew and, the first, with everything kept, and compares with PyTorch.
func TestNetworksEqualPyTorch(t *testing.T) {
	rt := openRuntime(t)
	for i, c := range cases[networkCase](t, "testdata/holanet.json") {
		for _, block := range []func(string) string{nil, model.Block} {
			if i > 0 && block == nil {
				continue // one network shows that both ways are equal; each takes seconds
			}
			t.Run(fmt.Sprintf("%s blocks %t", c.Model, block != nil), func(t *testing.T) { c.compare(t, rt, block) })
		}
	}
}

func (c networkCase) compare(t *testing.T, rt *ort.Runtime, block func(string) string) {
	plain := unet(t, c.Model)
	given := weightsOf(plain)
	o := c.Options.hola(c.Alpha, c.Beta)
	g, layers, err := o.Supervise(plain, 8)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	if slices.Sort(c.Supervised); !slices.Equal(names, c.Supervised) {
		t.Fatalf("layers %v are supervised, PyTorch's are %v", names, c.Supervised)
	}
	hola, err := o.Loss(g, layers)
	if err != nil {
		t.Fatal(err)
	}
	out := g.Outputs[0].Value
	off := g.Sub(out, g.Input("target", tensor.Float32, out.Shape...))
	n, _ := tensor.Shape(c.Target.Shape).Elements()
	mean := g.Mul(g.Sum(g.Reshape(g.Mul(off, off), onnx.Rest()), true, 0), g.Scalar(1/float32(n)))
	loss := o.Total(g, mean, hola)
	one, err := autodiff.One(g, loss)
	if err != nil {
		t.Fatal(err)
	}
	by, err := autodiff.Backward(g, autodiff.Plan{Seeds: []autodiff.Seed{one}, By: g.Params, Block: block})
	if err != nil {
		t.Fatal(err)
	}
	g.Result("hola", hola)
	g.Result("loss", loss)
	for i, p := range g.Params {
		g.Result("by "+p.Name, by[i])
	}
	targets, err := o.Targets(c.Samples.batch(), Shape{c.Height, c.Width, 8, c.Tokens}, layers)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(given, targets)
	given["target"] = noise(c.Target.Seed, c.Target.Shape...)
	for name, n := range c.Noise {
		given[name] = noise(n.Seed, n.Shape...)
	}
	given["timestep"] = ort.Floats(c.Timesteps, int64(len(c.Timesteps)))
	if c.TimeIDs != nil {
		given["time_ids"] = ort.Floats(slices.Concat(c.TimeIDs...), int64(len(c.TimeIDs)), model.TimeIDs)
	}
	got := evaluate(t, rt, g, given)
	for name, want := range map[string]float64{"hola": c.HOLA, "loss": c.Loss} {
		if v := float64(got[name].Float32()[0]); !(math.Abs(v-want) <= 1e-5*want) {
			t.Errorf("%s is %.9g, PyTorch's %.9g", name, v, want)
		}
	}
	if len(by) != len(c.Gradients) {
		t.Errorf("%d gradients, PyTorch has %d", len(by), len(c.Gradients))
	}
	worst := 0.0
	for name, ref := range c.Gradients {
		off := c.distance(name, got["by "+name].Float32(), ref)
		worst = max(worst, off)
		if !(off < 1) {
			t.Errorf("by %s: %.3g times the bar from PyTorch's, norm %g", name, off, ref[0])
		}
	}
	if testing.Verbose() {
		t.Logf("worst gradient at %.2g of the bar", worst)
	}
}

// distance estimates norm(g - ref) from products with random directions, as a share of
// what is allowed: 1e-4 of ref's norm and 1e-6 of that of all gradients.
func (c networkCase) distance(name string, g []float32, ref []float64) float64 {
	if len(g) == 0 || len(ref) < 2 {
		return math.NaN()
	}
	direction := make([]float32, len(g))
	var norm, off float64
	for _, v := range g {
		norm += float64(v) * float64(v)
	}
	for i, want := range ref[1:] {
		diffusion.NewNoise(uint64(crc32.ChecksumIEEE(fmt.Appendf(nil, "%s/%s/%d", c.Name, name, i)))).Normal(direction)
		var dot float64
		for j, v := range g {
			dot += float64(v) * float64(direction[j])
		}
		off += (dot - want) * (dot - want) / float64(len(ref)-1)
	}
	return max(math.Sqrt(off), math.Abs(math.Sqrt(norm)-ref[0])) / (1e-4*ref[0] + 1e-6*c.Norm)
}
