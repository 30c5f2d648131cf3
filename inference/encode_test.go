package inference

import (
	"image"
	"slices"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/train/encode"
	"cosmicman/weights"
)

// TestTrainingSeesWhatIsDrawn holds what networks learn from to the bits that images are
// drawn with: texts alone and beside others, short, cut and empty, and latents of images.
func TestTrainingSeesWhatIsDrawn(t *testing.T) {
	rt := openRuntime(t)
	for _, name := range []string{"tiny-sd", "tiny-sd2", "tiny-sdxl", "stats-xl"} {
		t.Run(name, func(t *testing.T) {
			m := load(t, rt, zooFolder(t, name, 0), weights.Options{})
			prompts := []string{"a full-body shot, an Asian adult female", "", shirts(30), "a headshot", "a headshot", "an adult Indian male, fit"}
			for _, rows := range []int{0, 5} {
				o := encode.Options{Threads: 2, Rows: rows}
				texts := encode.NewTexts(rt, m.set, o)
				got, err := texts.Encode(t.Context(), prompts)
				if err != nil {
					t.Fatal(err)
				}
				for i, p := range prompts {
					want, err := m.encode(t.Context(), text{prompt: p})
					if err != nil {
						t.Fatal(err)
					}
					w := want[text{prompt: p}]
					if !slices.Equal(got[i].States, w.windows[0].states) || !slices.Equal(got[i].Pooled, w.pooled()) {
						t.Errorf("%d rows a call: %q has other states than drawing gives it", rows, p)
					}
					if got[i].Cut != w.cut {
						t.Errorf("%q: %q is cut off, want %q", p, got[i].Cut, w.cut)
					}
				}
				if err := texts.Free(); err != nil {
					t.Fatal(err)
				}
			}
			sameLatents(t, m)
		})
	}
}

func sameLatents(t *testing.T, m *Model) {
	w, h := 3*m.VAE.Factor(), 2*m.VAE.Factor()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(37 * i)
	}
	pixels := make([]float32, 3*w*h)
	for i := range w * h {
		for c := range 3 {
			pixels[c*w*h+i] = float32(2*(float32(img.Pix[4*i+c])/255)) - 1
		}
	}
	v := encode.NewVAE(m.decoder.runtime, m.set, encode.Options{Threads: 2})
	moments, err := v.Moments(t.Context(), encode.Picture{Content: "it", Width: w, Height: h, Pixels: encode.Given(pixels)})
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.encodeImage(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(moments, want) {
		t.Error("moments are not those that drawing begins from")
	}
	latents := make([]float32, len(moments)/2)
	v.Sample(latents, moments, diffusion.NewNoise(5))
	if drawn := m.sample(&initial{moments: want}, diffusion.NewNoise(5)); !slices.Equal(latents, drawn) {
		t.Error("latents are not those that drawing begins from")
	}
	if err := v.Free(); err != nil {
		t.Fatal(err)
	}
}
