//go:build long

package train

import (
	"math"
	"path/filepath"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/dolls"
	"cosmicman/model"
	"cosmicman/newmodel"
	"cosmicman/weights"
)

// TestVAELearnsDolls teaches the dolls' autoencoder from nothing with some thousands of
// drawn people, which takes minutes, and looks at what it makes of others.
func TestVAELearnsDolls(t *testing.T) {
	const (
		rows  = 8
		steps = 400
		bar   = 18.5 // dB
	)
	a, err := newmodel.LoadArch("doll")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "doll")
	if err := newmodel.Write(t.Context(), dir, a, newmodel.Options{Values: newmodel.Torch}); err != nil {
		t.Fatal(err)
	}
	p, err := weights.Open(dir, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := model.ParseVAE(p.VAE.Config.JSON)
	if err != nil {
		t.Fatal(err)
	}
	l := vaeLearner(t, openRuntime(t), VAEOptions{Config: config, Weights: p.VAE.Index, Distance: Squared, KL: 1e-7})
	var all []Weights
	for _, w := range l.Tensors() {
		all = append(all, Weights{w.Name, w.Values, w.Gradient, make([]float32, len(w.Values)), make([]float32, len(w.Values))})
	}
	held := &VAEBatch{Height: 64, Width: 64}
	for i := range uint64(32) {
		held.Images = append(held.Images, drawn(t, 1e6+i)...)
	}
	judge := func() float64 {
		back, err := l.Reconstruct(t.Context(), held)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i, v := range held.Images {
			d := float64(min(max(back[i], -1), 1) - v)
			sum += d * d
		}
		return 10 * math.Log10(4*float64(len(back))/sum)
	}
	before := judge()
	for step := range steps {
		b := &VAEBatch{Height: 64, Width: 64, Noise: make([]float32, rows*4*16*16)}
		for i := range rows {
			b.Images = append(b.Images, drawn(t, uint64(step*rows+i))...)
		}
		diffusion.NewNoise(uint64(step)).Normal(b.Noise)
		for _, w := range all {
			clear(w.Gradient)
		}
		got, err := l.Gradients(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		rate := 1e-3 * min(1, float64(step+1)/50) * (1 + math.Cos(math.Pi*float64(step)/steps)) / 2
		if _, err := DefaultAdamW().Step(Step{Number: step + 1, LearningRate: rate}, all); err != nil {
			t.Fatal(err)
		}
		if (step+1)%100 == 0 {
			t.Logf("%d images: loss %.4f, %.2f dB", (step+1)*rows, got.Total, judge())
		}
	}
	if after := judge(); !(after > bar) {
		t.Errorf("%.2f dB, from %.2f, expected %v", after, before, bar)
	}
}

// drawn are the pixels of a person of pixel art [3, 64, 64], in [-1, 1].
func drawn(t *testing.T, index uint64) []float32 {
	d, err := dolls.Draw(1, index).Render(dolls.Pixel, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, 3*64*64)
	for y := range 64 {
		for x := range 64 {
			c := d.Image.NRGBAAt(x, y)
			for k, v := range []uint8{c.R, c.G, c.B} {
				out[(k*64+y)*64+x] = float32(v)/127.5 - 1
			}
		}
	}
	return out
}
