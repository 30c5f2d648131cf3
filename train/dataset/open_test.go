package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDollsAreOpened: the set that `cosmicman data dolls` writes, by its label file and
// as a folder of images with metadata.
func TestDollsAreOpened(t *testing.T) {
	dir := people(t, 24, 96, 128)
	for _, format := range []Format{"", CosmicManHQ, ImageFolder} {
		o := small(Source{Path: dir, Format: format})
		o.CheckFiles = true
		s := open(t, o)
		f := s.Facts()
		if f.Images != 24 || f.LeftOut != 0 || f.Sources[0].Maps != 24 || f.Sources[0].Masked != 24 || f.Batches != 12 {
			t.Errorf("%q: %+v", format, f)
		}
		if want := format; want != "" && f.Sources[0].Format != want || want == "" && f.Sources[0].Format != CosmicManHQ {
			t.Errorf("%q was read as %s", format, f.Sources[0].Format)
		}
		for n := range int64(24) {
			v := s.Visit(n)
			p, err := s.Picture(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			c := s.Caption(v)
			if len(p.Pixels) != 3*64*64 || len(p.Map.Labels) != 64*64 || !strings.Contains(c.Text, "shot") || len(c.Phrases) == 0 {
				t.Fatalf("visit %d: %d pixels, %d labels, %q, %d phrases", n, len(p.Pixels), len(p.Map.Labels), c.Text, len(c.Phrases))
			}
		}
	}
}

// TestEveryFaultIsNamed: one error has them all, up to 20, and their number.
func TestEveryFaultIsNamed(t *testing.T) {
	dir := t.TempDir()
	image, labels := pngOf(t, slope(64, 64)), pngOf(t, halves(64, 64, 1, 40))
	for i := range 20 {
		put(t, dir, fmt.Sprintf("z%02d.png", i), image) // without caption
	}
	put(t, dir, "good.png", image)
	put(t, dir, "good.txt", []byte("a man"))
	put(t, dir, "broken.png", []byte("\x89PNG\r\n\x1a\nxxxx"))
	put(t, dir, "text.jpg", []byte("no image at all"))
	put(t, dir, "empty.webp", nil)
	put(t, dir, "sizes.png", image)
	put(t, dir, "sizes.seg.png", pngOf(t, halves(64, 32, 1, 2)))
	put(t, dir, "labels.png", image)
	put(t, dir, "labels.seg.png", labels)
	put(t, dir, "long.png", pngOf(t, slope(1000, 10)))
	for _, name := range []string{"broken", "text", "empty", "sizes", "labels", "long"} {
		put(t, dir, name+".txt", []byte("a man"))
	}
	o := small(Source{Path: dir, MapSuffix: ".seg.png"})
	message := refused(t, o)
	wantAll(t, message, "25 images cannot be used", "broken.png: is damaged", "text.jpg: is not a PNG, JPEG or WebP", "empty.webp: is empty",
		"sizes.png: its parsing map sizes.seg.png is 64x32 pixels, but its image 64x64", "long.png: is 1000x10 pixels: the nearest size, 64x64, would show less than an eighth",
		"z00.png: has no caption", "and 5 more")
	if n := strings.Count(message, "\n"); n != 21 {
		t.Errorf("%d lines:\n%s", n, message)
	}
	o.CheckFiles = true
	wantAll(t, refused(t, o), "26 images", "labels.png: its parsing map labels.seg.png has labels that the table (ATR) does not: 40")
	o.Unreadable = Count
	s := open(t, o)
	if f := s.Facts(); f.Images != 1 || f.LeftOut != 26 || len(s.LeftOut()) != 26 || f.Sources[0].LeftOut != 26 {
		t.Errorf("%+v", f)
	}
	put(t, dir, "good.png", []byte("x"))
	wantAll(t, refused(t, o), "none of its 27 images can be used")
}

func TestSourcesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", []byte("x"))
	put(t, dir, "empty/notes.txt", []byte("x"))
	put(t, dir, "hq/label/one.parquet", []byte("PAR1PAR1"))
	put(t, dir, "hq2/label/one.txt", []byte("x"))
	message := refused(t, small(Source{Path: filepath.Join(dir, "no")}, Source{Path: filepath.Join(dir, "file")}, Source{Path: filepath.Join(dir, "empty")},
		Source{Path: filepath.Join(dir, "hq")}, Source{Path: filepath.Join(dir, "hq2"), Format: CosmicManHQ}))
	wantAll(t, message, "no: is not there", "file: is no folder", "empty: has no image", "one.parquet: is 8 bytes long, expected a parquet file", "label: has no .parquet file")
	err := Options{Sources: []Source{{Path: "a", Prior: true, Repeats: -1, Weight: -1, Format: "x"}}, Flip: 2, Held: Held{Share: 0.5, Count: 2}, Crop: "x", Upscale: "x", Sizes: "x", Unreadable: "x"}.Check()
	if err == nil {
		t.Fatal("taken")
	}
	wantAll(t, err.Error(), "repeats is -1", "weight is -1", `format is "x"`, "all sources are prior", "batch is 0", "flip is 2", "both a share and a number",
		`crop is "x", expected center or random`, `upscale is "x"`, `sizes is "x"`, `unreadable is "x"`, "buckets: step is 0")
}

