package autodiff

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// gradientCase is one of oracle/gradients.py.
type gradientCase struct {
	Name, Model, Part string
	IDs               [][]int64
	Timesteps         []float32
	TimeIDs           [][]float32 `json:"time_ids"`
	Noise, Targets    map[string]noise
	Loss, Norm        float64
	Gradients         map[string][]float64 // norm, then products with directions
}

type noise struct {
	Shape []int64
	Seed  uint64
}

func (n noise) draw() ort.Tensor {
	size, _ := tensor.Shape(n.Shape).Elements()
	values := make([]float32, size)
	diffusion.NewNoise(n.Seed).Normal(values)
	return ort.Floats(values, n.Shape...)
}

// TestNetworksEqualPyTorch derives whole networks by every weight and input on
// ONNX Runtime and compares with PyTorch's gradients, with everything kept and
// with every block computed anew.
func TestNetworksEqualPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Seed       uint64 `json:"model_seed"`
		Directions int
		Cases      []gradientCase
	}
	if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(fixture.Cases), err)
	}
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	for _, c := range fixture.Cases {
		t.Run(c.Name, func(t *testing.T) {
			loss, gradients := c.run(t, rt, fixture.Seed, nil)
			if d := math.Abs(loss-c.Loss) / c.Loss; !(d < 1e-6) {
				t.Errorf("the loss is %.9g, PyTorch's %.9g", loss, c.Loss)
			}
			if len(gradients) != len(c.Gradients) {
				t.Errorf("%d gradients, PyTorch has %d", len(gradients), len(c.Gradients))
			}
			worst := 0.0
			for name, ref := range c.Gradients {
				off := c.distance(t, name, gradients[name], ref)
				worst = max(worst, off)
				if !(off < 1) {
					t.Errorf("by %s: %.3g times the bar from PyTorch's, norm %g", name, off, ref[0])
				}
			}
			if testing.Verbose() {
				t.Logf("worst gradient at %.2g of the bar", worst)
			}
			again, recomputed := c.run(t, rt, fixture.Seed, model.Block)
			if again != loss {
				t.Errorf("the loss is %.9g with blocks, %.9g without", again, loss)
			}
			for name, g := range gradients {
				a, b := wide(recomputed[name]), wide(g)
				if off := difference(a, b); !(off <= 1e-6*length(b)+1e-7*c.Norm) {
					t.Errorf("by %s: %.2g off with blocks", name, off)
				}
			}
		})
	}
}

func wide(v ort.Tensor) []float64 {
	values, _ := v.Data.([]float32)
	out := make([]float64, len(values))
	for i, f := range values {
		out[i] = float64(f)
	}
	return out
}

// distance estimates norm(g - ref) from products with random directions, as a share
// of what is allowed: 1e-4 of ref's norm and 1e-6 of that of all gradients.
func (c gradientCase) distance(t *testing.T, name string, g ort.Tensor, ref []float64) float64 {
	values, _ := g.Data.([]float32)
	if len(values) == 0 || len(ref) < 2 {
		return math.NaN()
	}
	direction := make([]float32, len(values))
	var norm, off float64
	for _, v := range values {
		norm += float64(v) * float64(v)
	}
	for i, want := range ref[1:] {
		diffusion.NewNoise(uint64(crc32.ChecksumIEEE(fmt.Appendf(nil, "%s/%s/%d", c.Name, name, i)))).Normal(direction)
		var dot float64
		for j, v := range values {
			dot += float64(v) * float64(direction[j])
		}
		off += (dot - want) * (dot - want) / float64(len(ref)-1)
	}
	bar := 1e-4*ref[0] + 1e-6*c.Norm
	return max(math.Sqrt(off), math.Abs(math.Sqrt(norm)-ref[0])) / bar
}

