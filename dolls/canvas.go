package dolls

import "cosmicman/prompt"

// rgb is a colour in sRGB.
type rgb [3]uint8

// toward mixes a colour with another, n of 256 parts.
func (c rgb) toward(d rgb, n int) (out rgb) {
	for i := range c {
		out[i] = uint8((int(c[i])*(256-n) + int(d[i])*n + 128) >> 8)
	}
	return out
}

var inkColor, lightColor = rgb{24, 18, 28}, rgb{255, 255, 255}

// darker and lighter change a colour by n of 256 parts.
func (c rgb) darker(n int) rgb { return c.toward(inkColor, n) }

func (c rgb) lighter(n int) rgb { return c.toward(lightColor, n) }

// Label is a part of the ATR set of human parsing.
type Label uint8

// The labels, by their numbers in parsing maps. Left and right are the person's own.
const (
	Background Label = iota
	Hat
	Hair
	Sunglasses
	UpperClothes
	Skirt
	Pants
	Dress
	Belt
	LeftShoe
	RightShoe
	Face
	LeftLeg
	RightLeg
	LeftArm
	RightArm
	Bag
	Scarf

	LabelCount = iota
)

// ink is what a shape is filled with.
type ink struct {
	color   rgb
	print   func(x, y int) rgb // of a pattern, in sixteenths of design units; nil: color
	shade   int                // how much darker, of 256 parts, the right side is, and lighter the left
	alpha   int                // of 256 parts; 0: opaque
	outline int                // width in sixteenths, 0: none
	edge    rgb                // of the outline; black: a darker color
	label   Label
	group   prompt.Group
	within  bool // only on the figure
	over    bool // a detail: what it lies on keeps its label
	clipped bool // only where the last shape of its own lies
	apart   bool // in pixel art, a line keeps it from what it lies on
	clip    bool // details that are clipped lie on this
}

// canvas is an image with its parsing map while it is drawn.
type canvas struct {
	w, h   int
	pix    []uint8 // RGBA
	labels []uint8
	groups []uint8 // the group of each pixel, for telling what is visible
	crisp  bool    // pixels are filled or not
	*raster
	covers []uint16 // of the shape that details are clipped to

	scale  int // 65536 times 256ths of a pixel a sixteenth
	ox, oy int // where the design's origin is, in 256ths of a pixel

	// The head is turned: a rotation around a point.
	turn       int // degrees
	around     pt
	left, span int // of a shape's own shading, in pixels
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, pix: make([]uint8, 4*w*h), labels: make([]uint8, w*h), groups: make([]uint8, w*h),
		raster: newRaster(w, h), covers: make([]uint16, w*h), scale: 1 << 16}
}

// device is where a point of the design lies, in 256ths of a pixel.
func (c *canvas) device(p pt) pt {
	if c.turn != 0 {
		x, y := p.x-c.around.x, p.y-c.around.y
		s, k := sin(c.turn), cos(c.turn)
		p = pt{c.around.x + (x*k-y*s)/4096, c.around.y + (x*s+y*k)/4096}
	}
	return pt{(p.x*c.scale)>>16 + c.ox, (p.y*c.scale)>>16 + c.oy}
}

// trace gives a path's edges to the raster, every polygon the same way around, so that
// where polygons overlap they are a union.
func (c *canvas) trace(p path) {
	c.begin()
	for _, poly := range p {
		forward := area(poly) >= 0
		if len(poly) < 3 {
			continue
		}
		last := c.device(poly[len(poly)-1])
		for _, q := range poly {
			d := c.device(q)
			if forward {
				c.edge(last, d)
			} else {
				c.edge(d, last)
			}
			last = d
		}
	}
}

// draw fills a path, after its outline.
func (c *canvas) draw(p path, k ink) {
	if k.outline > 0 && !c.crisp {
		border := k
		border.color, border.print, border.shade, border.outline, border.clip = k.edge, nil, 0, 0, false
		if k.edge == (rgb{}) {
			border.color = k.color.darker(110)
		}
		c.fill(p.grown(k.outline), border)
	}
	if k.apart && c.crisp {
		line := k
		line.color, line.print, line.over, line.within = seam(k), nil, true, true
		c.fill(p.grown((1<<24)/c.scale*9/10), line)
	}
	c.fill(p, k)
}

func (c *canvas) fill(p path, k ink) {
	c.trace(p)
	c.left, c.span = c.x0, max(1, c.x1-c.x0)
	if k.clip {
		clear(c.covers)
	}
	if k.alpha == 0 {
		k.alpha = 256
	}
	c.sweep(func(x, y, cover int) {
		i := y*c.w + x
		if k.clip {
			c.covers[i] = uint16(cover)
		}
		if k.clipped {
			cover = cover * int(c.covers[i]) >> 8
		}
		if c.crisp {
			if cover < 128 || k.alpha < 100 || k.within && c.labels[i] == uint8(Background) {
				return
			}
			cover = 256
		}
		if cover >= 128 && !k.over {
			c.labels[i], c.groups[i] = uint8(k.label), uint8(k.group)
		}
		col := c.color(&k, x, y)
		a := cover * k.alpha >> 8
		if c.crisp {
			a = 256
		}
		px := c.pix[4*i : 4*i+3 : 4*i+3]
		for j := range px {
			px[j] = uint8((int(px[j])*(256-a) + int(col[j])*a + 128) >> 8)
		}
	})
}

// color is what a pixel of a shape has.
func (c *canvas) color(k *ink, x, y int) rgb {
	col := k.color
	switch {
	case k.print != nil && c.crisp:
		return k.print(x, y)
	case k.print != nil:
		col = c.printed(k, x, y)
	}
	if k.shade == 0 || c.crisp {
		return col
	}
	// From light at a third to dark at the right, as a column is lit from the left.
	t := (x-c.left)*256/c.span - 85
	if t > 0 {
		return col.darker(k.shade * t / 170)
	}
	return col.lighter(k.shade / 2 * -t / 256)
}

// printed is the mean of a pattern over nine points of a pixel.
func (c *canvas) printed(k *ink, x, y int) rgb {
	var sum [3]int
	for dy := range 3 {
		for dx := range 3 {
			col := k.print(c.design(x<<8+43+85*dx-c.ox), c.design(y<<8+43+85*dy-c.oy))
			for j, v := range col {
				sum[j] += int(v)
			}
		}
	}
	return rgb{uint8(sum[0] / 9), uint8(sum[1] / 9), uint8(sum[2] / 9)}
}

// design turns 256ths of pixels from the origin into sixteenths of design units.
func (c *canvas) design(d int) int { return (d << 16) / c.scale }
