package picture

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"testing"
)

// resizeCase is one of oracle/resize.py: what Pillow made.
type resizeCase struct {
	Kind     string
	From, To [2]int
	SHA256   string
	RGB      []byte // of small ones
}

func (c resizeCase) String() string { return fmt.Sprintf("%s, %v to %v", c.Kind, c.From, c.To) }

// made is the image of a case, as the oracle makes it, on a larger one, with an alpha
// channel that must not matter.
func made(kind string, width, height int) *image.NRGBA {
	all := image.NewNRGBA(image.Rect(0, 0, width+3, height+2))
	img := all.SubImage(image.Rect(2, 1, 2+width, 1+height)).(*image.NRGBA)
	seed := uint32(width*65536 + height)
	for y := range height {
		for x := range width {
			p := img.Pix[img.PixOffset(2+x, 1+y):]
			for c := range 3 {
				if kind == "noise" {
					seed = seed*1664525 + 1013904223
					p[c] = uint8(seed >> 24)
				} else {
					p[c] = uint8(255 * ((x/3 + y/5 + c) % 2))
				}
			}
			p[3] = uint8(x)
		}
	}
	return img
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestResizeIsPillows: bit for bit.
func TestResizeIsPillows(t *testing.T) {
	text, err := os.ReadFile("testdata/resize/resize.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Gray  resizeCase
		Cases []resizeCase
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(file.Cases), err)
	}
	for _, c := range file.Cases {
		img := Resize(made(c.Kind, c.From[0], c.From[1]), c.To[0], c.To[1])
		if img.Rect != image.Rect(0, 0, c.To[0], c.To[1]) || !img.Opaque() {
			t.Errorf("%v: %v, opaque %t", c, img.Rect, img.Opaque())
			continue
		}
		var rgb []byte
		for i := 0; i < len(img.Pix); i += 4 {
			rgb = append(rgb, img.Pix[i:i+3]...)
		}
		for i, want := range c.RGB {
			if rgb[i] != want {
				t.Errorf("%v: byte %d is %d, want %d", c, i, rgb[i], want)
				break
			}
		}
		if digest(rgb) != c.SHA256 {
			t.Errorf("%v: other pixels than Pillow's", c)
		}
	}
	if digest(Gray(made("noise", file.Gray.From[0], file.Gray.From[1]))) != file.Gray.SHA256 {
		t.Error("other shades of gray than Pillow's")
	}
}

func BenchmarkResize(b *testing.B) {
	img := made("noise", 1600, 1200)
	for b.Loop() {
		Resize(img, 1024, 1024)
	}
}
