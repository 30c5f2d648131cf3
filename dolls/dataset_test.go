package dolls

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cosmicman/prompt"
)

func options(count int) Options {
	return Options{Count: count, Seed: 9, Width: 20, Height: 24, Style: Shaded}
}

// tree reads all files of a folder.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func decode(t *testing.T, data []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestWrite reads a data set back: rows, attributes, labels, captions, images, maps.
func TestWrite(t *testing.T) {
	const count = 1010 // in two folders
	dir := filepath.Join(t.TempDir(), "set")
	o := options(count)
	if err := Write(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if len(files) != 2*count+2 {
		t.Errorf("%d files, want %d", len(files), 2*count+2)
	}
	rows, err := parquet.Read[Row](bytes.NewReader(files[LabelFile]), int64(len(files[LabelFile])))
	if err != nil || len(rows) != count {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(files[MetadataFile]))
	for i, r := range rows {
		p := Draw(o.Seed, uint64(i))
		if r.Width != 20 || r.Height != 24 || r.PersonType != p.Shot {
			t.Fatalf("row %d: %+v", i, r)
		}
		var text []map[string]string
		var ids [][]int
		if err := errors.Join(json.Unmarshal([]byte(r.AAText), &text), json.Unmarshal([]byte(r.AAIDs), &ids)); err != nil {
			t.Fatal(err)
		}
		if len(text) != 20 || len(ids) != 20 {
			t.Fatalf("row %d: %d and %d groups, want 20", i, len(text), len(ids))
		}
		for g, want := range p.Attributes() {
			if len(text[g]) != len(want) {
				t.Errorf("row %d: %s is %v, want %v", i, prompt.Group(g), text[g], want)
			}
			for k, v := range want {
				if text[g][k] != v {
					t.Errorf("row %d: %s is %v, want %v", i, prompt.Group(g), text[g], want)
				}
			}
			if ids[g] != nil && text[g] == nil {
				t.Errorf("row %d: %s has labels %v and no attributes", i, prompt.Group(g), ids[g])
			}
		}
		if !slices.Equal(ids[prompt.Background], []int{0}) || ids[prompt.BodyShape] != nil || !slices.Equal(ids[prompt.Face], []int{11}) {
			t.Errorf("row %d: labels %v", i, ids)
		}
		var line struct {
			FileName string `json:"file_name"`
			Text     string `json:"text"`
			SegmPath string `json:"segm_path"`
		}
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &line) != nil || line.FileName != r.Path || line.SegmPath != r.SegmPath || line.Text != p.Caption() {
			t.Errorf("line %d: %q", i, lines.Text())
		}
		if i%101 != 0 {
			continue
		}
		d := render(t, p, Shaded, 20, 24)
		m, ok := decode(t, files[r.SegmPath]).(*image.Gray)
		if !ok || !bytes.Equal(m.Pix, d.Map.Pix) {
			t.Errorf("%s is not the map of person %d", r.SegmPath, i)
		}
		got := decode(t, files[r.Path])
		for y := range 24 {
			for x := range 20 {
				if r, g, b, _ := got.At(x, y).RGBA(); (rgb{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}) != rgb(d.Image.Pix[d.Image.PixOffset(x, y):][:3]) {
					t.Fatalf("the image of person %d differs at %d,%d", i, x, y)
				}
			}
		}
	}
}

func TestWriteTwiceIsTheSame(t *testing.T) {
	for _, simple := range []bool{false, true} {
		var sets [2]map[string][]byte
		for i := range sets {
			dir := t.TempDir() // one that is there, and empty
			o := options(40)
			o.Simple = simple
			if err := Write(t.Context(), dir, o); err != nil {
				t.Fatal(err)
			}
			sets[i] = tree(t, dir)
		}
		if len(sets[0]) != 82 || len(sets[1]) != 82 {
			t.Errorf("%d and %d files, want 82", len(sets[0]), len(sets[1]))
		}
		for name, data := range sets[0] {
			if !bytes.Equal(data, sets[1][name]) {
				t.Errorf("%s differs when it is written again", name)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(used, "mine")
	for _, c := range []struct {
		dir    string
		change func(*Options)
		want   string
	}{
		{used, func(*Options) {}, used + " is not empty, expected a new folder"},
		{file, func(*Options) {}, file + " cannot be used: "},
		{filepath.Join(file, "x"), func(*Options) {}, filepath.Join(file, "x")},
		{"x", func(o *Options) { o.Count = 0 }, "count is 0, expected 1 to 1000000"},
		{"x", func(o *Options) { o.Width = 5 }, "size is 5x24, expected 16 to 4096 pixels a side"},
		{"x", func(o *Options) { o.Style = "oil" }, `style is "oil", expected shaded or pixel`},
	} {
		o := options(2)
		c.change(&o)
		if err := Write(t.Context(), c.dir, o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestWriteThatIsEndedHasNoLabels holds that a set is whole if it has a label file.
func TestWriteThatIsEndedHasNoLabels(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := options(5000)
	o.Progress = func(int) { cancel() }
	if err := Write(ctx, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, LabelFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a label file of a set that is not whole: %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	o := options(b.N)
	o.Width, o.Height = 128, 128
	if err := Write(b.Context(), b.TempDir(), o); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
