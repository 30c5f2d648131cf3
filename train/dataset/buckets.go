package dataset

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Buckets are the sizes in which images are seen: one, or many of about one area and
// different aspects, since all images of a batch are of one size.
type Buckets struct {
	// Width and Height are the one size. Where they are 0, the rest holds.
	Width, Height int

	Area             int     // the most pixels that a bucket has
	Step             int     // sides are multiples of it
	MinSide, MaxSide int     // pixels
	MaxRatio         float64 // of the longer side to the shorter
}

// Size is a bucket's, in pixels.
type Size struct{ Width, Height int }

// String is WIDTHxHEIGHT.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// PublishedBuckets are those of the published training.
func PublishedBuckets() Buckets {
	return Buckets{Area: 1024 * 1280, Step: 64, MinSide: 768, MaxSide: 1536, MaxRatio: 2}
}

// BucketsAround are buckets of the area of a square, of a model that was made for
// side: 512, or 1024.
func BucketsAround(side int) Buckets {
	return Buckets{Area: side * side, Step: max(8, min(64, side/16/8*8)), MinSide: side / 2, MaxSide: side * 2, MaxRatio: 2}
}

const maxSide = 8192

// Check returns every fault of the sizes, joined.
func (b Buckets) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("buckets: "+format, args...)) }
	if b.Width != 0 || b.Height != 0 {
		for _, s := range []struct {
			name string
			n    int
		}{{"width", b.Width}, {"height", b.Height}} {
			if s.n < 8 || s.n > maxSide || s.n%8 != 0 {
				fault("%s is %d, expected a multiple of 8 from 8 to %d", s.name, s.n, maxSide)
			}
		}
		return errors.Join(faults...)
	}
	if b.Step < 8 || b.Step > maxSide || b.Step%8 != 0 {
		fault("step is %d, expected a multiple of 8 from 8 to %d", b.Step, maxSide)
	}
	if b.MinSide < 8 || b.MinSide > maxSide {
		fault("the smallest side is %d, expected 8 to %d", b.MinSide, maxSide)
	}
	if b.MaxSide < b.MinSide || b.MaxSide > maxSide {
		fault("the largest side is %d, expected %d (the smallest) to %d", b.MaxSide, b.MinSide, maxSide)
	}
	if !(b.MaxRatio >= 1 && b.MaxRatio <= 16) {
		fault("the largest ratio is %v, expected 1 to 16", b.MaxRatio)
	}
	if b.Area < 64 || b.Area > maxSide*maxSide {
		fault("the area is %d pixels, expected 64 to %d", b.Area, maxSide*maxSide)
	}
	if len(faults) == 0 && len(b.Sizes()) == 0 {
		fault("no size has sides of %d to %d that are multiples of %d, at most %d pixels and a ratio of at most %v", b.MinSide, b.MaxSide, b.Step, b.Area, b.MaxRatio)
	}
	return errors.Join(faults...)
}

// Sizes lists the buckets, from the narrowest to the widest: for each width the
// largest height that fits, for each height the largest width, and the largest square.
func (b Buckets) Sizes() []Size {
	if b.Width != 0 {
		return []Size{{b.Width, b.Height}}
	}
	var out []Size
	add := func(w, h int) {
		long, short := max(w, h), min(w, h)
		if short < b.MinSide || long > b.MaxSide || w > b.Area/h || float64(long) > b.MaxRatio*float64(short) || slices.Contains(out, Size{w, h}) {
			return
		}
		out = append(out, Size{w, h})
	}
	first := (b.MinSide + b.Step - 1) / b.Step * b.Step
	for side := first; side <= b.MaxSide; side += b.Step {
		longest := min(b.MaxSide, b.Area/side, int(float64(side)*b.MaxRatio))
		if other := longest / b.Step * b.Step; other >= side {
			add(side, other)
			add(other, side)
		}
	}
	square := int(math.Sqrt(float64(b.Area)))
	if square = min(square, b.MaxSide) / b.Step * b.Step; square > 0 {
		add(square, square)
	}
	slices.SortFunc(out, func(a, b Size) int {
		if d := a.Width*b.Height - b.Width*a.Height; d != 0 {
			return d
		}
		return a.Width - b.Width
	})
	return out
}

// nearest is the index of the bucket whose aspect is nearest to an image's; of two
// that are as near, the larger.
func nearest(sizes []Size, width, height int) int {
	best, least := 0, math.Inf(1)
	for i, s := range sizes {
		off := math.Abs(math.Log(float64(width) * float64(s.Height) / (float64(height) * float64(s.Width))))
		if off < least || off == least && s.Width*s.Height > sizes[best].Width*sizes[best].Height {
			best, least = i, off
		}
	}
	return best
}
