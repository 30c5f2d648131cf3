package journal

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/train"
)

func plainImage(w, h int, c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	return img
}

var (
	red  = color.NRGBA{200, 0, 0, 255}
	blue = color.NRGBA{0, 0, 200, 255}
)

// inked counts the pixels that are nearer to a colour than to white, within a part.
func inked(img *image.NRGBA, r image.Rectangle, c color.NRGBA) (n int) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p := img.NRGBAAt(x, y)
			far := func(a, b uint8) int { d := int(a) - int(b); return d * d }
			if far(p.R, c.R)+far(p.G, c.G)+far(p.B, c.B) < 3000 {
				n++
			}
		}
	}
	return n
}

func TestSheetsPlaces(t *testing.T) {
	s := Sheet{
		Title: Plain("A title"), Columns: 2, CellSize: 100,
		Cells: []Cell{
			{Image: plainImage(100, 60, red), Caption: []Run{{Text: "plain "}, {Text: "coloured", Color: blue}}},
			{Image: plainImage(400, 200, red)}, // made smaller
			{Image: plainImage(30, 20, red)},   // three times larger
			{Title: "none"},
		},
	}
	img := s.Draw()
	if w := img.Rect.Dx(); w != 2*sheetMargin+2*100+cellGap {
		t.Fatalf("%d wide", w)
	}
	row := sheetMargin + lineHeight + cellGap
	second := row + 60 + 4 + lineHeight + cellGap
	for i, want := range []image.Rectangle{
		image.Rect(0, 0, 100, 60).Add(image.Pt(sheetMargin, row)),
		image.Rect(0, 0, 100, 50).Add(image.Pt(sheetMargin+100+cellGap, row)),
		image.Rect(0, 0, 90, 60).Add(image.Pt(sheetMargin, second)),
	} {
		if n := inked(img, want, red); n != want.Dx()*want.Dy() {
			t.Errorf("image %d: %d of %d pixels", i, n, want.Dx()*want.Dy())
		}
		around := want.Inset(-3)
		if n := inked(img, around, red); n != want.Dx()*want.Dy() {
			t.Errorf("image %d goes beyond its place", i)
		}
	}
	below := image.Rect(sheetMargin, row+60+4, sheetMargin+100, row+60+4+lineHeight)
	if dark, coloured := inked(img, below, ink), inked(img, below, blue); dark < 30 || coloured < 40 {
		t.Errorf("the caption has %d dark pixels and %d coloured ones", dark, coloured)
	}
	if n := inked(img, image.Rect(sheetMargin+100+cellGap, second, img.Rect.Dx(), img.Rect.Dy()), ink); n < 20 {
		t.Errorf("the title of the cell without an image has %d pixels", n)
	}
	if !bytes.Equal(img.Pix, s.Draw().Pix) {
		t.Error("it is drawn in two ways")
	}
}

func TestSheetsOfAllSizes(t *testing.T) {
	for n := range 30 {
		s := Sheet{CellSize: 20}
		for i := range n {
			s.Cells = append(s.Cells, Cell{Image: plainImage(1+7*i, 1+50/(i+1), red), Caption: Plain(strings.Repeat("word ", i))})
		}
		if img := s.Draw(); img.Rect.Dx() > 400 || img.Rect.Dy() < 2*sheetMargin {
			t.Errorf("%d cells: %v", n, img.Rect)
		}
	}
	for _, s := range []Sheet{{}, {Title: Plain("only")}, {CellSize: 1, Cells: []Cell{{Image: plainImage(3, 3, red), Caption: Plain("abc")}}},
		{Columns: 1000, CellSize: 20, Cells: []Cell{{}}}, {CellSize: 100, Cells: []Cell{{Image: image.NewNRGBA(image.Rectangle{})}}}} {
		if img := s.Draw(); img.Rect.Empty() {
			t.Errorf("%+v is empty", s)
		}
	}
	moved := image.NewRGBA(image.Rect(5, 7, 15, 17))
	if img := nrgba(moved); img.Rect != image.Rect(0, 0, 10, 10) {
		t.Errorf("%v", img.Rect)
	}
}

func TestLinesAreBroken(t *testing.T) {
	text := "a full-body shot, an Asian adult female, verylongwordthatdoesnotfitintoaline\nafter a break"
	pieces, lines := lay([]Run{{Text: text[:20]}, {Text: text[20:], Bold: true}}, 120)
	var got string
	y := 0
	for _, p := range pieces {
		if p.line < y {
			t.Errorf("%q goes back to line %d", p.Text, p.line)
		}
		if y = p.line; p.x < 0 || p.x > 120 {
			t.Errorf("%q at %d", p.Text, p.x)
		}
		got += p.Text
	}
	if want := strings.NewReplacer(" ", "", "\n", "").Replace(text); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if lines != y+1 || lines < 5 {
		t.Errorf("%d lines, the last piece in %d", lines, y)
	}
	// What follows on a word without a space stays with it.
	for width := 30; width < 200; width++ {
		pieces, _ = lay([]Run{{Text: "one two"}, {Text: ", three"}, {Text: "\n"}, {Text: "four"}}, width)
		if pieces[2].Text != "," || pieces[2].line != pieces[1].line || pieces[4].line != pieces[3].line+1 || pieces[4].x != 0 {
			t.Fatalf("%d wide: %+v", width, pieces)
		}
	}
	if _, lines := lay(Plain(""), 100); lines != 0 {
		t.Errorf("%d lines of nothing", lines)
	}
	if pieces, _ := lay(Plain("abc"), 1); len(pieces) != 3 {
		t.Errorf("%d pieces where no letter fits", len(pieces))
	}
}

func TestOverlay(t *testing.T) {
	img := plainImage(4, 2, color.NRGBA{100, 100, 100, 255})
	m := train.ParsingMap{Width: 4, Height: 2, Labels: []uint8{0, 1, 2, 0, 0, 0, 2, 2}}
	got := Overlay(img, m, func(l uint8) (color.NRGBA, bool) { return color.NRGBA{200, 0, 100, 255}, l == 2 }, 0.5)
	for i, l := range m.Labels {
		want := color.NRGBA{100, 100, 100, 255}
		if l == 2 {
			want = color.NRGBA{150, 50, 100, 255}
		}
		if c := got.NRGBAAt(i%4, i/4); c != want {
			t.Errorf("pixel %d of label %d: %v, want %v", i, l, c, want)
		}
	}
	if c := img.(*image.NRGBA).NRGBAAt(2, 0); c.R != 100 {
		t.Error("the picture itself was changed")
	}
}

// TestGroupColors: neighbours can be told apart, and all can be read on white.
func TestGroupColors(t *testing.T) {
	seen := map[color.NRGBA]bool{}
	for i := range groupColors {
		c := GroupColor(i)
		luminance := 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
		if seen[c] || luminance > 140 {
			t.Errorf("colour %d: %v, luminance %.0f", i, c, luminance)
		}
		seen[c] = true
	}
	if GroupColor(len(groupColors)) != GroupColor(0) {
		t.Error("colours do not come again")
	}
}

func TestWriteSheet(t *testing.T) {
	dir := t.TempDir()
	for _, synthetic := range []bool{false, true} {
		path := filepath.Join(dir, "sub", fmt.Sprint(synthetic, ".png"))
		if err := (Sheet{Cells: []Cell{{Image: plainImage(9, 9, red)}}}).Write(path, synthetic); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if marked := bytes.Contains(data, []byte("trainedAlgorithmicMedia")); marked != synthetic {
			t.Errorf("marked as synthetic: %t", marked)
		}
	}
}
