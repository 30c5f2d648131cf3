package artifact

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

func TestPNGKeepsPixelsAndParameters(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	img.Set(1, 1, color.NRGBA{10, 200, 30, 255})
	for _, text := range []string{"Steps: 20, Seed: 17", "漢字", "Café", ""} {
		data, err := PNG(img, text)
		if err != nil {
			t.Fatal(err)
		}
		back, err := png.Decode(bytes.NewReader(data)) // checks every chunk's sum
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if back.At(1, 1) != (color.NRGBA{10, 200, 30, 255}) && back.At(1, 1) != (color.RGBA{10, 200, 30, 255}) {
			t.Errorf("%q: pixel %v", text, back.At(1, 1))
		}
		if bytes.Contains(data, []byte("parameters")) != (text != "") {
			t.Errorf("%q: the chunk is there when it should not be, or the reverse", text)
		}
	}
}

func TestNPYHeader(t *testing.T) {
	data := NPY([]float32{1, 2, 3, 4}, 1, 4, 1, 1)
	if (len(data)-16)%64 != 0 || !bytes.Contains(data, []byte("'shape': (1, 4, 1, 1)")) {
		t.Errorf("%q", data)
	}
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := CheckWritable(path); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{filepath.Join(dir, "no", "x"), filepath.Join(path, "x"), dir} {
		if CheckWritable(bad) == nil {
			t.Errorf("%s was called writable", bad)
		}
	}
	if err := WriteFile(filepath.Join(dir, "no", "x"), nil); err == nil {
		t.Error("wrote into a folder that is not there")
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}
