package dataset

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"

	"cosmicman/picture"
	"cosmicman/train"
)

// Picture is an image as a visit sees it.
type Picture struct {
	Width, Height int
	Pixels        []float32        // [3, Height, Width], -1 to 1
	Map           train.ParsingMap // of that size; empty if the item has none
	Key           string           // hash of the file's bytes, as [Item.Key]
}

// What is read of a file of images, in bytes, and of its pixels.
const maxFile = 1 << 30

var limits = picture.Limits{MaxPixels: 1 << 26, MinSide: 1, MaxSide: 1 << 14}

// Picture reads an image and its map, scales (the image as Pillow's LANCZOS does, the
// map by its nearest labels), crops and mirrors them. What is transparent is seen on
// white. Every error but the context's is a *Fault that names the file.
func (s *Set) Picture(ctx context.Context, v Visit) (*Picture, error) {
	data, info, err := read(v.Item.Path(), maxFile)
	if err != nil {
		return nil, v.Item.fault(err)
	}
	img, _, err := picture.Decode(ctx, data, limits)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, v.Item.fault(err)
	}
	if got := (Size{img.Rect.Dx(), img.Rect.Dy()}); got != v.Item.Size {
		return nil, v.Item.fault(fmt.Errorf("is %s pixels now, it was %s when the run began", got, v.Item.Size))
	}
	onWhite(img)
	img = picture.Resize(img, v.Scaled.Width, v.Scaled.Height)
	out := &Picture{Width: v.Size.Width, Height: v.Size.Height, Key: v.Item.remember(data, info)}
	out.Pixels = planes(img, v)
	if out.Map, err = s.Map(ctx, v); err != nil {
		return nil, err
	}
	return out, nil
}

// decode reads an item's image only to see whether it can be.
func (i *Item) decode(ctx context.Context) error {
	data, err := readFile(i.Path(), maxFile)
	if err != nil {
		return err
	}
	_, _, err = picture.Decode(ctx, data, limits)
	return err
}

// levels are the values of a byte, as torchvision's ToTensor and Normalize make them.
var levels = func() (out [256]float32) {
	for i := range out {
		out[i] = (float32(i)/255 - 0.5) / 0.5
	}
	return out
}()

// planes cuts a visit's part out of its scaled image.
func planes(img *image.NRGBA, v Visit) []float32 {
	w, h := v.Size.Width, v.Size.Height
	out := make([]float32, 3*w*h)
	r, g, b := out[:w*h], out[w*h:2*w*h], out[2*w*h:]
	for y := range h {
		row := img.Pix[img.PixOffset(v.Left, v.Top+y):]
		for x := range w {
			at := y*w + x
			if v.Flip {
				at = y*w + w - 1 - x
			}
			p := row[4*x : 4*x+3]
			r[at], g[at], b[at] = levels[p[0]], levels[p[1]], levels[p[2]]
		}
	}
	return out
}

// onWhite lays an image over white.
func onWhite(img *image.NRGBA) {
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride:][:4*img.Rect.Dx()]
		for at := 0; at < len(row); at += 4 {
			a := uint32(row[at+3])
			if a == 255 {
				continue
			}
			for c := range 3 {
				row[at+c] = uint8((uint32(row[at+c])*a + 255*(255-a) + 127) / 255)
			}
			row[at+3] = 255
		}
	}
}

// Map reads the parsing map of a visit, as [Set.Picture] does; an item without one has
// an empty map.
func (s *Set) Map(ctx context.Context, v Visit) (train.ParsingMap, error) {
	if v.Item.Map == "" {
		return train.ParsingMap{}, nil
	}
	m, err := v.Item.readMap(ctx)
	if err != nil {
		return train.ParsingMap{}, err
	}
	w, h := v.Size.Width, v.Size.Height
	out := train.ParsingMap{Width: w, Height: h, Labels: make([]uint8, w*h)}
	mirrors := v.Item.Source.Labels.mirrors()
	down, across := places(v.Scaled.Height, m.Height), places(v.Scaled.Width, m.Width)
	for y := range h {
		row := m.Labels[down[v.Top+y]*m.Width:]
		for x := range w {
			l := row[across[v.Left+x]]
			if v.Flip {
				out.Labels[y*w+w-1-x] = mirrors[l]
			} else {
				out.Labels[y*w+x] = l
			}
		}
	}
	return out, nil
}

// places are, for each of many, the one of n that is below its middle, added up as
// Pillow's NEAREST does.
func places(many, n int) []int {
	out := make([]int, many)
	step := float64(n) / float64(many)
	at := 0.5 * step
	for i := range out {
		out[i] = min(int(at), n-1)
		at += step
	}
	return out
}

// readMap reads a whole map and checks it against its image and the table.
func (i *Item) readMap(ctx context.Context) (train.ParsingMap, error) {
	fault := func(err error) (train.ParsingMap, error) {
		if ctx.Err() != nil {
			return train.ParsingMap{}, ctx.Err()
		}
		return train.ParsingMap{}, &Fault{Path: i.MapPath(), Err: err}
	}
	data, err := readFile(i.MapPath(), maxFile)
	if err != nil {
		return fault(err)
	}
	labels, size, err := picture.DecodeLabels(ctx, data, limits)
	if err != nil {
		return fault(err)
	}
	if got := (Size{size.X, size.Y}); got != i.Size {
		return fault(mapSize(got, i.Size))
	}
	known, unknown := i.Source.Labels.known(), []uint8(nil)
	var seen [256]bool
	for _, l := range labels {
		seen[l] = true
	}
	for l := range seen {
		if seen[l] && !known[l] {
			unknown = append(unknown, uint8(l))
		}
	}
	if unknown != nil {
		return fault(fmt.Errorf("has labels that the table (%s) does not: %s", i.Source.Labels.Name, describeLabels(unknown)))
	}
	return train.ParsingMap{Width: size.X, Height: size.Y, Labels: labels}, nil
}

func mapSize(got, image Size) error {
	return fmt.Errorf("is %s pixels, but its image %s; expected a map of the same size", got, image)
}

// readFile reads a file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	data, _, err := read(path, most)
	return data, err
}

// read reads a file, and what it looked like then.
func read(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("is not a file")
	}
	if info.Size() > most {
		return nil, nil, fmt.Errorf("is %d bytes long, expected at most %d", info.Size(), most)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, info, nil
}

// plain is an error without the path that the system's errors repeat.
func plain(err error) error {
	path, is := err.(*fs.PathError)
	switch {
	case !is:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("is not there")
	}
	return fmt.Errorf("cannot be read: %w", path.Err)
}
