package journal

import (
	"image"
	"image/color"
	"image/draw"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Run is some text of one look. Its words are broken where a line is full.
type Run struct {
	Text  string
	Color color.Color // nil: the ink of plain text
	Bold  bool
}

// Plain is text without colours.
func Plain(text string) []Run { return []Run{{Text: text}} }

// The look of sheets.
const (
	textSize   = 13 // pixels of an em
	lineHeight = 18
)

var (
	paper = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	ink   = color.NRGBA{0x22, 0x26, 0x2b, 0xff}
)

// faces are the regular font and the bold one. A face is for one goroutine at a time.
var faces = sync.OnceValue(func() [2]font.Face {
	var f [2]font.Face
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		parsed, err := opentype.Parse(ttf)
		if err == nil {
			f[i], err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: textSize, DPI: 72, Hinting: font.HintingFull})
		}
		if err != nil { // the fonts are in the program
			panic(err)
		}
	}
	return f
})

var facesBusy sync.Mutex

func faceOf(r Run) font.Face {
	if r.Bold {
		return faces()[1]
	}
	return faces()[0]
}

// piece is a word, or a part of one that is longer than a line, and where it stands.
type piece struct {
	Run
	x, line int
}

// lay breaks runs into lines of a width, and returns the number of lines.
func lay(runs []Run, width int) (pieces []piece, lines int) {
	facesBusy.Lock()
	defer facesBusy.Unlock()
	var x fixed.Int26_6
	line, limit := 0, fixed.I(width)
	for _, r := range runs {
		f := faceOf(r)
		space := font.MeasureString(f, " ")
		for i, part := range strings.Split(printable(r.Text), "\n") {
			if i > 0 {
				x, line = 0, line+1
			}
			for j, word := range strings.Split(part, " ") {
				if j > 0 {
					x += space
				}
				if word == "" {
					continue
				}
				w := font.MeasureString(f, word)
				if x > 0 && x+w > limit {
					x, line = 0, line+1
				}
				for w > limit {
					head, rest := cut(f, word, limit)
					if rest == "" {
						break
					}
					pieces = append(pieces, piece{Run{head, r.Color, r.Bold}, 0, line})
					word, line = rest, line+1
					w = font.MeasureString(f, word)
				}
				pieces = append(pieces, piece{Run{word, r.Color, r.Bold}, x.Round(), line})
				x += w
			}
		}
	}
	if len(pieces) == 0 {
		return nil, 0
	}
	return pieces, line + 1
}

// cut takes as much of a word as fits into a line, and at least one character.
func cut(f font.Face, word string, limit fixed.Int26_6) (head, rest string) {
	at := 0
	for i, r := range word {
		end := i + len(string(r))
		if at > 0 && font.MeasureString(f, word[:end]) > limit {
			break
		}
		at = end
	}
	return word[:at], word[at:]
}

// write draws pieces with the first line's top left corner at a point.
func write(dst draw.Image, at image.Point, pieces []piece) {
	facesBusy.Lock()
	defer facesBusy.Unlock()
	for _, p := range pieces {
		c := p.Color
		if c == nil {
			c = ink
		}
		d := font.Drawer{
			Dst: dst, Src: image.NewUniform(c), Face: faceOf(p.Run),
			Dot: fixed.P(at.X+p.x, at.Y+p.line*lineHeight+textSize),
		}
		d.DrawString(p.Text)
	}
}
