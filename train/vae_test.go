package train

import (
	"math"
	"strings"
	"testing"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/weights"
)

type vaeCase struct {
	derivedCase
	Model               string
	Distance            Distance
	KLWeight            float64 `json:"kl_weight"`
	Height, Width, Rows int
	Shift               float64
	Image, Noise        noiseCase
	Areas               *noiseCase
	Loss, KL            float64
	Reconstruction      float64
}

// vaeOptions are an autoencoder's of the zoo.
func vaeOptions(t *testing.T, name string) VAEOptions {
	t.Helper()
	o := VAEOptions{Config: zooConfig(t, name, "vae", model.ParseVAE), Distance: Squared, KL: 1e-6, Threads: 1}
	g, err := model.VAE(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	o.Weights = zooIndex(t, "vae", weights.VAE, g)
	return o
}

func vaeLearner(t *testing.T, rt *ort.Runtime, o VAEOptions) *VAELearner {
	t.Helper()
	l, err := NewVAELearner(rt, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestVAEEqualsPyTorch compares losses and every weight's gradient with diffusers'
// autoencoder, with everything kept and with blocks computed anew.
func TestVAEEqualsPyTorch(t *testing.T) {
	rt := openRuntime(t)
	for i, c := range readLearners(t).VAEs {
		t.Run(c.Name, func(t *testing.T) {
			o := vaeOptions(t, c.Model)
			o.Distance, o.KL, o.Recompute = c.Distance, c.KLWeight, i == 0
			l := vaeLearner(t, rt, o)
			for _, w := range l.Tensors() {
				if w.Name == "quant_conv.bias" {
					w.Values[o.Config.LatentChannels] += float32(c.Shift)
				}
			}
			b := &VAEBatch{Height: c.Height, Width: c.Width, Images: c.Image.draw(), Noise: c.Noise.draw()}
			if c.Areas != nil {
				b.Areas = c.Areas.draw()
				for i, a := range b.Areas {
					b.Areas[i] = a * a
				}
			}
			got, err := l.Gradients(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "the loss", got.Total, c.Loss)
			near(t, "the reconstruction's", got.Parts[0].Value, c.Reconstruction)
			near(t, "the divergence", got.Parts[1].Value, c.KL)
			c.compare(t, gradients(l.Tensors(), ""))
			judged, err := l.Evaluate(t.Context(), b)
			if err != nil || math.Abs(judged.Total-got.Total) > 1e-6*got.Total {
				t.Errorf("judged as %v, learned from as %v: %v", judged, got, err)
			}
		})
	}
}

// TestVAEEncodesAndDecodes holds the moments and the reconstruction to those of
// model's halves, on weights that were changed.
func TestVAEEncodesAndDecodes(t *testing.T) {
	rt := openRuntime(t)
	o := vaeOptions(t, "odd-vae")
	l := vaeLearner(t, rt, o)
	given := map[string]ort.Tensor{}
	for _, w := range l.Tensors() {
		for i := range w.Values {
			w.Values[i] *= 1.01
		}
		given[w.Name] = ort.Floats(w.Values, w.Shape...)
	}
	image := noise(5, 2, 3, 8, 12)
	b := &VAEBatch{Height: 8, Width: 12, Images: image.Float32()}
	moments, err := l.Moments(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := model.VAEEncoder(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	want := runHalf(t, rt, encoder, given, "image", image)["moments"]
	same(t, "moments", moments, want.Float32())
	back, err := l.Reconstruct(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := model.VAEDecoder(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	channels, area := 4, 2*3
	means := make([]float32, 0, 2*channels*area)
	for row := range 2 {
		means = append(means, moments[row*2*channels*area:][:channels*area]...)
	}
	out := runHalf(t, rt, decoder, given, "latents", ort.Floats(means, 2, 4, 2, 3))["image"]
	same(t, "reconstruction", back, out.Float32())
}

// runHalf evaluates a graph on those of the weights that it has.
func runHalf(t *testing.T, rt *ort.Runtime, g *onnx.Graph, weights map[string]ort.Tensor, name string, value ort.Tensor) map[string]ort.Tensor {
	t.Helper()
	given := map[string]ort.Tensor{name: value}
	for _, p := range g.Params {
		given[p.Name] = weights[p.Name]
	}
	return evaluate(t, rt, g, given)
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, expected %d", what, len(got), len(want))
	}
	var off, norm float64
	for i, v := range want {
		off += float64(got[i]-v) * float64(got[i]-v)
		norm += float64(v) * float64(v)
	}
	if !(math.Sqrt(off) <= 1e-5*math.Sqrt(norm)) {
		t.Errorf("%s is %.3g of its norm off", what, math.Sqrt(off/norm))
	}
}

// TestVAETrainsAPart derives by the decoder alone, and by what patterns say.
func TestVAETrainsAPart(t *testing.T) {
	rt := openRuntime(t)
	o := vaeOptions(t, "odd-vae8")
	whole := vaeLearner(t, rt, o)
	o.Tensors = []string{"decoder.conv_*", "decoder.mid_block.*"}
	part := vaeLearner(t, rt, o)
	b := &VAEBatch{Height: 6, Width: 4, Images: noise(3, 1, 3, 6, 4).Float32()}
	for _, l := range []*VAELearner{whole, part} {
		if _, err := l.Gradients(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	want := gradients(whole.Tensors(), "")
	if n := len(part.Tensors()); n == 0 || n >= len(want) {
		t.Fatalf("%d of %d tensors", n, len(want))
	}
	for _, w := range part.Tensors() {
		if !strings.HasPrefix(w.Name, "decoder.conv_") && !strings.HasPrefix(w.Name, "decoder.mid_block") {
			t.Errorf("%s is trained", w.Name)
		}
		same(t, w.Name, w.Gradient, want[w.Name])
	}
}

func TestVAERefuses(t *testing.T) {
	rt := openRuntime(t)
	_, err := NewVAELearner(rt, VAEOptions{Distance: "l3", KL: math.Inf(1)})
	for _, want := range []string{"there are no weights", `vae.distance is "l3", expected l1 or mse`, "vae.kl is +Inf"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q in it", err, want)
		}
	}
	l := vaeLearner(t, rt, vaeOptions(t, "odd-vae"))
	for _, c := range []struct {
		b    VAEBatch
		want string
	}{
		{VAEBatch{Height: 6, Width: 8, Images: make([]float32, 144)}, "images of 8x6 pixels, expected multiples of 4"},
		{VAEBatch{Height: 4, Width: 8, Images: make([]float32, 97)}, "Images has 97 values, expected a multiple of 96"},
		{VAEBatch{Height: 4, Width: 8, Images: make([]float32, 192), Noise: make([]float32, 3), Areas: make([]float32, 1)}, "Noise has 3 values, expected 16 for 2 rows of 8x4 pixels\na batch: Areas has 1 values, expected 64"},
	} {
		if _, err := l.Gradients(t.Context(), &c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, expected %q", err, c.want)
		}
	}
}
