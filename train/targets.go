package train

import (
	"errors"
	"fmt"
	"strings"

	"cosmicman/ort"
	"cosmicman/prompt"
)

// Group is a run of a caption's tokens that describe one part of the person.
type Group struct {
	// Tokens are places in the text encoder's row, half-open; 0 is the begin mark. An
	// empty run, such as that of words that were cut off, is left out.
	Tokens [2]int
	// Labels of the parsing map, any of which is the part. A group with none of them,
	// and no Foreground, has no mask.
	Labels []uint8
	// Foreground is the whole person: every label but 0.
	Foreground bool
}

// GroupOf is the group of a caption's tokens about one of the protocol's groups.
// The body's shape answers to the whole person, whatever the labels.
func GroupOf(g prompt.Group, tokens [2]int, labels []uint8) Group {
	return Group{tokens, labels, g == prompt.BodyShape}
}

// ShotGroup is the group of the tokens that say how much of the person is seen,
// which answers to the whole person.
func ShotGroup(tokens [2]int) Group { return Group{Tokens: tokens, Foreground: true} }

// TokenSpan returns the places in w's row of the tokens of bytes from phrase[0] to
// phrase[1] (excluded) of text. A phrase of which any part is not in the window has
// an empty span: the tokens that are left do not describe it.
func TokenSpan(w prompt.Window, text string, phrase [2]int) [2]int {
	if phrase[0] < 0 || phrase[1] > len(text) || phrase[0] >= phrase[1] {
		return [2]int{}
	}
	words := text[phrase[0]:phrase[1]]
	start := phrase[0] + len(words) - len(strings.TrimLeft(words, " \t\r\n"))
	end := phrase[1] - len(words) + len(strings.TrimRight(words, " \t\r\n"))
	span, first, last := [2]int{}, len(text), 0
	for i, s := range w.Spans {
		if s[0] >= end || s[1] <= start {
			continue
		}
		if span[1] == 0 {
			span[0] = i + 1
		}
		span[1], first, last = i+2, min(first, s[0]), max(last, s[1])
	}
	if first > start || last < end {
		return [2]int{}
	}
	return span
}

// Sample is what a caption and a parsing map say of one image. Without groups, as
// where its text was dropped, it does not count.
type Sample struct {
	Groups []Group
	Map    ParsingMap // of the image's size; not needed where no group has a mask
}

// Shape is the shape of a batch's attention maps.
type Shape struct {
	Height, Width int   // of the images, in pixels
	Pixels        int64 // of the image along a side of one of the latents: 8
	Tokens        int   // of a row: 77
}

