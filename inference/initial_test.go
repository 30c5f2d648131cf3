package inference

import (
	"errors"
	"image"
	"math"
	"strings"
	"testing"

	"cosmicman/weights"
)

// photo is an image of nothing, and mask one whose right half is white.
func photo(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i >> 3)
	}
	return img
}

func mask(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		if i%width >= width/2 {
			copy(img.Pix[4*i:], []uint8{255, 255, 255})
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

func edit(r *Request) { r.Init, r.Strength = photo(61, 80), 0.7 }

func inpaint(r *Request) { r.Init, r.Mask, r.Strength = photo(61, 80), mask(61, 80), 1 }

// TestEditsArePackedWithOthers: with and without an image to begin from, in one call;
// each has the bits of being drawn alone, and again in another process.
func TestEditsArePackedWithOthers(t *testing.T) {
	folder := zooFolder(t, "tiny-sdxl", 0)
	m := load(t, openRuntime(t), folder, weights.Options{})
	changes := []func(*Request){
		nil, edit, inpaint,
		func(r *Request) { edit(r); r.Sampler = "heun" },
		func(r *Request) { inpaint(r); r.Sampler, r.GuidanceScale = "unipc", 1 },
	}
	seqs := start(t, m, changes...)
	for live := seqs; len(live) > 0; {
		if err := m.Step(t.Context(), live...); err != nil {
			t.Fatal(err)
		}
		var left []*Sequence
		for _, s := range live {
			if !s.Done() {
				left = append(left, s)
			}
		}
		live = left
	}
	other := load(t, openRuntime(t), folder, weights.Options{})
	for i, change := range changes {
		for name, model := range map[string]*Model{"with images from the cache": m, "in another process": other} {
			if alone := draw(t, model, request(change), 1)[0]; !sameBits(alone.latents, seqs[i].latents) {
				t.Errorf("sequence %d has other bits alone, %s", i, name)
			}
		}
	}
}

// TestImagesAreEncodedOnce for all that begin from one at one size.
func TestImagesAreEncodedOnce(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	rows := calls(m.encoder, "image")
	draw(t, m, request(func(r *Request) { edit(r); r.Steps = 2 }), 3)
	start(t, m, edit, inpaint)
	if len(*rows) != 1 {
		t.Errorf("%d calls of the encoder, want one", len(*rows))
	}
	start(t, m, func(r *Request) { edit(r); r.Height = 80 })
	start(t, m, func(r *Request) { edit(r); r.Init.Pix[1]++ })
	if len(*rows) != 3 {
		t.Errorf("%d calls of the encoder, want 3: of another size, and of another image", len(*rows))
	}
}

// TestWhatIsNotRepaintedStays: at the last call the image's own latents are back.
func TestWhatIsNotRepaintedStays(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	s := draw(t, m, request(inpaint), 1)[0]
	wide := int(s.width)
	for i, x := range s.latents {
		if same := x == s.around.original[i]; same != (i%wide < wide/2) {
			t.Fatalf("value %d is the image's: %t", i, same)
		}
	}
}

func TestSizesOfEdits(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	for name, c := range map[string]struct {
		change func(*Request)
		want   image.Point
	}{
		"whole":    {func(r *Request) { edit(r); r.Width, r.Height = 0, 0 }, image.Pt(56, 80)},
		"a height": {func(r *Request) { edit(r); r.Width = 0 }, image.Pt(56, 72)},
		"in parts": {func(r *Request) { inpaint(r); r.Width, r.Height = 0, 0 }, image.Pt(64, 64)},
	} {
		s := start(t, m, c.change)[0]
		if got := image.Pt(s.Request().Width, s.Request().Height); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWrongEdits(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	for want, change := range map[string]func(*Request){
		"strength: is 0, expected a number above 0 and up to 1":                  func(r *Request) { edit(r); r.Strength = 0 },
		"strength: is 1.1, expected":                                             func(r *Request) { edit(r); r.Strength = 1.1 },
		"strength: is NaN, expected":                                             func(r *Request) { edit(r); r.Strength = math.NaN() },
		"strength: is 0.2, which leaves none of 4 steps: expected at least 0.25": func(r *Request) { edit(r); r.Strength = 0.2 },
		"init image: is missing":                                                 func(r *Request) { r.Strength = 0.8 },
		"init image: is empty":                                                   func(r *Request) { inpaint(r); r.Init = photo(0, 0) },
		"init image: is 7x80 pixels, expected at least 8x8":                      func(r *Request) { edit(r); r.Init, r.Width = photo(7, 80), 0 },
		"mask: is there without":                                                 func(r *Request) { r.Mask = mask(61, 80) },
		"mask: is 60x80 pixels, expected 61x80, the size of the image":           func(r *Request) { inpaint(r); r.Mask = mask(60, 80) },
		"mask: has transparent pixels":                                           func(r *Request) { inpaint(r); r.Mask.Pix[3] = 254 },
	} {
		_, err := m.Sequences(t.Context(), request(change), 1)
		var own *Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Where the image is not at hand yet, the rest is checked all the same.
	r := request(func(r *Request) { r.Strength = 0.8 })
	if err := m.Check(r); err != nil {
		t.Error(err)
	}
}
