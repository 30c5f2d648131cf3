package dolls

import (
	"math"
	"testing"
)

// covered fills a path of 256ths of pixels and returns how much of each pixel it covers.
func covered(w, h int, p path) []int {
	c := newCanvas(w, h)
	c.trace(p)
	out := make([]int, w*h)
	c.sweep(func(x, y, cover int) { out[y*w+x] = cover })
	for i, n := range c.cells {
		if n != 0 {
			panic(i) // the raster was not cleared
		}
	}
	return out
}

func total(covers []int) (sum int) {
	for _, c := range covers {
		sum += c
	}
	return sum
}

func TestBoxesCoverTheirArea(t *testing.T) {
	for x0 := 100; x0 < 1100; x0 += 77 {
		for y0 := 60; y0 < 900; y0 += 53 {
			for _, size := range [][2]int{{64, 64}, {256, 256}, {700, 31}, {31, 700}} {
				got := total(covered(8, 8, box(pt{x0, y0}, pt{x0 + size[0], y0 + size[1]})))
				want := size[0] * size[1] / 256
				if abs(got-want) > 12 {
					t.Fatalf("a box of %v at %d,%d covers %d, want %d 256ths of pixels", size, x0, y0, got, want)
				}
			}
		}
	}
}

func TestDiscsCoverTheirArea(t *testing.T) {
	for r := 300; r < 4000; r += 211 {
		got := float64(total(covered(40, 40, disc(pt{20 * 256, 20 * 256}, r)))) / 256
		want := math.Pi * float64(r*r) / 65536
		if math.Abs(got-want) > 0.012*want+0.3 {
			t.Errorf("a disc of radius %d covers %.2f pixels, want %.2f", r, got, want)
		}
	}
}

// TestOverlapsAreUnions holds that no pixel is covered more than once, whatever way polygons go around.
func TestOverlapsAreUnions(t *testing.T) {
	a, b := pt{300, 300}, pt{1300, 1500}
	forward := box(a, b)
	backward := path{{a, {a.x, b.y}, b, {b.x, a.y}}}
	want := covered(8, 8, forward)
	for i, p := range []path{append(path{}, append(forward, backward...)...), {forward[0], forward[0]}, {backward[0]}} {
		for k, c := range covered(8, 8, p) {
			if c > 256 || c < want[k] {
				t.Errorf("%d: pixel %d is covered by %d, by one box %d", i, k, c, want[k])
			}
		}
	}
	beside := path{box(pt{0, 0}, pt{700, 2048})[0], box(pt{700, 0}, pt{2048, 2048})[0]}
	if got := total(covered(8, 8, beside)); got != 64*256 {
		t.Errorf("two boxes that meet within a pixel cover %d, want all of %d", got, 64*256)
	}
}

// TestWhatIsOutsideIsCut holds that shapes may reach beyond the image on any side.
func TestWhatIsOutsideIsCut(t *testing.T) {
	for _, c := range []struct {
		p    path
		want int // pixels
	}{
		{box(pt{-100000, -100000}, pt{100000, 100000}), 64},
		{box(pt{-100000, -100000}, pt{1024, 100000}), 32},
		{box(pt{1024, -100000}, pt{100000, 100000}), 32},
		{box(pt{-100000, -512}, pt{100000, 512}), 16},
		{box(pt{-5000, 0}, pt{-1, 2048}), 0},
		{box(pt{2048, 0}, pt{5000, 2048}), 0},
		{box(pt{0, 2048}, pt{2048, 9000}), 0},
		{polygon(pt{-2048, 0}, pt{2048, 0}, pt{2048, 4096}), -1},
	} {
		covers := covered(8, 8, c.p)
		if got := total(covers); c.want >= 0 && got != c.want*256 {
			t.Errorf("%v covers %d, want %d pixels", c.p, got, c.want)
		}
	}
}
