package journal

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"

	"cosmicman/artifact"
	"cosmicman/picture"
	"cosmicman/train"
)

// Cell is a picture with text beneath.
type Cell struct {
	Image   image.Image // nil: nothing is there
	Title   string      // in bold, before the caption
	Caption []Run
}

// Sheet is a picture of pictures, in rows from left to right.
type Sheet struct {
	Title   []Run
	Columns int // 0: about as many as rows
	// CellSize is the longer side of a picture in pixels: a larger one is made smaller,
	// one half as large or smaller is made a whole number of times larger. 0: 256.
	CellSize int
	Cells    []Cell
}

const (
	sheetMargin = 16
	cellGap     = 12
	// maxSheet bounds a sheet's sides, in pixels.
	maxSheet = 16384
)

// Draw makes the picture.
func (s Sheet) Draw() *image.NRGBA {
	size := s.CellSize
	if size <= 0 {
		size = 256
	}
	columns := s.Columns
	if columns <= 0 {
		for columns = 1; columns*columns < len(s.Cells); columns++ {
		}
	}
	columns = min(max(columns, 1), max(len(s.Cells), 1), (maxSheet-2*sheetMargin)/(size+cellGap))
	width := 2*sheetMargin + columns*(size+cellGap) - cellGap

	title, lines := lay(s.Title, width-2*sheetMargin)
	y := sheetMargin
	if lines > 0 {
		y += lines*lineHeight + cellGap
	}
	type laid struct {
		image   *image.NRGBA
		at      image.Point
		caption []piece
		below   image.Point
	}
	var all []laid
	for from := 0; from < len(s.Cells); from += columns {
		row := s.Cells[from:min(from+columns, len(s.Cells))]
		tallest, most := 0, 0
		var some []laid
		for i, c := range row {
			l := laid{at: image.Pt(sheetMargin+i*(size+cellGap), y)}
			if c.Image != nil {
				l.image = fit(c.Image, size)
				tallest = max(tallest, l.image.Rect.Dy())
			}
			text := c.Caption
			if c.Title != "" {
				text = append([]Run{{Text: c.Title + "  ", Bold: true}}, text...)
			}
			var n int
			l.caption, n = lay(text, size)
			most = max(most, n)
			some = append(some, l)
		}
		for _, l := range some {
			l.below = image.Pt(l.at.X, y+tallest+4)
			all = append(all, l)
		}
		y += tallest + 4 + most*lineHeight + cellGap
	}
	height := min(y+sheetMargin-cellGap, maxSheet)
	sheet := image.NewNRGBA(image.Rect(0, 0, width, max(height, 2*sheetMargin)))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	write(sheet, image.Pt(sheetMargin, sheetMargin), title)
	for _, l := range all {
		if l.image != nil {
			draw.Draw(sheet, l.image.Rect.Add(l.at), l.image, image.Point{}, draw.Over)
		}
		write(sheet, l.below, l.caption)
	}
	return sheet
}

// fit makes a picture's longer side size, or nearly, without blurring small ones.
func fit(img image.Image, size int) *image.NRGBA {
	n := nrgba(img)
	w, h := n.Rect.Dx(), n.Rect.Dy()
	longer := max(w, h)
	switch {
	case longer == 0:
		return n
	case longer > size:
		return picture.Resize(n, max(w*size/longer, 1), max(h*size/longer, 1))
	}
	times := size / longer
	if times < 2 {
		return n
	}
	large := image.NewNRGBA(image.Rect(0, 0, w*times, h*times))
	for y := range h * times {
		for x := range w * times {
			large.SetNRGBA(x, y, n.NRGBAAt(x/times, y/times))
		}
	}
	return large
}

// nrgba is a picture whose corner is at 0, 0.
func nrgba(img image.Image) *image.NRGBA {
	if n, is := img.(*image.NRGBA); is && n.Rect.Min == (image.Point{}) {
		return n
	}
	n := image.NewNRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(n, n.Rect, img, img.Bounds().Min, draw.Src)
	return n
}

// Write writes the sheet as a PNG, whole or not at all. synthetic marks it as a model's.
func (s Sheet) Write(path string, synthetic bool) error {
	_, _, err := s.write(path, synthetic)
	return err
}

func (s Sheet) write(path string, synthetic bool) (size image.Point, data []byte, err error) {
	img := s.Draw()
	if data, err = picture.Encode(img, picture.PNG, 0, picture.Meta{Synthetic: synthetic}); err != nil {
		return size, nil, err
	}
	err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), artifact.WriteFile(path, data))
	return img.Rect.Size(), data, err
}

// GroupColor is the colour of the n-th of several groups of words, and of their masks;
// beyond 12 they come again. On white all can be read.
func GroupColor(n int) color.NRGBA { return groupColors[n%len(groupColors)] }

var groupColors = []color.NRGBA{
	{0xd1, 0x24, 0x2f, 0xff}, {0x09, 0x69, 0xda, 0xff}, {0x1a, 0x7f, 0x37, 0xff}, {0x82, 0x50, 0xdf, 0xff},
	{0xbc, 0x4c, 0x00, 0xff}, {0x0e, 0x7c, 0x86, 0xff}, {0xbf, 0x39, 0x89, 0xff}, {0x7d, 0x66, 0x00, 0xff},
	{0x3d, 0x5a, 0x80, 0xff}, {0x95, 0x38, 0x00, 0xff}, {0x4f, 0x7a, 0x28, 0xff}, {0x6e, 0x40, 0xc9, 0xff},
}

// Overlay colours the pixels of a picture that colors gives a colour to, by the label that
// a parsing map of its size has there; opacity is the colour's share, 0 to 1.
func Overlay(img image.Image, m train.ParsingMap, colors func(label uint8) (color.NRGBA, bool), opacity float64) *image.NRGBA {
	from := nrgba(img)
	out := image.NewNRGBA(from.Rect)
	copy(out.Pix, from.Pix)
	w, h := min(out.Rect.Dx(), m.Width), min(out.Rect.Dy(), m.Height)
	for y := range h {
		for x := range w {
			c, is := colors(m.Labels[y*m.Width+x])
			if !is {
				continue
			}
			at := out.PixOffset(x, y)
			for i, v := range []uint8{c.R, c.G, c.B} {
				p := &out.Pix[at+i]
				*p = uint8(float64(*p)*(1-opacity) + float64(v)*opacity + 0.5)
			}
		}
	}
	return out
}