// TestAllLabelFilesAreRead: with what they lack, and rows whose files are not there.
func TestAllLabelFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	for n, name := range []string{"plain", "odd", "pages2", "delta", "few"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, fmt.Sprintf("label/laion1B-nolang_%d.parquet", n), data)
	}
	for i := range 6 {
		put(t, dir, fmt.Sprintf("images/%d.png", i), pngOf(t, slope(96, 128)))
		put(t, dir, fmt.Sprintf("segm/%d.png", i), pngOf(t, halves(96, 128, 2, 11)))
	}
	o := small(Source{Path: dir})
	message := refused(t, o)
	wantAll(t, message, "29 images cannot be used", "images/0.png: is listed twice", "images/6.png: is not there; its parsing map segm/6.png is not there")
	o.Unreadable = Count
	s := open(t, o)
	f := s.Facts()
	if f.Images != 6 || f.Sources[0].Masked != 6 {
		t.Errorf("%+v", f)
	}
	wantAll(t, strings.Join(f.Notes, "\n"), "laion1B-nolang_4.parquet: column aa_ids is missing", "the label files give 5 images another size than they have")
}

func TestUpscaling(t *testing.T) {
	dir := gallery(t, map[Size]int{{63, 200}: 1, {64, 64}: 2})
	o := small(Source{Path: dir})
	if f := open(t, o).Facts(); f.Images != 3 {
		t.Errorf("%+v", f)
	}
	o.Upscale = RefuseUpscale
	wantAll(t, refused(t, o), "1 images", "is 63x200 pixels, smaller than its size in training, 64x64")
	o.Unreadable = Count
	if f := open(t, o).Facts(); f.Images != 2 || f.LeftOut != 1 {
		t.Errorf("%+v", f)
	}
}

func TestOpenIsCancelled(t *testing.T) {
	dir := gallery(t, map[Size]int{{64, 64}: 20})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, small(Source{Path: dir})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// BenchmarkOpen is the headers of 1000 images and maps.
func BenchmarkOpen(b *testing.B) {
	dir := people(b, 1000, 128, 128)
	for b.Loop() {
		open(b, small(Source{Path: dir}))
	}
}

// BenchmarkVisit is an image of 1024x1280 and its map, decoded and scaled to 768x960.
func BenchmarkVisit(b *testing.B) {
	dir := people(b, 1, 1024, 1280)
	o := small(Source{Path: dir})
	o.Batch, o.Buckets = 1, Buckets{Width: 768, Height: 960}
	s := open(b, o)
	for b.Loop() {
		if _, err := s.Picture(b.Context(), s.Visit(0)); err != nil {
			b.Fatal(err)
		}
	}
}
