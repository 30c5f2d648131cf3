package dataset

import (
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