// run returns the loss and the gradients by name.
func (c gradientCase) run(t *testing.T, rt *ort.Runtime, seed uint64, block func(string) string) (float64, map[string]ort.Tensor) {
	folder := strings.TrimSuffix(strings.TrimSuffix(c.Part, "_decoder"), "_encoder")
	if strings.HasPrefix(c.Part, "text") {
		folder = c.Part
	}
	g, given := c.graph(t, folder)
	for k, n := range c.Noise {
		given[k] = n.draw()
	}
	seeds := c.loss(t, g, given)
	var by []*onnx.Value
	var names []string
	for _, v := range append(append([]*onnx.Value{}, g.Params...), g.Inputs...) {
		if _, ok := c.Gradients[v.Name]; ok {
			by, names = append(by, v), append(names, v.Name)
		}
	}
	gradients, err := Backward(g, Plan{Seeds: seeds, By: by, Block: block})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range gradients {
		g.Result(gradientOf(names[i]), v)
	}
	for _, p := range g.Params {
		shape := make(tensor.Shape, len(p.Shape))
		for i, d := range p.Shape {
			shape[i], _ = d.Const()
		}
		n, _ := shape.Elements()
		values := make([]float32, n)
		fill.Tensor(values, fill.Key{Seed: seed, Part: folder, Name: p.Name}, shape)
		given[p.Name] = ort.Floats(values, shape...)
	}
	cpu, err := onnx.CPU(g)
	if err != nil {
		t.Fatal(err)
	}
	level := ort.Extended
	if block != nil {
		level = ort.None // makes the session in a third of the time; the graph as it was written is right
	}
	s, err := newSession(rt, cpu, "", level)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name := range given {
		if !hasInput(cpu, name) {
			t.Errorf("the network has no %s", name)
		}
	}
	out, err := s.Run(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	loss := float64(out["loss"].Float32()[0])
	got := map[string]ort.Tensor{}
	for _, name := range names {
		got[name] = out[gradientOf(name)]
	}
	return loss, got
}

func hasInput(g *onnx.Graph, name string) bool {
	for _, v := range append(append([]*onnx.Value{}, g.Params...), g.Inputs...) {
		if v.Name == name {
			return true
		}
	}
	return false
}

// graph writes the network and gives the inputs that are not noise.
func (c gradientCase) graph(t *testing.T, folder string) (*onnx.Graph, map[string]ort.Tensor) {
	config, err := os.ReadFile(filepath.Join("../testdata/zoo", c.Model, folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]ort.Tensor{}
	var g *onnx.Graph
	switch c.Part {
	case "unet":
		u, e := model.ParseUNet(config)
		if e != nil {
			t.Fatal(e)
		}
		g, err = model.UNet(u)
		given["timestep"] = ort.Floats(c.Timesteps, int64(len(c.Timesteps)))
		if c.TimeIDs != nil {
			var ids []float32
			for _, row := range c.TimeIDs {
				ids = append(ids, row...)
			}
			given["time_ids"] = ort.Floats(ids, int64(len(c.TimeIDs)), model.TimeIDs)
		}
	case "vae_encoder", "vae_decoder":
		v, e := model.ParseVAE(config)
		if e != nil {
			t.Fatal(e)
		}
		half := model.VAEEncoder
		if c.Part == "vae_decoder" {
			half = model.VAEDecoder
		}
		g, err = half(v)
	default:
		x, e := model.ParseText(config, c.Part == "text_encoder_2")
		if e != nil {
			t.Fatal(e)
		}
		g, err = model.Text(x)
		var ids, index []int64
		for i, row := range c.IDs {
			ids = append(ids, row...)
			index = append(index, int64(i*len(row)+x.PooledAt(row)))
		}
		rows := int64(len(c.IDs))
		given["input_ids"], given["pooled_index"] = ort.Ints(ids, rows, int64(len(ids))/rows), ort.Ints(index, rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g, given
}

// loss adds the mean squares of the distances from the targets to g.
func (c gradientCase) loss(t *testing.T, g *onnx.Graph, given map[string]ort.Tensor) []Seed {
	var loss *onnx.Value
	for _, r := range append([]onnx.Result{}, g.Outputs...) {
		target := c.Targets[r.Name]
		given["target "+r.Name] = target.draw()
		n, _ := tensor.Shape(target.Shape).Elements()
		off := g.Sub(r.Value, g.Input("target "+r.Name, f32, r.Value.Shape...))
		part := g.Sum(g.Reshape(g.Mul(off, off), onnx.Rest()), true, 0)
		part = g.Mul(part, g.Scalar(float32(1/float64(n))))
		if loss == nil {
			loss = part
		} else {
			loss = g.Add(loss, part)
		}
	}
	g.Result("loss", loss)
	one, err := One(g, loss)
	if err != nil {
		t.Fatal(err)
	}
	return []Seed{one}
}
