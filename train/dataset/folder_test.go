package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/picture"
	"cosmicman/prompt"
)

// names are a set's images with their captions and maps.
func names(s *Set) (out []string) {
	for _, i := range s.Items() {
		out = append(out, fmt.Sprintf("%s|%s|%s", i.Name, i.Caption(nil, CaptionOptions{}, false).Text, i.Map))
	}
	return out
}

func TestFoldersOfImages(t *testing.T) {
	dir := t.TempDir()
	webp, err := picture.Encode(slope(64, 70), picture.WebP, 90, picture.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "one.JPG", jpegOf(t, slope(64, 64)))
	put(t, dir, "one.txt", []byte("\ufeffa man,\r\n  red hat\n"))
	put(t, dir, "deep/er/two.webp", webp)
	put(t, dir, "deep/er/two.txt", []byte("a woman"))
	put(t, dir, "deep/metadata.jsonl", []byte(`{"file_name":"three.jpeg","text":"a child","segm_path":"./maps/3.png"}`+"\n\n"+`{"file_name":"four.png"}`))
	put(t, dir, "deep/three.jpeg", jpegOf(t, slope(80, 64)))
	put(t, dir, "deep/maps/3.png", pngOf(t, halves(80, 64, 0, 1)))
	put(t, dir, "deep/four.png", pngOf(t, slope(64, 64)))
	put(t, dir, "deep/four.txt", []byte("number four"))
	put(t, dir, "five.png", pngOf(t, slope(64, 64)))
	put(t, dir, ".hidden/six.png", []byte("x"))
	put(t, dir, "._one.JPG", []byte("x"))
	put(t, dir, "notes.md", []byte("x"))
	s := open(t, small(Source{Path: dir, Caption: "nobody", Trigger: "sks"}))
	want := []string{
		"deep/er/two.webp|sks, a woman|", "deep/four.png|sks, number four|", "deep/three.jpeg|sks, a child|deep/maps/3.png",
		"five.png|sks, nobody|", "one.JPG|sks, a man, red hat|",
	}
	if got := names(s); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n := range int64(6) {
		if _, err := s.Picture(t.Context(), s.Visit(n)); err != nil {
			t.Error(err)
		}
	}
	wantAll(t, refused(t, small(Source{Path: dir})), "1 images cannot be used", "five.png: has no caption")
}

// TestMapsByRule: beside the images, in a folder in the source, and in one outside of it.
func TestMapsByRule(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "images")
	put(t, dir, "x/a.png", pngOf(t, slope(64, 64)))
	put(t, dir, "x/b.png", pngOf(t, slope(64, 64)))
	labels := pngOf(t, halves(64, 64, 1, 2))
	put(t, dir, "x/a.seg.png", labels)
	put(t, base, "parsed/x/a.png", labels)
	put(t, base, "parsed/x/b_map.png", labels)
	for _, c := range []struct {
		suffix, folder, a, b string
	}{
		{".seg.png", "", "x/a.seg.png", ""},
		{".seg.png", ".", "x/a.seg.png", ""},
		{"", "../parsed", "../parsed/x/a.png", ""},
		{"", filepath.Join(base, "parsed"), "../parsed/x/a.png", ""},
		{"_map.png", "../parsed", "", "../parsed/x/b_map.png"},
	} {
		source := Source{Path: dir, Caption: "a man", MapSuffix: c.suffix, MapFolder: c.folder}
		want := []string{"x/a.png|a man|" + c.a, "x/b.png|a man|" + c.b}
		if c.suffix != ".seg.png" { // then it is an image as others are
			want = []string{want[0], "x/a.seg.png|a man|", want[1]}
		}
		o := small(source)
		o.CheckFiles = true
		s := open(t, o)
		if got := names(s); !slices.Equal(got, want) {
			t.Errorf("%q in %q: %q, expected %q", c.suffix, c.folder, got, want)
		}
		if n := s.Facts().Sources[0].Maps; n != 1 {
			t.Errorf("%q in %q: %d maps", c.suffix, c.folder, n)
		}
	}
	put(t, dir, "parsed/x/a.png", labels)
	s := open(t, small(Source{Path: dir, Caption: "a man", MapFolder: "parsed"}))
	if got := names(s); !slices.Equal(got, []string{"x/a.png|a man|parsed/x/a.png", "x/a.seg.png|a man|", "x/b.png|a man|"}) {
		t.Errorf("in the source: %q", got)
	}
	s = open(t, small(Source{Path: dir, Caption: "a man", MapSuffix: ".map.png"}))
	wantAll(t, strings.Join(s.Facts().Notes, "\n"), "no image has a parsing map; NAME.map.png was looked for")
	wantAll(t, refused(t, small(Source{Path: dir, Caption: "a man", MapFolder: "nowhere"})), "the folder of maps", "nowhere: is not there")
}

