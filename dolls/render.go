package dolls

import (
	"fmt"
	"image"
)

// MaxSize is the largest side that is drawn, in pixels, MinSize the smallest.
const (
	MinSize = 16
	MaxSize = 4096
)

// grid is the side of pixel art.
const grid = 64

// Drawing is a person's image with its exact parsing map, of the same size.
type Drawing struct {
	Image *image.NRGBA
	Map   *image.Gray // labels, see [Label]

	groups []uint8 // the group that each pixel shows
}

// Render draws a person. Width and height are 16 to 4096 pixels; anything else, and an
// unknown style, is an error. Equal people, sizes and styles make equal bytes everywhere.
func (p *Person) Render(style Style, width, height int) (*Drawing, error) {
	if min(width, height) < MinSize || max(width, height) > MaxSize {
		return nil, sizeError(width, height)
	}
	switch style {
	case Shaded:
		c := newCanvas(width, height)
		c.paint(p)
		return c.drawing(), nil
	case Pixel:
		c := newCanvas(grid, grid)
		c.crisp = true
		c.paint(p)
		return c.drawing().enlarged(width, height), nil
	}
	return nil, styleError(style)
}

func sizeError(width, height int) error {
	return fmt.Errorf("size is %dx%d, expected %d to %d pixels a side", width, height, MinSize, MaxSize)
}

func styleError(s Style) error {
	return fmt.Errorf("style is %q, expected %s or %s", string(s), Shaded, Pixel)
}

func (c *canvas) drawing() *Drawing {
	bounds := image.Rect(0, 0, c.w, c.h)
	return &Drawing{
		Image:  &image.NRGBA{Pix: c.pix, Stride: 4 * c.w, Rect: bounds},
		Map:    &image.Gray{Pix: c.labels, Stride: c.w, Rect: bounds},
		groups: c.groups,
	}
}

// enlarged repeats pixels: every pixel is one of the small drawing's.
func (d *Drawing) enlarged(width, height int) *Drawing {
	bounds := image.Rect(0, 0, width, height)
	out := &Drawing{Image: image.NewNRGBA(bounds), Map: image.NewGray(bounds), groups: make([]uint8, width*height)}
	// Of a side that is longer than the other the middle is square, and its edge goes on.
	side := min(width, height)
	from := func(i, long int) int {
		return clamp(floor((2*i+1-long+side)*grid, 2*side), grid-1)
	}
	for y := range height {
		sy := from(y, height)
		for x := range width {
			i, k := sy*grid+from(x, width), y*width+x
			copy(out.Image.Pix[4*k:4*k+4], d.Image.Pix[4*i:4*i+4])
			out.Map.Pix[k], out.groups[k] = d.Map.Pix[i], d.groups[i]
		}
	}
	return out
}

// paint draws background and figure.
func (c *canvas) paint(p *Person) {
	for i := range c.groups {
		c.groups[i] = uint8(none)
		c.pix[4*i+3] = 255
	}
	c.background(p)
	f := newFigure(c, p)
	c.frame(f)
	f.drawAll()
}

// frame chooses scale and origin so that the shot shows what it should.
func (c *canvas) frame(f *figure) {
	p := f.p
	top := f.head(0, f.crown()).y - 60*unit
	bottom := 0
	switch p.Shot {
	case "full_body":
		bottom = f.at(0, 2010).y
	case "nearly_full_body":
		bottom = f.at(0, 1640).y
	case "upper_body":
		bottom = f.at(0, 1060).y
	case "portrait":
		bottom = f.at(0, 700).y + 40*unit
	default:
		bottom = f.at(0, 500).y + 40*unit
		top += 30 * unit
	}
	high := bottom - top
	wide := 1180 * unit * f.wide / 256
	switch p.Shot {
	case "portrait":
		wide = 640 * unit
	case "headshot":
		wide = 480 * unit
	}
	if p.Shot == "full_body" {
		// The small look small, a little.
		if grown := 1950 * unit; high < grown {
			top -= (grown - high) / 3
			high = bottom - top
		}
	}
	zoom := p.pose.closer
	if c.crisp {
		zoom = 100
	}
	// 256ths of a pixel in 65536ths a sixteenth of a unit.
	c.scale = min(c.h<<24/high, c.w<<24/wide) * zoom / 100
	c.ox = c.w<<7 + p.pose.shift*unit*3*c.scale>>16
	if c.crisp {
		c.ox = c.ox >> 8 << 8
	}
	c.oy = c.h<<8 - bottom*c.scale>>16
}
