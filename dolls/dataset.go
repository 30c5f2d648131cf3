package dolls

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cosmicman/artifact"
	"cosmicman/prompt"
)

// MaxCount is how many people one data set holds at most.
const MaxCount = 1_000_000

// Options say what [Write] writes.
type Options struct {
	Count         int    // images, 1 to MaxCount
	Seed          uint64 // everything follows from it
	Width, Height int    // pixels, MinSize to MaxSize
	Style         Style
	Simple        bool           // people as [DrawSimple] makes them up
	Progress      func(done int) // called now and then, from several goroutines; may be nil
}

// Row is a row of CosmicMan-HQ's label files, see [LabelFile].
type Row struct {
	Path       string  `parquet:"path"`        // of the image, from the data set's folder on
	SegmPath   string  `parquet:"segm_path"`   // of its parsing map
	Height     float64 `parquet:"height"`      // pixels
	Width      float64 `parquet:"width"`       // pixels
	AAText     string  `parquet:"aa_text"`     // JSON: for each group null or an object of attributes
	AAIDs      string  `parquet:"aa_ids"`      // JSON: for each group null or the labels that show it
	PersonType string  `parquet:"person_type"` // the shot
}

// LabelFile is where the rows lie in a data set, MetadataFile where captions do: a JSON
// object a line, as image folders have them, of file_name and text.
const (
	LabelFile    = "label/laion1B-nolang_0.parquet"
	MetadataFile = "metadata.jsonl"
)

// perFolder is how many images share a folder.
const perFolder = 1000

// Write draws people into dir, which must not exist or be empty: images/ and segm/ with PNGs,
// [MetadataFile], and at last [LabelFile], so that a set with a label file is whole. An error
// names the file or option that it is about.
func Write(ctx context.Context, dir string, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := empty(dir); err != nil {
		return err
	}
	for i := 0; i < o.Count; i += perFolder {
		for _, kind := range []string{"images", "segm"} {
			if err := os.MkdirAll(filepath.Join(dir, kind, folder(i)), 0o755); err != nil {
				return fmt.Errorf("%s cannot be made: %w", filepath.Join(dir, kind, folder(i)), err)
			}
		}
	}
	rows, captions := make([]Row, o.Count), make([]string, o.Count)
	var next, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), o.Count) {
		g.Go(func() error {
			w := newWriter(dir, o)
			for {
				i := int(next.Add(1)) - 1
				if i >= o.Count {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				var err error
				if rows[i], captions[i], err = w.person(i); err != nil {
					return err
				}
				if n := int(done.Add(1)); o.Progress != nil && (n%64 == 0 || n == o.Count) {
					o.Progress(n)
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return writeLabels(dir, rows, captions)
}

// person is number i of a data set.
func (o Options) person(i int) *Person {
	if o.Simple {
		return DrawSimple(o.Seed, uint64(i))
	}
	return Draw(o.Seed, uint64(i))
}

func (o Options) check() error {
	switch {
	case o.Count < 1 || o.Count > MaxCount:
		return fmt.Errorf("count is %d, expected 1 to %d", o.Count, MaxCount)
	case min(o.Width, o.Height) < MinSize || max(o.Width, o.Height) > MaxSize:
		return sizeError(o.Width, o.Height)
	case o.Style != Shaded && o.Style != Pixel:
		return styleError(o.Style)
	}
	return nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return fmt.Errorf("%s cannot be used: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty, expected a new folder", dir)
	}
	return nil
}

func folder(i int) string { return fmt.Sprintf("%05d", i/perFolder) }

// writer is what one goroutine draws and encodes with.
type writer struct {
	dir     string
	options Options
	encoder png.Encoder
	buffer  bytes.Buffer
}

func newWriter(dir string, o Options) *writer {
	return &writer{dir: dir, options: o, encoder: png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &onePool{}}}
}

// onePool is png's buffers between images, of one goroutine.
type onePool struct{ b *png.EncoderBuffer }

func (p *onePool) Get() *png.EncoderBuffer  { return p.b }
func (p *onePool) Put(b *png.EncoderBuffer) { p.b = b }

// person draws and writes one person.
func (w *writer) person(i int) (Row, string, error) {
	p := w.options.person(i)
	d, err := p.Render(w.options.Style, w.options.Width, w.options.Height)
	if err != nil {
		return Row{}, "", err
	}
	name := fmt.Sprintf("%s/%08d.png", folder(i), i)
	row, err := p.row()
	if err != nil {
		return Row{}, "", err
	}
	row.Path, row.SegmPath = "images/"+name, "segm/"+name
	row.Width, row.Height = float64(w.options.Width), float64(w.options.Height)
	if err := w.write(row.Path, d.Image); err != nil {
		return Row{}, "", err
	}
	return row, p.Caption(), w.write(row.SegmPath, d.Map)
}

func (w *writer) write(name string, m image.Image) error {
	w.buffer.Reset()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := w.encoder.Encode(&w.buffer, m); err != nil {
		return fmt.Errorf("%s cannot be encoded: %w", path, err)
	}
	if err := os.WriteFile(path, w.buffer.Bytes(), fs.FileMode(0o644)); err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}

// row is what a label file says of a person, but for paths and size.
func (p *Person) row() (Row, error) {
	attributes := p.Attributes()
	var text [len(attributes)]any
	var ids [len(attributes)]any
	for i, a := range attributes {
		if a == nil {
			continue
		}
		text[i] = a
		if labels := p.LabelsOf(prompt.Group(i)); labels != nil {
			numbers := make([]int, len(labels))
			for k, l := range labels {
				numbers[k] = int(l)
			}
			ids[i] = numbers
		}
	}
	t, err := json.Marshal(text)
	if err != nil {
		return Row{}, err
	}
	n, err := json.Marshal(ids)
	if err != nil {
		return Row{}, err
	}
	return Row{AAText: string(t), AAIDs: string(n), PersonType: p.Shot}, nil
}

// writeLabels writes captions and then, whole or not at all, the label file.
func writeLabels(dir string, rows []Row, captions []string) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for i, r := range rows {
		line := struct {
			FileName string `json:"file_name"`
			Text     string `json:"text"`
			SegmPath string `json:"segm_path"`
		}{r.Path, captions[i], r.SegmPath}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	if err := artifact.WriteFile(filepath.Join(dir, MetadataFile), lines.Bytes()); err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.FromSlash(LabelFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("%s cannot be made: %w", filepath.Dir(path), err)
	}
	var file bytes.Buffer
	// Snappy is what pandas writes.
	if err := parquet.Write(&file, rows, parquet.Compression(&parquet.Snappy)); err != nil {
		return fmt.Errorf("%s cannot be encoded: %w", path, err)
	}
	return artifact.WriteFile(path, file.Bytes())
}
