package recipe

import (
	"math"

	"cosmicman/train"
)

// areaWeights says how much each place of an image's loss counts, so that small parts
// are not lost among large ones: a pixel counts as the area of its label to the power of
// minus strength, a place as the mean of its pixels, and the mean over the image is 1.
// A place is pixels wide and high. Without a map all count 1.
func areaWeights(m train.ParsingMap, width, height, pixels int, strength float64) []float32 {
	w, h := width/pixels, height/pixels
	out := make([]float32, w*h)
	if len(m.Labels) == 0 {
		for i := range out {
			out[i] = 1
		}
		return out
	}
	var areas, counts [256]float64
	for _, l := range m.Labels {
		areas[l]++
	}
	for l, n := range areas {
		if n > 0 {
			counts[l] = math.Pow(n, -strength)
		}
	}
	sums := make([]float64, w*h)
	total := 0.0
	for y := range h * pixels {
		for x := range w * pixels {
			c := counts[m.Labels[y*m.Width+x]]
			sums[y/pixels*w+x/pixels] += c
			total += c
		}
	}
	for i, s := range sums {
		out[i] = float32(s * float64(w*h) / total)
	}
	return out
}
