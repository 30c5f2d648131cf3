package picture

import (
	"image"
	"math"
)

// Resize returns an image of another size, at least 1x1, as Pillow's resize with
// LANCZOS makes it of an RGB image, bit for bit. The alpha channel is left aside: the
// result is opaque.
func Resize(img *image.NRGBA, width, height int) *image.NRGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	p := pixels4{img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y):], img.Stride, w, h}
	// Pillow goes up and down first where that saves most. The order shows, since
	// pixels are rounded in between.
	if h > height && h-height > 2*(w-width) {
		p = p.down(height).across(width)
	} else {
		p = p.across(width).down(height)
	}
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		copy(out.Pix[y*out.Stride:][:4*width], p.pix[y*p.stride:])
	}
	for i := 3; i < len(out.Pix); i += 4 {
		out.Pix[i] = 255
	}
	return out
}

// pixels4 are rows of four bytes a pixel.
type pixels4 struct {
	pix                   []uint8
	stride, width, height int
}

func newPixels4(width, height int) pixels4 {
	return pixels4{make([]uint8, 4*width*height), 4 * width, width, height}
}

func (p pixels4) across(width int) pixels4 {
	if width == p.width {
		return p
	}
	out, each := newPixels4(width, p.height), lanczos(p.width, width)
	for y := range p.height {
		for x := range each {
			each[x].sum(out.pix[y*out.stride+4*x:], p.pix[y*p.stride+4*each[x].first:], 4)
		}
	}
	return out
}

func (p pixels4) down(height int) pixels4 {
	if height == p.height {
		return p
	}
	out, each := newPixels4(p.width, height), lanczos(p.height, height)
	for y := range each {
		for x := range p.width {
			each[y].sum(out.pix[y*out.stride+4*x:], p.pix[each[y].first*p.stride+4*x:], p.stride)
		}
	}
	return out
}

// taps are what one pixel of the result is made of: so much of each pixel from first
// on, as shares of 1<<resizeBits.
type taps struct {
	first  int
	shares []int32
}

const (
	resizeBits     = 32 - 8 - 2
	lanczosSupport = 3.0
)

// sum weighs three bytes of pixels that lie step bytes apart.
func (t *taps) sum(dst, src []uint8, step int) {
	r, g, b := int32(1<<(resizeBits-1)), int32(1<<(resizeBits-1)), int32(1<<(resizeBits-1))
	at := 0
	for _, share := range t.shares {
		p := src[at : at+3 : at+3]
		r += int32(p[0]) * share
		g += int32(p[1]) * share
		b += int32(p[2]) * share
		at += step
	}
	dst = dst[:3]
	dst[0], dst[1], dst[2] = clip8(r), clip8(g), clip8(b)
}

func clip8(x int32) uint8 { return uint8(min(max(x>>resizeBits, 0), 255)) }

// lanczos lays out one direction of a resize from n pixels to many.
func lanczos(n, many int) []taps {
	scale := float64(n) / float64(many)
	stretch := max(scale, 1)
	support := lanczosSupport * stretch
	out := make([]taps, many)
	for i := range out {
		center := float64((float64(i) + 0.5) * scale)
		first := max(int(center-support+0.5), 0)
		last := min(int(center+support+0.5), n)
		shares := make([]float64, last-first)
		total := 0.0
		for k := range shares {
			shares[k] = lanczosFilter((float64(k+first) - center + 0.5) * (1 / stretch))
			total += shares[k]
		}
		t := taps{first, make([]int32, len(shares))}
		for k, s := range shares {
			if total != 0 {
				s /= total
			}
			t.shares[k] = int32(math.Copysign(0.5, s) + float64(s*(1<<resizeBits)))
		}
		out[i] = t
	}
	return out
}

// lanczosFilter is a sinc under the middle of a wider one.
func lanczosFilter(x float64) float64 {
	if x < -lanczosSupport || x >= lanczosSupport {
		return 0
	}
	return sinc(x) * sinc(x/lanczosSupport)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// Gray is the image in shades, as Pillow's convert("L") makes it of an RGB image, row
// by row. The alpha channel is left aside.
func Gray(img *image.NRGBA) []uint8 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := make([]uint8, 0, w*h)
	for y := range h {
		row := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):]
		for x := range w {
			p := row[4*x : 4*x+3]
			out = append(out, uint8((19595*uint32(p[0])+38470*uint32(p[1])+7471*uint32(p[2])+0x8000)>>16))
		}
	}
	return out
}
