package model

import (
	"math"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/newmodel/fill"
	"cosmicman/onnx"
	"cosmicman/onnx/onnxtest"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// TestNetworksEqualReference evaluates whole networks in float64, which also
// compares every symbolic shape with the shape at hand, at sizes that no
// downsampling divides, and compares with ONNX Runtime.
func TestNetworksEqualReference(t *testing.T) {
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	for _, c := range []struct {
		name, part string
		graph      func() (*onnx.Graph, error)
		symbols    map[string]int64
	}{
		{"unet", "unet", func() (*onnx.Graph, error) { return buildUNet(zooConfig(t, "tiny-sd/unet")) }, map[string]int64{"rows": 2, "height": 5, "width": 3, "tokens": 4}},
		{"unet xl", "unet", func() (*onnx.Graph, error) { return buildUNet(zooConfig(t, "tiny-sdxl/unet")) }, map[string]int64{"rows": 1, "height": 3, "width": 5, "tokens": 2}},
		{"decoder", "vae", func() (*onnx.Graph, error) { return buildVAE(zooConfig(t, "tiny-sd/vae"), VAEDecoder) }, map[string]int64{"rows": 1, "height": 1, "width": 2}},
		{"encoder", "vae", func() (*onnx.Graph, error) { return buildVAE(zooConfig(t, "tiny-sd/vae"), VAEEncoder) }, map[string]int64{"rows": 1, "height": 9, "width": 19}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := c.graph()
			if err != nil {
				t.Fatal(err)
			}
			given, wide := map[string]ort.Tensor{}, map[string]onnxtest.Tensor{}
			for i, v := range g.Inputs {
				shape := numbers(t, v.Shape, c.symbols)
				n, _ := shape.Elements()
				values := make([]float32, n)
				diffusion.NewNoise(uint64(i)).Normal(values)
				given[v.Name], wide[v.Name] = ort.Floats(values, shape...), widen(values, shape)
			}
			want, err := onnxtest.Eval(g, wide, func(name string) (onnxtest.Tensor, error) {
				for _, p := range g.Params {
					if p.Name == name {
						shape := numbers(t, p.Shape, nil)
						n, _ := shape.Elements()
						values := make([]float32, n)
						fill.Tensor(values, fill.Key{Part: c.part, Name: name}, shape)
						return widen(values, shape), nil
					}
				}
				t.Fatalf("no parameter %s", name)
				return onnxtest.Tensor{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			z := zooModel{rt: rt}
			s := z.session(t, g, c.part)
			defer s.Close()
			got, err := s.Run(t.Context(), given)
			if err != nil {
				t.Fatal(err)
			}
			for name, w := range want {
				var off, norm float64
				for i, v := range w.Float64() {
					d := float64(got[name].Float32()[i]) - v
					off += d * d
					norm += v * v
				}
				if d := math.Sqrt(off / norm); !(d <= bar) || !got[name].Shape.Equal(w.Shape) {
					t.Errorf("%s %v is %.2g from the reference %v", name, got[name].Shape, d, w.Shape)
				}
			}
		})
	}
}

func numbers(t *testing.T, s onnx.Shape, symbols map[string]int64) tensor.Shape {
	t.Helper()
	out := make(tensor.Shape, len(s))
	for i, d := range s {
		n, err := d.Eval(symbols)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = n
	}
	return out
}

func widen(values []float32, shape tensor.Shape) onnxtest.Tensor {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return onnxtest.Floats(out, shape...)
}
