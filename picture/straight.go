package picture

import (
	"image"
	"image/color"
)

// straight returns the pixels of any decoded image with straight alpha.
func straight(img image.Image) *image.NRGBA {
	b := img.Bounds()
	size := image.Rect(0, 0, b.Dx(), b.Dy())
	switch m := img.(type) {
	case *image.NRGBA:
		if m.Rect == size && m.Stride == 4*size.Dx() {
			return m
		}
	case *image.RGBA:
		if m.Rect == size && m.Stride == 4*size.Dx() && m.Opaque() {
			return opaque(m)
		}
	case *image.NRGBA64:
		return each(size, func(x, y int) color.NRGBA {
			c := m.NRGBA64At(b.Min.X+x, b.Min.Y+y)
			return color.NRGBA{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), uint8(c.A >> 8)}
		})
	case *image.CMYK:
		return each(size, func(x, y int) color.NRGBA {
			c := m.CMYKAt(b.Min.X+x, b.Min.Y+y)
			red, green, blue := color.CMYKToRGB(c.C, c.M, c.Y, c.K)
			return color.NRGBA{red, green, blue, 255}
		})
	case *image.Paletted:
		var palette [256]color.NRGBA // an index beyond the file's palette is transparent
		for i, c := range m.Palette {
			palette[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
		}
		return each(size, func(x, y int) color.NRGBA { return palette[m.ColorIndexAt(b.Min.X+x, b.Min.Y+y)] })
	}
	return each(size, func(x, y int) color.NRGBA {
		return color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
	})
}

func each(size image.Rectangle, at func(x, y int) color.NRGBA) *image.NRGBA {
	out := image.NewNRGBA(size)
	i := 0
	for y := range size.Dy() {
		for x := range size.Dx() {
			c := at(x, y)
			out.Pix[i], out.Pix[i+1], out.Pix[i+2], out.Pix[i+3] = c.R, c.G, c.B, c.A
			i += 4
		}
	}
	return out
}

// opaque is an image without transparency, where both kinds of alpha are the same.
func opaque(m *image.RGBA) *image.NRGBA {
	return &image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
}
