package inference

import (
	"image"
	"math"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/weights"
)

// TestSketchesAreLikeWhatIsDecoded, for every kind of VAE in the zoo. Their weights are
// random, so that little of what they decode is linear: what counts is that a map explains
// more of it than one colour does, of other patches at first, and then of images.
func TestSketchesAreLikeWhatIsDecoded(t *testing.T) {
	for _, arch := range []string{"tiny-sd", "odd-vae8", "stats-xl"} {
		m := load(t, openRuntime(t), zooFolder(t, arch, 0), weights.Options{})
		channels, factor := int(m.VAE.LatentChannels), m.VAE.Factor()
		s := start(t, m, func(r *Request) { r.Width, r.Height, r.Sampler = 128, 128, "ddim" })[0]
		if m.Sketch(s) != nil {
			t.Errorf("%s: a sketch that was not prepared", arch)
		}
		if err := m.PrepareSketches(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.Sketch(s) != nil {
			t.Errorf("%s: a sketch before the first call", arch)
		}
		left := func(latents []float32, height, width int) float64 {
			img, err := m.decode(t.Context(), latents, height, width)
			if err != nil {
				t.Fatal(err)
			}
			sums := newSums(channels)
			sums.add(latents, img, factor)
			return sums.left(m.sketches.current.Load())
		}
		patches, side := probe(channels, 1)
		first := left(patches, side, side)
		for !s.Done() {
			if err := m.Step(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.Decode(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		second := left(s.latents, int(s.height), int(s.width))
		if !(first < 0.95) || !(second < 0.97) {
			t.Errorf("%s: of other patches' variance %.2f is left, of the image's %.2f", arch, first, second)
		}
		if img := m.Sketch(s).Image(); img.Rect.Dx() != 2*int(s.width) || img.Rect.Dy() != 2*int(s.height) || img.Pix[3] != 255 {
			t.Errorf("%s: a sketch of %v", arch, img.Rect)
		}
	}
}

// TestLeastSquares: a map that is linear is found.
func TestLeastSquares(t *testing.T) {
	const w, h, channels = 16, 16, 5
	latents := make([]float32, channels*w*h)
	diffusion.NewNoise(3).Normal(latents)
	img := image.NewNRGBA(image.Rect(0, 0, 2*w, 2*h))
	for y := range 2 * h {
		for x := range 2 * w {
			p := y/2*w + x/2
			img.Pix[img.PixOffset(x, y)] = uint8(math.Round(float64(120 + 10*latents[p] - 5*latents[4*w*h+p])))
			img.Pix[img.PixOffset(x, y)+2] = uint8(math.Round(float64(90 + 7*latents[w*h+p])))
		}
	}
	s := newSums(channels)
	s.add(latents, img, 2)
	got := s.solve()
	for c, want := range [3][]float32{{10, 0, 0, 0, -5, 120}, {0, 0, 0, 0, 0, 0}, {0, 7, 0, 0, 0, 90}} {
		for i := range want {
			if d := got[c][i] - want[i]; d < -0.15 || d > 0.15 {
				t.Errorf("colour %d, factor %d: %.3f, expected %.3f", c, i, got[c][i], want[i])
			}
		}
	}
}

// TestPreviewsChangeNoImage: with previews and sketches after every call, the latents and
// the pixels have the bits that they have without.
func TestPreviewsChangeNoImage(t *testing.T) {
	for _, sampler := range []string{"euler_a", "heun"} {
		change := func(r *Request) { r.Sampler = sampler }
		folder := zooFolder(t, "tiny-sd", 0)
		plain, watched := load(t, openRuntime(t), folder, weights.Options{}), load(t, openRuntime(t), folder, weights.Options{})
		want := draw(t, plain, request(change), 1)[0]
		s := start(t, watched, change)[0]
		if err := watched.PrepareSketches(t.Context()); err != nil {
			t.Fatal(err)
		}
		for !s.Done() {
			if err := watched.Step(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if _, err := watched.DecodePreview(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			watched.Sketch(s).Image()
		}
		a, err := plain.Decode(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		b, err := watched.Decode(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if !sameBits(want.latents, s.latents) || string(a.Pix) != string(b.Pix) {
			t.Errorf("%s: previews have changed the image", sampler)
		}
	}
}

// BenchmarkSketch is what a sketch of a 1024x1024 image costs: on the device's goroutine, and
// beside it.
func BenchmarkSketch(b *testing.B) {
	m := load(b, openRuntime(b), zooFolder(b, "tiny-sd", 0), weights.Options{})
	if err := m.PrepareSketches(b.Context()); err != nil {
		b.Fatal(err)
	}
	seqs, err := m.Sequences(b.Context(), request(func(r *Request) { r.Width, r.Height = 128*m.VAE.Factor(), 128*m.VAE.Factor() }), 1)
	if err != nil {
		b.Fatal(err)
	}
	if err := m.Step(b.Context(), seqs...); err != nil {
		b.Fatal(err)
	}
	b.Run("predict", func(b *testing.B) {
		for b.Loop() {
			m.Sketch(seqs[0])
		}
	})
	b.Run("image", func(b *testing.B) {
		k := m.Sketch(seqs[0])
		for b.Loop() {
			k.Image()
		}
	})
}
