package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
)

// DecodeLabels reads a map of labels: a PNG of one channel, in which a pixel's number is
// its label, or of a palette, in which its index is. It returns the labels row by row
// and the map's size. It is bounded and waits as [Decode] does; every error but ctx's is
// an *Error.
func DecodeLabels(ctx context.Context, data []byte, l Limits) (labels []uint8, size image.Point, err error) {
	l = l.withDefaults()
	info, err := inspect(data)
	if err != nil {
		return nil, size, err
	}
	if info.Format != PNG {
		return nil, size, &Error{Reason: fmt.Sprintf("is %s, expected a PNG: other formats do not keep labels", names[info.Format])}
	}
	if err := l.check(info.Width, info.Height); err != nil {
		return nil, size, err
	}
	if info.Orientation != 1 {
		return nil, size, &Error{Reason: "is to be turned, as its EXIF says; expected a map that lies as it is seen"}
	}
	weight := min(int64(info.Width)*int64(info.Height), atOnce)
	if err := decoding.Acquire(ctx, weight); err != nil {
		return nil, size, err
	}
	defer decoding.Release(weight)
	img, err := pixels(data, info)
	if err != nil {
		return nil, size, damaged(PNG, err)
	}
	depth := data[len(pngSignature)+8+8] // of IHDR, which inspect has seen
	switch m := img.(type) {
	case *image.Paletted:
		labels = rows(m.Pix, m.Stride, m.Rect)
	case *image.Gray:
		labels = rows(m.Pix, m.Stride, m.Rect)
		// The decoder spreads the numbers of fewer bits over all shades.
		if step := 255 / (1<<depth - 1); step > 1 {
			for i := range labels {
				labels[i] /= uint8(step)
			}
		}
	default:
		return nil, size, &Error{Reason: "has colours, opacity or 16 bits, expected a PNG of one 8-bit channel, or of a palette, whose numbers are labels"}
	}
	if len(labels) != info.Width*info.Height {
		return nil, size, damaged(PNG, errors.New("its header and its pixels differ"))
	}
	return labels, image.Pt(info.Width, info.Height), nil
}

// rows are an image's bytes without what lies between its rows.
func rows(pix []uint8, stride int, r image.Rectangle) []uint8 {
	if stride == r.Dx() {
		return pix[:stride*r.Dy()]
	}
	out := make([]uint8, 0, r.Dx()*r.Dy())
	for y := range r.Dy() {
		out = append(out, pix[y*stride:][:r.Dx()]...)
	}
	return out
}
