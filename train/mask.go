package train

import "fmt"

// ParsingMap says of every pixel of an image what it shows: a label, row by row. 0
// is the background.
type ParsingMap struct {
	Width, Height int
	Labels        []uint8
}

func (m ParsingMap) check() error {
	if m.Width < 1 || m.Height < 1 || m.Height > len(m.Labels) || len(m.Labels)%m.Height != 0 || len(m.Labels)/m.Height != m.Width {
		return fmt.Errorf("the parsing map of %dx%d pixels has %d labels", m.Width, m.Height, len(m.Labels))
	}
	return nil
}

// Resize says how a mask is brought to the size of an attention map.
type Resize string

const (
	// Bilinear reads between the four pixels around a point, as PyTorch does with
	// align_corners false; going down, most pixels are not looked at.
	Bilinear Resize = "bilinear"
	// Area is the mean of the pixels that a position covers, those at its edges as whole.
	Area Resize = "area"
	// Nearest is the pixel at a position's upper left corner.
	Nearest Resize = "nearest"
)

// tap is a source position and its weight.
type tap struct {
	at     int
	weight float32
}

// taps returns what each of out positions along an axis reads of in.
func (r Resize) taps(in, out int) [][]tap {
	all := make([][]tap, out)
	for i := range all {
		switch r {
		case Area:
			first, end := i*in/out, ((i+1)*in+out-1)/out
			for at := first; at < end; at++ {
				all[i] = append(all[i], tap{at, 1 / float32(end-first)})
			}
		case Nearest:
			all[i] = []tap{{i * in / out, 1}}
		default:
			// Twice the position's middle, in pixels' middles, over out: whole numbers until the end.
			doubled := max((2*i+1)*in-out, 0)
			at := doubled / (2 * out)
			part := float32(doubled%(2*out)) / float32(2*out)
			all[i] = []tap{{at, 1 - part}}
			if part > 0 && at+1 < in {
				all[i] = append(all[i], tap{at + 1, part})
			} else if part > 0 {
				all[i][0].weight = 1
			}
		}
	}
	return all
}

// mask writes, for the pixels whose label is among labels, a map of height x width
// values from 0 to 1 into out, one every step elements.
func (m ParsingMap) mask(labels *[256]bool, r Resize, height, width int, out []float32, step int) {
	across := r.taps(m.Width, width)
	for y, down := range r.taps(m.Height, height) {
		for x, taps := range across {
			var sum float32
			for _, d := range down {
				row := m.Labels[d.at*m.Width:]
				var part float32
				for _, a := range taps {
					if labels[row[a.at]] {
						part += a.weight
					}
				}
				sum += d.weight * part
			}
			out[(y*width+x)*step] = sum
		}
	}
}
