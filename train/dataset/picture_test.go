package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestViewsArePillows: scaled, cropped, mirrored and brought to -1 to 1 with the bits of
// Pillow and torchvision's arithmetic, maps too (oracle/dataset.py).
func TestViewsArePillows(t *testing.T) {
	data, err := os.ReadFile("testdata/views.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Cases []struct {
			Image, Scaled, Corner, Size [2]int
			Flip                        bool
			Pixels, Labels              string
		}
	}
	if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) < 5 {
		t.Fatalf("%d cases: %v", len(fixture.Cases), err)
	}
	for n, c := range fixture.Cases {
		w, h := c.Image[0], c.Image[1]
		m := image.NewGray(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				m.Pix[y*m.Stride+x] = uint8((x*7 + y*3) / 5 % 18)
			}
		}
		dir := t.TempDir()
		put(t, dir, "a.png", pngOf(t, slope(w, h)))
		put(t, dir, "a.seg.png", pngOf(t, m))
		put(t, dir, "a.txt", []byte("a man"))
		o := small(Source{Path: dir, MapSuffix: ".seg.png"})
		o.Buckets = Buckets{Width: c.Size[0], Height: c.Size[1]}
		o.Crop, o.Flip = Random, 0
		if c.Flip {
			o.Flip = 1
		}
		s := open(t, o)
		v := s.Visit(0)
		if v.Scaled != (Size{c.Scaled[0], c.Scaled[1]}) {
			t.Errorf("case %d is scaled to %s, expected %v", n, v.Scaled, c.Scaled)
			continue
		}
		v.Left, v.Top = c.Corner[0], c.Corner[1]
		p, err := s.Picture(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		var bytes []byte
		for _, f := range p.Pixels {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(f))
		}
		if got := sha256.Sum256(bytes); hex.EncodeToString(got[:]) != c.Pixels {
			t.Errorf("case %d: other pixels than Pillow's", n)
		}
		if got := sha256.Sum256(p.Map.Labels); hex.EncodeToString(got[:]) != c.Labels {
			t.Errorf("case %d: other labels than Pillow's", n)
		}
	}
}

// TestMirroredMaps: the left shoe is on the other side, and the right one.
func TestMirroredMaps(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.png", pngOf(t, slope(64, 64)))
	put(t, dir, "seg/a.png", pngOf(t, halves(64, 64, 9, 4)))
	put(t, dir, "metadata.jsonl", []byte(`{"file_name":"a.png","text":"a man","segm_path":"seg/a.png"}`))
	o := small(Source{Path: dir})
	o.Flip = 1
	s := open(t, o)
	p, err := s.Picture(t.Context(), s.Visit(0))
	if err != nil {
		t.Fatal(err)
	}
	if p.Map.Labels[0] != 4 || p.Map.Labels[63] != 10 {
		t.Errorf("a row begins with %d and ends with %d", p.Map.Labels[0], p.Map.Labels[63])
	}
	if p.Pixels[0] < p.Pixels[63] {
		t.Error("the image is not mirrored")
	}
}

func TestWhatIsTransparentIsWhite(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		m.SetNRGBA(i%64, i/64, color.NRGBA{R: 100, A: uint8(i % 64 * 4)})
	}
	dir := t.TempDir()
	put(t, dir, "a.png", pngOf(t, m))
	put(t, dir, "a.txt", []byte("a man"))
	s := open(t, small(Source{Path: dir}))
	p, err := s.Picture(t.Context(), s.Visit(0))
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range map[int]uint8{0: 255, 32: 177, 63: 102} { // of red: 255 - 155*alpha/255, rounded
		if got := p.Pixels[x]; got != levels[want] {
			t.Errorf("pixel %d is %v, expected %v", x, got, levels[want])
		}
	}
}

