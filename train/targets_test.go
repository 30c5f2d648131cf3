package train

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cosmicman/onnx"
	"cosmicman/prompt"
	"cosmicman/tensor"
	"cosmicman/tokenizer"
)

// layersOf gives layers of strides with probabilities of rows and tokens of any number.
func layersOf(strides ...int64) (layers []Layer) {
	g := onnx.NewGraph("layers")
	for i, s := range strides {
		p := g.Input(fmt.Sprint("p", i), tensor.Float32, onnx.Sym("rows"), onnx.N(2), grid(s), onnx.Sym("tokens"))
		layers = append(layers, Layer{fmt.Sprint("layer ", i), s, p})
	}
	return layers
}

// TestTargetsByHand writes out what a batch of two asks for.
func TestTargetsByHand(t *testing.T) {
	o := DefaultHOLA()
	m := ParsingMap{16, 16, make([]uint8, 256)}
	for i := range m.Labels {
		if i%16 >= 8 {
			m.Labels[i] = 4 // the right half
		}
	}
	batch := []Sample{
		{Groups: []Group{
			GroupOf(prompt.Top, [2]int{2, 4}, []uint8{4}),
			GroupOf(prompt.Hair, [2]int{0, 0}, []uint8{2}), // cut off
			GroupOf(prompt.Bag, [2]int{4, 5}, nil),
		}, Map: m},
		{},
	}
	out, err := o.Targets(batch, Shape{16, 16, 8, 5}, layersOf(8))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		TokensInput:     "[2, 1, 5, 5] [0 0 0 0 0  0 0 0 0 0  1 0 0.5 0 0  0 1 0.5 0 0  0 0 0 1 1]",
		MapsInput(8):    "[2, 1, 4, 5] [0 0 0 0 0  1 1 1 0 0  0 0 0 0 0  1 1 1 0 0]",
		WeightsInput(8): "[2, 1, 1, 5] [0.05 0.05 0.05 0.05 0.05]",
	} {
		values := out[name].Float32()
		half := len(values) / 2
		got := fmt.Sprint(out[name].Shape, values[:half])
		if got != strings.ReplaceAll(want, "  ", " ") {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		if slices.ContainsFunc(values[half:], func(v float32) bool { return v != 0 }) {
			t.Errorf("%s of a sample without text is %v", name, values[half:])
		}
	}
	o.Maskless = IgnoreGroup
	if out, err = o.Targets(batch, Shape{16, 16, 8, 5}, layersOf(8)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(out[WeightsInput(8)].Data); got != fmt.Sprint([]float32{1. / 12, 1. / 12, 1. / 12, 0, 0, 0}) {
		t.Errorf("without the group that has no mask maps weigh %s", got)
	}
}

// TestWholePerson: body shape and shot are the foreground, whatever the labels.
func TestWholePerson(t *testing.T) {
	for _, g := range []Group{GroupOf(prompt.BodyShape, [2]int{1, 2}, []uint8{9}), ShotGroup([2]int{1, 2})} {
		out, err := DefaultHOLA().Targets([]Sample{{Groups: []Group{g}, Map: rings(48, 48)}}, Shape{48, 48, 8, 3}, layersOf(16))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(out[MapsInput(16)].Float32()[8:10]); got != "[1 1]" {
			t.Errorf("%v: the middle is %s, want [1 1]", g, got)
		}
	}
}

func TestTargetsNameFaults(t *testing.T) {
	group := func(first, end int, labels ...uint8) Group { return Group{[2]int{first, end}, labels, false} }
	shape := Shape{32, 48, 8, 77}
	good := rings(48, 32)
	for want, c := range map[string]struct {
		batch  []Sample
		shape  Shape
		layers []Layer
	}{
		"sample 1 of the batch: group 2: tokens 70 to 78, expected places from 1 to 77": {[]Sample{{}, {Groups: []Group{group(1, 2), group(2, 3), group(70, 78)}, Map: good}}, shape, layersOf(16)},
		"tokens 0 to 2": {[]Sample{{Groups: []Group{group(0, 2)}}}, shape, layersOf(16)},
		"tokens 5 to 3": {[]Sample{{Groups: []Group{group(5, 3)}}}, shape, layersOf(16)},
		"the parsing map has 32x48 pixels, the image 48x32":   {[]Sample{{Groups: []Group{group(1, 3, 4)}, Map: rings(32, 48)}}, shape, layersOf(16)},
		"the parsing map of 48x32 pixels has 7 labels":        {[]Sample{{Groups: []Group{group(1, 3, 4)}, Map: ParsingMap{48, 32, make([]uint8, 7)}}}, shape, layersOf(16)},
		"the parsing map of 0x0 pixels has 0 labels":          {[]Sample{{Groups: []Group{group(1, 3, 4)}}}, shape, layersOf(16)},
		"the parsing map of -48x-32 pixels has 1536 labels":   {[]Sample{{Groups: []Group{group(1, 3, 4)}, Map: ParsingMap{-48, -32, make([]uint8, 1536)}}}, shape, layersOf(16)},
		"the batch is empty":                                  {nil, shape, layersOf(16)},
		"no layer is supervised":                              {[]Sample{{}}, shape, nil},
		"an image of 48x30 pixels has no latents of 8 pixels": {[]Sample{{}}, Shape{30, 48, 8, 77}, layersOf(16)},
		"tokens is 0,": {[]Sample{{}}, Shape{32, 48, 8, 0}, layersOf(16)},
	} {
		if _, err := DefaultHOLA().Targets(c.batch, c.shape, c.layers); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestTokenSpan finds phrases where they were written, also those that occur twice.
func TestTokenSpan(t *testing.T) {
	tok := tokenizer.Default()
	long := strings.Repeat("a very long red coat, ", 14)
	for _, c := range []struct {
		text, phrase string
		nth          int
		want         string
	}{
		{"a red shirt, blue jeans", "red shirt", 0, "red shirt"},
		{"a red shirt, blue jeans", " blue jeans", 0, "blue jeans"},
		{"red shirt, red shirt", "red shirt", 1, "red shirt"},
		{long + "short plaid skirt", "short plaid skirt", 0, ""},
		{long + "short plaid skirt", "a very long red coat", 12, ""}, // half of it is in the window
		{"a shirt", "", 0, ""},
		{"  ", " ", 0, ""},
	} {
		layout, err := prompt.Split(tok, c.text, prompt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for range c.nth {
			at += 1 + strings.Index(c.text[at:], c.phrase)
		}
		at += strings.Index(c.text[at:], c.phrase)
		w := layout.Windows[0]
		span := TokenSpan(w, c.text, [2]int{at, at + len(c.phrase)})
		var got string
		if span[0] < span[1] {
			got = c.text[w.Spans[span[0]-1][0]:w.Spans[span[1]-2][1]]
		}
		if got != c.want || c.nth == 1 && span[0] != 4 {
			t.Errorf("%q %d in %q: tokens %v, which say %q, want %q", c.phrase, c.nth, c.text, span, got, c.want)
		}
	}
	for _, out := range [][2]int{{-1, 3}, {0, 99}, {3, 2}} {
		if span := TokenSpan(prompt.Window{Spans: [][2]int{{0, 5}}}, "shirt", out); span != [2]int{} {
			t.Errorf("bytes %v have tokens %v", out, span)
		}
	}
}

// TestMasksByHand brings an edge in the middle of six pixels to other widths.
func TestMasksByHand(t *testing.T) {
	m := ParsingMap{6, 1, []uint8{0, 0, 0, 7, 7, 7}}
	labels := [256]bool{7: true}
	for how, want := range map[Resize]map[int]string{
		Bilinear: {1: "[0.5]", 2: "[0 1]", 3: "[0 0.5 1]", 6: "[0 0 0 1 1 1]", 12: "[0 0 0 0 0 0.25 0.75 1 1 1 1 1]"},
		Area:     {1: "[0.5]", 2: "[0 1]", 3: "[0 0.5 1]", 4: "[0 0 1 1]", 5: "[0 0 0.5 1 1]"},
		Nearest:  {1: "[0]", 2: "[0 1]", 4: "[0 0 1 1]"},
	} {
		for width, text := range want {
			out := make([]float32, width)
			m.mask(&labels, how, 1, width, out, 1)
			if got := fmt.Sprint(out); got != text {
				t.Errorf("%s to %d: %s, want %s", how, width, got, text)
			}
		}
	}
}