// Targets makes the inputs of the loss (see [HOLA.Loss]) for a batch and the layers
// that are supervised. Every fault of the samples is named.
func (o HOLA) Targets(batch []Sample, s Shape, layers []Layer) (map[string]ort.Tensor, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	var faults []error
	kept := make([][]Group, len(batch))
	maps, counted := 1, 0 // no axis is empty
	for i, sample := range batch {
		groups, err := o.groups(sample, s)
		if err != nil {
			faults = append(faults, fmt.Errorf("hola: sample %d of the batch: %w", i, err))
		}
		kept[i] = groups
		maps = max(maps, columns(groups))
		if len(groups) > 0 {
			counted++
		}
	}
	if len(batch) == 0 {
		faults = append(faults, errors.New("hola: the batch is empty"))
	}
	if len(layers) == 0 {
		faults = append(faults, errors.New("hola: no layer is supervised"))
	}
	if s.Tokens < 1 {
		faults = append(faults, fmt.Errorf("hola: the number of a row's tokens is %d, expected 77 or another from 1 on", s.Tokens))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	rows := int64(len(batch))
	chosen := make([]float32, len(batch)*s.Tokens*maps)
	for i, groups := range kept {
		choose(groups, chosen[i*s.Tokens*maps:], maps)
	}
	out := map[string]ort.Tensor{TokensInput: ort.Floats(chosen, rows, 1, int64(s.Tokens), int64(maps))}
	for _, l := range layers {
		if _, done := out[MapsInput(l.Stride)]; done {
			continue
		}
		height, width, err := l.mapSize(s)
		if err != nil {
			return nil, err
		}
		positions := height * width
		masks, weights := make([]float32, len(batch)*positions*maps), make([]float32, len(batch)*maps)
		for i, groups := range kept {
			o.masks(batch[i].Map, groups, height, width, masks[i*positions*maps:], maps)
			o.weigh(groups, positions, counted, weights[i*maps:])
		}
		out[MapsInput(l.Stride)] = ort.Floats(masks, rows, 1, int64(positions), int64(maps))
		out[WeightsInput(l.Stride)] = ort.Floats(weights, rows, 1, 1, int64(maps))
	}
	return out, nil
}

// groups returns the groups of a sample that count.
func (o HOLA) groups(sample Sample, s Shape) (kept []Group, err error) {
	var faults []error
	masked := false
	for i, g := range sample.Groups {
		if g.Tokens[0] == g.Tokens[1] {
			continue
		}
		if g.Tokens[0] < 1 || g.Tokens[1] < g.Tokens[0] || g.Tokens[1] > s.Tokens {
			faults = append(faults, fmt.Errorf("group %d: tokens %d to %d, expected places from 1 to %d", i, g.Tokens[0], g.Tokens[1], s.Tokens))
			continue
		}
		if !g.masked() && o.Maskless == IgnoreGroup {
			continue
		}
		masked = masked || g.masked()
		kept = append(kept, g)
	}
	if m := sample.Map; masked {
		if err := m.check(); err != nil {
			faults = append(faults, err)
		} else if m.Width != s.Width || m.Height != s.Height {
			faults = append(faults, fmt.Errorf("the parsing map has %dx%d pixels, the image %dx%d", m.Width, m.Height, s.Width, s.Height))
		}
	}
	return kept, errors.Join(faults...)
}

func (g Group) masked() bool { return g.Foreground || len(g.Labels) > 0 }

// columns is the number of maps of some groups: each token's, and each group's mean.
func columns(groups []Group) (n int) {
	for _, g := range groups {
		n += g.Tokens[1] - g.Tokens[0] + 1
	}
	return n
}

// choose writes a sample's Sel [tokens, maps], which is all zero.
func choose(groups []Group, sel []float32, maps int) {
	at := 0
	for _, g := range groups {
		mean := at + g.Tokens[1] - g.Tokens[0]
		for t := g.Tokens[0]; t < g.Tokens[1]; t++ {
			sel[t*maps+at] = 1
			sel[t*maps+mean] = 1 / float32(g.Tokens[1]-g.Tokens[0])
			at++
		}
		at++
	}
}

// masks writes a sample's H [height*width, maps], which is all zero.
func (o HOLA) masks(m ParsingMap, groups []Group, height, width int, out []float32, maps int) {
	at := 0
	for _, g := range groups {
		first := at
		at += g.Tokens[1] - g.Tokens[0] + 1
		if !g.masked() {
			continue
		}
		var labels [256]bool
		for l := range labels {
			labels[l] = g.Foreground && l > 0
		}
		if !g.Foreground {
			for _, l := range g.Labels {
				labels[l] = true
			}
		}
		m.mask(&labels, o.Resize, height, width, out[first:], maps)
		for row := first; row < height*width*maps; row += maps {
			for i := first + 1; i < at; i++ {
				out[row+i-first] = out[row]
			}
		}
	}
}

// weigh writes a sample's w, one a map, for a batch of which some samples count.
func (o HOLA) weigh(groups []Group, positions, counted int, w []float32) {
	at := 0
	for _, g := range groups {
		n := g.Tokens[1] - g.Tokens[0] + 1
		over := float64(counted)
		switch o.Reduction {
		case ByPaper:
			over *= float64(len(groups))
		case PerGroupMean:
			over *= float64(len(groups)) * float64(n) * float64(positions)
		default:
			over *= float64(columns(groups)) * float64(positions)
		}
		for range n {
			w[at] = float32(1 / over)
			at++
		}
	}
}
