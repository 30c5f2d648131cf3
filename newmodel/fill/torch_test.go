package fill

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"cosmicman/tensor"
)

type startCase struct {
	Model, Part string
	Layers      int64
	Factor      float64
	Tensors     map[string]struct {
		Shape                    tensor.Shape
		Mean, Deviation, Largest float64
	}
}

// TestStartsAsPyTorch compares mean, deviation and largest magnitude of every tensor
// over some seeds with what PyTorch drew (oracle/starts.py).
func TestStartsAsPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/starts.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Seeds uint64
		Cases []startCase
	}
	if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(fixture.Cases), err)
	}
	for _, c := range fixture.Cases {
		t.Run(c.Model+" "+c.Part, func(t *testing.T) {
			shape := func(name string) tensor.Shape { return c.Tensors[name].Shape }
			for name, want := range c.Tensors {
				size, _ := want.Shape.Elements()
				var drawn []float32
				for seed := range fixture.Seeds {
					values := make([]float32, size)
					if err := (Start{Seed: seed, Part: c.Part, Shape: shape, Layers: c.Layers, Factor: c.Factor}).Tensor(values, name); err != nil {
						t.Fatal(err)
					}
					drawn = append(drawn, values...)
				}
				var mean, square, largest float64
				n := float64(len(drawn))
				for _, v := range drawn {
					mean += float64(v) / n
					largest = max(largest, math.Abs(float64(v)))
				}
				for _, v := range drawn {
					square += (float64(v) - mean) * (float64(v) - mean) / n
				}
				deviation := math.Sqrt(square)
				// Five times what two samples of this size are apart by chance.
				slack := 5*math.Sqrt2*want.Deviation/math.Sqrt(n) + 1e-9
				if !(math.Abs(mean-want.Mean) <= slack) || !(math.Abs(deviation-want.Deviation) <= slack) {
					t.Errorf("%s: mean %.4g, deviation %.4g; PyTorch's %.4g and %.4g", name, mean, deviation, want.Mean, want.Deviation)
				}
				if n >= 500 && !(largest >= 0.75*want.Largest && largest <= 1.35*want.Largest) {
					t.Errorf("%s: values up to %.4g, PyTorch's %.4g", name, largest, want.Largest)
				}
			}
		})
	}
}

func TestStartIsRepeated(t *testing.T) {
	shapes := map[string]tensor.Shape{"conv_in.weight": {8, 4, 3, 3}, "conv_in.bias": {8}}
	draw := func(seed uint64, part, name string) []float32 {
		n, _ := shapes[name].Elements()
		values := make([]float32, n)
		if err := (Start{Seed: seed, Part: part, Shape: func(name string) tensor.Shape { return shapes[name] }}).Tensor(values, name); err != nil {
			t.Fatal(err)
		}
		return values
	}
	first := draw(1, "unet", "conv_in.weight")
	for i, v := range draw(1, "unet", "conv_in.weight") {
		if v != first[i] {
			t.Fatalf("value %d is %v, then %v", i, first[i], v)
		}
	}
	for _, other := range [][]float32{draw(2, "unet", "conv_in.weight"), draw(1, "vae", "conv_in.weight")} {
		same := 0
		for i, v := range other {
			if v == first[i] {
				same++
			}
		}
		if same > 3 {
			t.Errorf("%d of %d values of another seed or part are the same", same, len(first))
		}
	}
}

func TestStartRefuses(t *testing.T) {
	shapes := map[string]tensor.Shape{"a.bias": {8}, "text_model.odd.weight": {8, 8}, "w.weight": {2, 2}}
	for _, c := range []struct {
		part, name, want string
		size             int
	}{
		{"unet", "a.bias", "no weight of its module", 8},
		{"unet", "gone.weight", "values are wanted", 4},
		{"unet", "w.weight", "has shape [2, 2], 3 values are wanted", 3},
		{"text_encoder", "text_model.odd.weight", "no weight of a text encoder", 64},
	} {
		err := Start{Part: c.part, Shape: func(name string) tensor.Shape { return shapes[name] }, Factor: 1}.Tensor(make([]float32, c.size), c.name)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}
