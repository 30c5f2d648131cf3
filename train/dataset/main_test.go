package dataset

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/dolls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// people writes dolls and returns their folder.
func people(t testing.TB, count, width, height int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dolls")
	if err := dolls.Write(t.Context(), dir, dolls.Options{Count: count, Seed: 7, Width: width, Height: height, Style: dolls.Pixel}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// put writes a file below dir, and its folders.
func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// slope is an image in which every pixel is another: red goes right, green down.
func slope(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / width), uint8(255 * y / height), uint8(x ^ y), 255})
		}
	}
	return m
}

// halves is a map whose left half has one label and whose right half another.
func halves(width, height int, left, right uint8) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Pix[y*m.Stride+x] = left
			if x >= width/2 {
				m.Pix[y*m.Stride+x] = right
			}
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// small is options for a source of small images.
func small(sources ...Source) Options {
	return Options{Sources: sources, Seed: 3, Batch: 2, Buckets: Buckets{Width: 64, Height: 64}, Captions: PublishedCaptions()}
}

func open(t testing.TB, o Options) *Set {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused opens what is to be refused and returns the message.
func refused(t testing.TB, o Options) string {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		t.Fatalf("opened: %+v", s.Facts())
	}
	return err.Error()
}

func wantAll(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}
