package main

import (
	"cmp"
	"image"
	"math"

	"cosmicman/job"
)

// unknownLimit is the longest side where neither the model nor the command line says
// one; leastLimit is what any model may be asked for.
const (
	unknownLimit = 2048
	leastLimit   = 1024
	leastSide    = 64 // of what is drawn of a long and thin picture
)

// longestSide of a model, in pixels: as the command line says, or twice the native one.
func (c *catalogue) longestSide(model string, native image.Point) int {
	said := cmp.Or(c.limits[model], c.limits[""])
	switch {
	case said > 0:
		return said
	case native == image.Point{}:
		return unknownLimit
	}
	return max(leastLimit, 2*max(native.X, native.Y))
}

// sized fills in a size that was not given, and refuses one that is too large. native
// is the model's own, zero where it is not known, sides of the multiple are drawn.
func (c *catalogue) sized(s *job.Spec, native, like image.Point, multiple int) error {
	d := &s.Drawing
	longest := c.longestSide(s.Model, native)
	size := native
	if like != (image.Point{}) {
		size = fit(like, native, longest, multiple)
	}
	d.Width, d.Height = cmp.Or(d.Width, size.X), cmp.Or(d.Height, size.Y)
	for _, side := range []struct {
		name string
		n    int
	}{{"width", d.Width}, {"height", d.Height}} {
		if side.n > longest {
			e := job.Errorf(job.Invalid, "size: the %s is %d, the model %s draws up to %dx%d", side.name, side.n, s.Model, longest, longest)
			e.Field = "size"
			return e
		}
	}
	return nil
}

// fit is the size at which a picture is drawn anew: its own, its sides rounded to what
// is drawn; of one that is too large the native area in its shape.
func fit(like, native image.Point, longest, multiple int) image.Point {
	w, h := float64(like.X), float64(like.Y)
	if max(like.X, like.Y) > longest {
		area := float64(native.X * native.Y)
		if area == 0 {
			area = float64(longest * longest)
		}
		by := min(math.Sqrt(area/(w*h)), float64(longest)/max(w, h))
		w, h = w*by, h*by
	}
	rounded := func(side float64) int {
		n := int(math.Round(side/float64(multiple))) * multiple
		return min(max(n, leastSide), longest/multiple*multiple)
	}
	return image.Pt(rounded(w), rounded(h))
}
