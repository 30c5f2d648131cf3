package picture

import "image"

// fromJPEG turns a JPEG's planes into pixels as libjpeg does: colours of half the
// resolution are interpolated, each new one from the near and the far neighbour by 3 to
// 1, where image/jpeg and package draw would repeat them; and its tables of rounded
// products make the same values.
func fromJPEG(m *image.YCbCr) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	halfX, halfY := halves(m.SubsampleRatio)
	cw, ch := w, h
	if halfX {
		cw = (w + 1) / 2
	}
	if halfY {
		ch = (h + 1) / 2
	}
	cb, cr := make([]uint8, w+1), make([]uint8, w+1)
	sums := make([]int, cw)
	for y := range h {
		near, far := y, y
		if halfY {
			near = y / 2
			far = min(max(near-1+2*(y%2), 0), ch-1)
		}
		upsample(cb, sums, m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw], halfX, halfY, y%2)
		upsample(cr, sums, m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw], halfX, halfY, y%2)
		luma, pixels := m.Y[y*m.YStride:][:w], out.Pix[y*out.Stride:][:4*w]
		for x, l := range luma {
			b, r := cb[x], cr[x]
			p := pixels[4*x:][:4]
			p[0] = clamp(int(l) + colours.red[r])
			p[1] = clamp(int(l) + (colours.greenB[b]+colours.greenR[r])>>16)
			p[2] = clamp(int(l) + colours.blue[b])
			p[3] = 255
		}
	}
	return out
}

// halves says in which directions the colours have half the resolution; for the rare
// quarters there is straight's general way.
func halves(r image.YCbCrSubsampleRatio) (x, y bool) {
	return r == image.YCbCrSubsampleRatio422 || r == image.YCbCrSubsampleRatio420, r == image.YCbCrSubsampleRatio440 || r == image.YCbCrSubsampleRatio420
}

// upsample makes one row of colours of full width. near is the row that it lies in, far
// the next one on its other side; odd is the lower row of the two that near covers.
func upsample(out []uint8, sums []int, near, far []uint8, halfX, halfY bool, odd int) {
	switch {
	case !halfX && !halfY:
		copy(out, near)
		return
	case !halfX:
		for i := range near {
			out[i] = uint8((3*int(near[i]) + int(far[i]) + 1 + odd) >> 2)
		}
		return
	}
	// The sums are four times the colour if there are two rows, and once if there is one;
	// what is added before shifting alternates, so that no direction is rounded to.
	scale, shift, left, right := 1, 2, 1, 2
	if halfY {
		scale, shift, left, right = 4, 4, 8, 7
	}
	for i := range near {
		sums[i] = int(near[i])
		if halfY {
			sums[i] = 3*int(near[i]) + int(far[i])
		}
	}
	last := len(near) - 1
	for i, s := range sums {
		out[2*i] = uint8((3*s + sums[max(i-1, 0)] + left) >> shift)
		if 2*i+1 < len(out) {
			out[2*i+1] = uint8((3*s + sums[min(i+1, last)] + right) >> shift)
		}
	}
	// The outermost have one neighbour: they are the colour itself.
	if halfY {
		out[0] = uint8((scale*sums[0] + 8) >> shift)
		if 2*last+1 < len(out) {
			out[2*last+1] = uint8((scale*sums[last] + 7) >> shift)
		}
		return
	}
	out[0] = near[0]
	if 2*last+1 < len(out) {
		out[2*last+1] = near[last]
	}
}

// colours are JFIF's factors times each value of a colour, as libjpeg rounds them.
var colours = func() (t struct{ red, blue, greenR, greenB [256]int }) {
	const half = 1 << 15
	for i := range 256 {
		x := i - 128
		t.red[i] = (91881*x + half) >> 16   // 1.40200
		t.blue[i] = (116130*x + half) >> 16 // 1.77200
		t.greenR[i] = -46802 * x            // 0.71414
		t.greenB[i] = -22554*x + half       // 0.34414
	}
	return t
}()

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }
