package train

import (
	"path/filepath"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel"
	"cosmicman/ort"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// doll makes a model of dolls from nothing.
func doll(b *testing.B) (*ort.Runtime, *weights.Pipeline) {
	b.Helper()
	a, err := newmodel.LoadArch("doll")
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "doll")
	if err := newmodel.Write(b.Context(), dir, a, newmodel.Options{Values: newmodel.Torch}); err != nil {
		b.Fatal(err)
	}
	p, err := weights.Open(dir, weights.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rt, err := ort.Open("")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close() })
	return rt, p
}

func normal(n int) []float32 {
	values := make([]float32, n)
	diffusion.NewNoise(uint64(n)).Normal(values)
	return values
}

func component(b *testing.B, p *weights.Pipeline, name string) *weights.Component {
	b.Helper()
	for _, c := range p.Components() {
		if c.Name == name {
			return c
		}
	}
	b.Fatalf("no %s", name)
	return nil
}

// learn times steps of gradients, and says how many rows a second that is.
func learn(b *testing.B, rows int, step func() error) {
	b.Helper()
	if err := step(); err != nil { // the first run makes room
		b.Fatal(err)
	}
	for b.Loop() {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkVAE is a step of the dolls' autoencoder, 8 images of 64x64, on one thread.
func BenchmarkVAE(b *testing.B) {
	rt, p := doll(b)
	c := component(b, p, "vae")
	config, err := model.ParseVAE(c.Config.JSON)
	if err != nil {
		b.Fatal(err)
	}
	l, err := NewVAELearner(rt, VAEOptions{Config: config, Weights: c.Index, Distance: Absolute, KL: 1e-6, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const rows = 8
	batch := &VAEBatch{Height: 64, Width: 64, Images: normal(rows * 3 * 64 * 64), Noise: normal(rows * 4 * 16 * 16)}
	learn(b, rows, func() error { _, err := l.Gradients(b.Context(), batch); return err })
}

// BenchmarkText is a step of the dolls' text encoder by a UNet's gradients, forward and
// backward, 8 rows, on one thread.
func BenchmarkText(b *testing.B) {
	rt, p := doll(b)
	c := component(b, p, "text_encoder")
	config, err := model.ParseText(c.Config.JSON, false)
	if err != nil {
		b.Fatal(err)
	}
	const rows = 8
	ids := make([]int64, rows*77)
	for i := range ids {
		ids[i] = int64(320 + i%90)
	}
	l, err := NewTextLearner(rt, TextOptions{Component: lora.TextEncoder, Config: config, Weights: c.Index, Occurring: ids, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	by := normal(rows * 77 * int(config.Hidden))
	learn(b, rows, func() error {
		if _, _, err := l.Forward(b.Context(), ids); err != nil {
			return err
		}
		return l.Backward(b.Context(), ids, by, nil)
	})
}

// BenchmarkWords is a step of the dolls' text encoder on text alone, 32 captions of 41
// tokens and 85 words, on one thread.
func BenchmarkWords(b *testing.B) {
	rt, p := doll(b)
	c := component(b, p, "text_encoder")
	config, err := model.ParseText(c.Config.JSON, false)
	if err != nil {
		b.Fatal(err)
	}
	var captions []Tokenized
	for row := range 32 {
		x := Tokenized{IDs: make([]int64, 77), End: 40}
		for i := range x.IDs {
			x.IDs[i] = int64(320 + (row+i)%85)
		}
		for at := 1; at < 37; at += 4 {
			x.Phrases = append(x.Phrases, [2]int{at, at + 3})
		}
		captions = append(captions, x)
	}
	w, err := NewWords(captions)
	if err != nil {
		b.Fatal(err)
	}
	l, err := NewWordsLearner(rt, WordsOptions{Component: lora.TextEncoder, Config: config, Weights: c.Index, Words: w, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	batch, err := w.Batch(captions, 0)
	if err != nil {
		b.Fatal(err)
	}
	learn(b, len(captions), func() error { _, err := l.Gradients(b.Context(), batch); return err })
}
