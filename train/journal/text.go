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

// word is what stands together, of one run or several: no line ends within it, if it
// fits into one.
type word struct {
	parts  []Run
	spaces int  // before it
	breaks bool // a line ends before it
}

// wordsOf takes runs apart where there are spaces and ends of lines.
func wordsOf(runs []Run) (words []word) {
	w := word{}
	next := func() {
		if len(w.parts) > 0 {
			words = append(words, w)
			w = word{}
		}
	}
	for _, r := range runs {
		for i, line := range strings.Split(r.Text, "\n") {
			if i > 0 {
				next()
				w.breaks, w.spaces = true, 0
			}
			for j, text := range strings.Split(printable(line), " ") {
				if j > 0 {
					next()
					w.spaces++
				}
				if text != "" {
					w.parts = append(w.parts, Run{text, r.Color, r.Bold})
				}
			}
		}
	}
	next()
	return words
}

// lay breaks runs into lines of a width, and returns the number of lines.
func lay(runs []Run, width int) (pieces []piece, lines int) {
	facesBusy.Lock()
	defer facesBusy.Unlock()
	var x fixed.Int26_6
	line, limit := 0, fixed.I(width)
	for i, w := range wordsOf(runs) {
		var wide fixed.Int26_6
		for _, p := range w.parts {
			wide += font.MeasureString(faceOf(p), p.Text)
		}
		x += fixed.Int26_6(w.spaces) * font.MeasureString(faces()[0], " ")
		if i > 0 && (w.breaks || x+wide > limit) {
			x, line = 0, line+1
		}
		for _, p := range w.parts {
			f := faceOf(p)
			for {
				wide := font.MeasureString(f, p.Text)
				head, rest := p.Text, ""
				if x+wide > limit { // of a word that fits into no line
					head, rest = cut(f, p.Text, limit-x)
					wide = font.MeasureString(f, head)
					if x > 0 && x+wide > limit {
						x, line = 0, line+1
						continue
					}
				}
				pieces = append(pieces, piece{Run{head, p.Color, p.Bold}, x.Round(), line})
				x += wide
				if rest == "" {
					break
				}
				p.Text, x, line = rest, 0, line+1
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
