package recipe

import (
	"math"
	"testing"

	"cosmicman/train"
)

func TestAreaWeights(t *testing.T) {
	// 12 pixels of the background, 4 of a part in the upper left corner.
	m := train.ParsingMap{Width: 4, Height: 4, Labels: []uint8{3, 3, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	for _, x := range []struct {
		strength float64
		pixels   int
		first    float64 // in the corner
	}{
		{0, 1, 1},
		{1, 1, 2},                                // both parts count 8 of 16 together
		{1, 2, 2},                                // the part is the first of four places
		{0.5, 1, 16 / (4 + math.Sqrt(12)*2) / 1}, // 4*4^-0.5 + 12*12^-0.5 = 2 + sqrt 12; a pixel of the part 0.5
		{1, 4, 1},
	} {
		got := areaWeights(m, 4, 4, x.pixels, x.strength)
		sum := 0.0
		for _, v := range got {
			sum += float64(v)
		}
		if math.Abs(float64(got[0])-x.first) > 1e-6 || math.Abs(sum/float64(len(got))-1) > 1e-6 {
			t.Errorf("strength %v, places of %d: %v, of mean %v; want %v first and the mean 1", x.strength, x.pixels, got, sum/float64(len(got)), x.first)
		}
	}
	for _, v := range areaWeights(train.ParsingMap{}, 4, 4, 2, 1) {
		if v != 1 {
			t.Error("without a map a place counts", v)
		}
	}
}
