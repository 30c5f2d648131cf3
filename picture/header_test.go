package picture

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// counted is a file of which is known how much was read.
type counted struct {
	*bytes.Reader
	read int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(p, at)
	c.read += n
	return n, err
}

// TestReadInfoSaysWhatDecodeSays: of every kind of file, and from few bytes.
func TestReadInfoSaysWhatDecodeSays(t *testing.T) {
	for name, data := range reference(t) {
		if name == "moving.webp" {
			continue
		}
		_, want, err := Decode(t.Context(), data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadInfo(bytes.NewReader(data), int64(len(data)))
		if err != nil || got != want {
			t.Errorf("%s: %+v, expected %+v: %v", name, got, want, err)
		}
	}
}

func TestReadInfoReadsLittle(t *testing.T) {
	for _, f := range []Format{PNG, JPEG, WebP} {
		img := photo(600, 400)
		data, err := Encode(img, f, 90, Meta{Parameters: "steps: 20", Synthetic: true})
		if err != nil {
			t.Fatal(err)
		}
		file := &counted{Reader: bytes.NewReader(data)}
		info, err := ReadInfo(file, int64(len(data)))
		if err != nil || info.Width != 600 || info.Height != 400 {
			t.Errorf("%s: %+v %v", f, info, err)
		}
		if file.read > len(data)/20 {
			t.Errorf("%s: %d of %d bytes were read", f, file.read, len(data))
		}
	}
}

func TestReadInfoRefuses(t *testing.T) {
	for name, data := range reference(t) {
		want, whole := ReadInfo(bytes.NewReader(data), int64(len(data)))
		if (whole == nil) != (name != "moving.webp") {
			t.Errorf("%s: %v", name, whole)
		}
		for n := range len(data) {
			got, err := ReadInfo(bytes.NewReader(data[:n]), int64(n))
			var refused *Error
			switch {
			case err != nil && !errors.As(err, &refused):
				t.Fatalf("%s, %d bytes: %v is no *Error", name, n, err)
			case err == nil && got != want:
				t.Fatalf("%s, %d bytes: %+v, of the whole %+v", name, n, got, want)
			case err == nil && Sniff(data) != JPEG:
				t.Fatalf("%s: the first %d of %d bytes were taken", name, n, len(data))
			}
		}
	}
	// A file that was cut off while it was read.
	data := reference(t)["rgb-png.png"]
	if _, err := ReadInfo(bytes.NewReader(data[:40]), int64(len(data))); err == nil {
		t.Error("a file that is shorter than it was is taken")
	}
	if _, err := ReadInfo(failing{}, 100); !errors.Is(err, errDisk) {
		t.Errorf("%v, expected the disk's error", err)
	}
}

var errDisk = errors.New("the disk fails")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

var _ io.ReaderAt = failing{}

// FuzzReadInfo: where Decode's inspection takes a file, both agree; a JPEG's EXIF behind
// its pixels is read by inspection alone.
func FuzzReadInfo(f *testing.F) {
	for _, data := range reference(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadInfo(bytes.NewReader(data), int64(len(data)))
		want, inspected := inspect(data)
		if want.Orientation >= 5 {
			want.Width, want.Height = want.Height, want.Width
		}
		if inspected != nil || want.Format == JPEG {
			return
		}
		if err != nil || got != want {
			t.Errorf("%+v, %v, expected %+v", got, err, want)
		}
	})
}