// TestFilesThatChangeAreNamed: gone, cut off, of another size, with other labels; what
// was cached of the old content is not found under the new.
func TestFilesThatChangeAreNamed(t *testing.T) {
	dir := t.TempDir()
	file, seg := filepath.Join(dir, "a.png"), filepath.Join(dir, "a.seg.png")
	whole, labels := pngOf(t, slope(64, 64)), pngOf(t, halves(64, 64, 1, 2))
	put(t, dir, "a.png", whole)
	put(t, dir, "a.seg.png", labels)
	put(t, dir, "a.txt", []byte("a man"))
	s := open(t, small(Source{Path: dir, MapSuffix: ".seg.png"}))
	v := s.Visit(0)
	key, err := v.Item.Key()
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Picture(t.Context(), v)
	if err != nil || p.Key != key {
		t.Fatalf("key %s, %v, expected %s", p.Key, err, key)
	}
	check := func(path, want string) {
		t.Helper()
		_, err := s.Picture(t.Context(), v)
		var f *Fault
		if !errors.As(err, &f) || f.Path != path || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s: %s", err, path, want)
		}
	}
	put(t, dir, "a.seg.png", pngOf(t, halves(64, 64, 1, 18)))
	check(seg, "has labels that the table (ATR) does not: 18")
	put(t, dir, "a.seg.png", pngOf(t, halves(60, 64, 1, 2)))
	check(seg, "is 60x64 pixels, but its image 64x64")
	put(t, dir, "a.seg.png", jpegOf(t, slope(64, 64)))
	check(seg, "is a JPEG, expected a PNG")
	put(t, dir, "a.seg.png", pngOf(t, slope(64, 64)))
	check(seg, "has colours")
	put(t, dir, "a.seg.png", labels)
	put(t, dir, "a.png", pngOf(t, slope(65, 64)))
	check(file, "is 65x64 pixels now, it was 64x64")
	put(t, dir, "a.png", whole[:len(whole)/2])
	check(file, "damaged or cut off")
	other := pngOf(t, halves(64, 64, 7, 8))
	put(t, dir, "a.png", other)
	if err := os.Chtimes(file, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if again, err := v.Item.Key(); err != nil || again == key {
		t.Errorf("the key of other content is %s: %v", again, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check(file, "is not there")
	if _, err := v.Item.Key(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("key of what is gone: %v", err)
	}
}

// TestMapsLieOnTheirImages: scaled up and down, cropped and mirrored, an image that shows
// its own labels as colours agrees with its map, and less so with the map moved a pixel.
func TestMapsLieOnTheirImages(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	for name, at := range map[string]image.Point{"small": {51, 43}, "odd": {149, 97}, "tall": {130, 391}} {
		img, labels := image.NewNRGBA(image.Rectangle{Max: at}), image.NewGray(image.Rectangle{Max: at})
		cell := max(8, at.X/8)
		of := map[image.Point]uint8{}
		for y := range at.Y {
			for x := range at.X {
				p := image.Pt(x/cell, y/cell)
				if _, known := of[p]; !known {
					of[p] = uint8(chance.IntN(18))
				}
				labels.SetGray(x, y, color.Gray{Y: of[p]})
				img.SetNRGBA(x, y, color.NRGBA{R: of[p] * 14, A: 255})
			}
		}
		put(t, dir, name+".png", pngOf(t, img))
		put(t, dir, name+".seg.png", pngOf(t, labels))
	}
	o := Options{Sources: []Source{{Path: dir, Caption: "a woman", MapSuffix: ".seg.png"}}, Batch: 1, Buckets: BucketsAround(96), Crop: Random, Flip: 0.5}
	s := open(t, o)
	flips := 0
	for n := range int64(24) {
		v := s.Visit(n)
		p, err := s.Picture(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		if v.Flip {
			flips++
		}
		mirrors := v.Item.Source.Labels.mirrors()
		differ := func(dx, dy int) (n int) {
			for y := 1; y < p.Height-1; y++ {
				for x := 1; x < p.Width-1; x++ {
					l := p.Map.Labels[(y+dy)*p.Width+x+dx]
					if v.Flip {
						l = mirrors[l]
					}
					if seen := int((p.Pixels[y*p.Width+x]+1)*127.5/14 + 0.5); seen != int(l) {
						n++
					}
				}
			}
			return n
		}
		here := differ(0, 0)
		for _, d := range []image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
			if moved := differ(d.X, d.Y); moved <= here {
				t.Errorf("%s, %+v: %d places differ, %d with the map moved by %v", v.Item.Name, v, here, moved, d)
			}
		}
	}
	if flips == 0 || flips == 24 {
		t.Errorf("%d of 24 are mirrored", flips)
	}
}