func TestLinksToFoldersAreTold(t *testing.T) {
	base := t.TempDir()
	put(t, base, "real/a.png", pngOf(t, slope(64, 64)))
	put(t, base, "other/b.png", pngOf(t, slope(64, 64)))
	if err := errors.Join(os.Symlink("real", filepath.Join(base, "link")), os.Symlink("../other", filepath.Join(base, "real", "more"))); err != nil {
		t.Fatal(err)
	}
	s := open(t, small(Source{Path: filepath.Join(base, "link"), Caption: "a man"}))
	if got := names(s); len(got) != 1 {
		t.Errorf("%q", got)
	}
	wantAll(t, strings.Join(s.Facts().Notes, "\n"), "more is a link to a folder")
}

func TestMetadataFaults(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.png", pngOf(t, slope(64, 64)))
	put(t, dir, "metadata.jsonl", []byte("{\"file_name\":\"a.png\",\"text\":\"a man\"}\n[]\n{\"text\":\"x\"}\n{\"file_name\":\"../a.png\"}\n{\"file_name\":\"a.png\",\"segm_path\":\"/etc/passwd\"}\n{\"file_name\":\"a.png\",\"text\":5}\n"))
	wantAll(t, refused(t, small(Source{Path: dir})), "metadata.jsonl: line 2: is no object", "line 3: has no file_name", `line 4: "../a.png" leads out`, `line 5: "/etc/passwd" leads out`, "line 6: is no object")
	put(t, dir, "metadata.jsonl", []byte("{\"file_name\":\"a.png\",\"text\":\"a man\"}\n{\"file_name\":\"b.png\",\"text\":\"a man\"}\n"))
	wantAll(t, refused(t, small(Source{Path: dir})), "b.png: is not there")
	put(t, dir, "metadata.jsonl", []byte("{\"file_name\":\"a.png\",\"text\":\"a man\"}\n{\"file_name\":\"./a.png\",\"text\":\"a woman\"}\n"))
	wantAll(t, refused(t, small(Source{Path: dir})), "a.png is told of twice, differently")
	if _, err := parseMetadata([]byte(`{"file_name":"` + strings.Repeat("a", maxLine) + `"}`)); err == nil {
		t.Error("a line of over a MiB was taken")
	}
	if _, err := parseMetadata([]byte("{\"file_name\":\"a\",\"text\":\"\xff\"}")); err != nil {
		t.Error(err) // encoding/json has put a mark in the place of what is no UTF-8
	}
}

func TestParseLabels(t *testing.T) {
	for name, want := range map[string]int{"": 18, "ATR": 18, "lip": 20} {
		l, err := ParseLabels(name)
		if err != nil || len(l.Labels) != want || l.Check() != nil {
			t.Errorf("%q: %d labels, %v", name, len(l.Labels), err)
		}
	}
	l, err := ParseLabels("1 hats; 4 Tops, coats; 5 bottoms (skirt, kilt); 6 8; 9<>10 shoes; 3;")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		group  prompt.Group
		phrase string
		want   []uint8
	}{
		{prompt.Background, "a wall", []uint8{0}}, {prompt.Top, "shirt", []uint8{4}}, {prompt.Bottom, "plaid Kilt", []uint8{5}},
		{prompt.Bottom, "jeans", []uint8{6}}, {prompt.Shoes, "boots", []uint8{9, 10}}, {prompt.Hair, "hair", nil},
	} {
		if got := l.labelsOf(c.group, c.phrase); !slices.Equal(got, c.want) {
			t.Errorf("%s is shown by %v, expected %v", c.phrase, got, c.want)
		}
	}
	if m := l.mirrors(); m[9] != 10 || m[10] != 9 || m[4] != 4 {
		t.Errorf("mirrored: %v", m[:12])
	}
	if k := l.known(); !k[3] || k[7] {
		t.Error("3 is declared, and 7 is not")
	}
	for text, want := range map[string]string{
		"256 hats":           `"256" is no label`,
		"x":                  `"x" is no label`,
		"1 caps":             `"caps" is no group, expected one of face, body shape`,
		"1 hats; 1 hair":     "label 1 is declared twice",
		"9<>9 shoes":         "its own mirror",
		"5 bottoms (skirt":   "not closed",
		"5 bottoms ()":       "brackets without a word",
		"5 bottoms (x) hats": "expected a comma",
		"0<>1 hats":          "the background, is mirrored as 1",
	} {
		if _, err := ParseLabels(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
}
