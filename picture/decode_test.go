package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// reference are the files that oracle/pictures.py made with Pillow.
func reference(t testing.TB) map[string][]byte {
	t.Helper()
	found, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range found {
		if strings.HasSuffix(name, ".want.png") || filepath.Ext(name) == "" {
			continue
		}
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d files in testdata", len(files))
	}
	return files
}

// TestDecodeReadsWhatPillowReads: to the bit, but for JPEGs of four channels, which
// image/jpeg reads.
func TestDecodeReadsWhatPillowReads(t *testing.T) {
	tolerance := map[string]int{"cmyk-jpg.jpg": 2}
	for name, data := range reference(t) {
		if name == "moving.webp" {
			continue // TestDecodeRefusals has it
		}
		got, info, err := Decode(t.Context(), data, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stem := strings.TrimSuffix(name, filepath.Ext(name))
		if info.Format.Ext() != filepath.Ext(name) || info.Width != got.Rect.Dx() || info.Height != got.Rect.Dy() {
			t.Errorf("%s: %+v for %v", name, info, got.Rect)
		}
		if alpha := strings.Contains(name, "alpha") || strings.HasPrefix(name, "rgba") || strings.HasPrefix(name, "transparent"); info.Alpha != alpha {
			t.Errorf("%s: alpha is %v", name, info.Alpha)
		}
		if turned := strings.HasPrefix(name, "turned"); turned != (info.Orientation == 6) || turned != (info.Height > info.Width) {
			t.Errorf("%s: orientation %d, %dx%d", name, info.Orientation, info.Width, info.Height)
		}
		file, err := os.ReadFile(filepath.Join("testdata", stem+".want.png"))
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if far := distance(t, got, wanted.(*image.NRGBA)); far > tolerance[name] {
			t.Errorf("%s: a value is %d from Pillow's, at most %d is accepted", name, far, tolerance[name])
		}
	}
}

// TestLibjpegSaysWhatIsWrong: a file of a kind that it does not read, one whose pixels
// are damaged, and after both one that is whole.
func TestLibjpegSaysWhatIsWrong(t *testing.T) {
	whole := reference(t)["rgb-jpg.jpg"]
	frame := bytes.Index(whole, []byte{0xff, 0xc0, 0, 17, 8})
	if frame < 0 {
		t.Fatal("the frame's header is not found")
	}
	deep, hole := bytes.Clone(whole), bytes.Clone(whole)
	deep[frame+4] = 12 // bits
	middle := hole[len(hole)/2:]
	copy(middle, []byte{0xff, 0xd9})
	for want, data := range map[string][]byte{"is a JPEG of a kind that is not supported": deep, "is damaged or cut off": hole} {
		if _, _, err := Decode(t.Context(), data, Limits{}); !isError(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, _, err := Decode(t.Context(), whole, Limits{}); err != nil {
		t.Error(err)
	}
}

// distance is the largest difference of two images' values. Colours that nothing is
// seen of do not count.
func distance(t testing.TB, a, b *image.NRGBA) int {
	t.Helper()
	if a.Rect != b.Rect {
		t.Fatalf("%v and %v are compared", a.Rect, b.Rect)
	}
	most := 0
	for i := range a.Pix {
		if j := i | 3; a.Pix[j] == 0 && b.Pix[j] == 0 {
			continue
		}
		most = max(most, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return most
}

// TestOrientations turns one image all eight ways, by the definition in EXIF: where
// the file's first row and first column belong.
func TestOrientations(t *testing.T) {
	const w, h = 3, 2
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(i)
	}
	// The file's corners (0,0), (w-1,0) and (0,h-1) on the turned image.
	for o, want := range [][3]image.Point{
		1: {{0, 0}, {w - 1, 0}, {0, h - 1}},
		2: {{w - 1, 0}, {0, 0}, {w - 1, h - 1}},
		3: {{w - 1, h - 1}, {0, h - 1}, {w - 1, 0}},
		4: {{0, h - 1}, {w - 1, h - 1}, {0, 0}},
		5: {{0, 0}, {0, w - 1}, {h - 1, 0}},
		6: {{h - 1, 0}, {h - 1, w - 1}, {0, 0}},
		7: {{h - 1, w - 1}, {h - 1, 0}, {0, w - 1}},
		8: {{0, w - 1}, {0, 0}, {h - 1, w - 1}},
	} {
		if o == 0 {
			continue
		}
		got := orient(m, o)
		for i, corner := range []image.Point{{0, 0}, {w - 1, 0}, {0, h - 1}} {
			if at := want[i]; got.NRGBAAt(at.X, at.Y) != m.NRGBAAt(corner.X, corner.Y) {
				t.Errorf("orientation %d: the file's %v is not at %v", o, corner, at)
			}
		}
	}
}

func TestExifOrientation(t *testing.T) {
	for want, block := range map[int]string{
		3: "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00\x00\x00\x00\x00",
		8: "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00",
	} {
		if got := exifOrientation([]byte(block)); got != want {
			t.Errorf("%q: %d, want %d", block, got, want)
		}
		for i := range len(block) - 4 {
			if got := exifOrientation([]byte(block[:i])); got != 1 && got != want {
				t.Errorf("%q: %d", block[:i], got)
			}
		}
	}
	for _, block := range []string{
		"", "MM\x00*", "MM\x00*\xff\xff\xff\xff", "MM\x00*\x00\x00\x00\x08\xff\xff",
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00\x00\x00\x00\x00",
	} {
		if got := exifOrientation([]byte(block)); got != 1 {
			t.Errorf("%q: %d, want 1", block, got)
		}
	}
}

// bombs are small files that say that they are large.
func bombs(t testing.TB) map[string][]byte {
	files := reference(t)
	sized := func(w, h uint32) []byte {
		header := []byte{byte(w >> 24), byte(w >> 16), byte(w >> 8), byte(w), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h), 8, 6, 0, 0, 0}
		return bytes.Join([][]byte{[]byte(pngSignature), chunk("IHDR", header), chunk("IDAT", make([]byte, 100)), chunk("IEND", nil)}, nil)
	}
	jpeg := func(w, h uint16) []byte {
		data := bytes.Clone(files["rgb-jpg.jpg"])
		at := bytes.Index(data, []byte("\xff\xc0\x00\x11\x08")) + 5
		data[at], data[at+1], data[at+2], data[at+3] = byte(h>>8), byte(h), byte(w>>8), byte(w)
		return data
	}
	webp := bytes.Clone(files["lossyalpha-webp.webp"])
	copy(webp[24:], "\xff\xff\x00\xff\xff\x00")
	return map[string][]byte{
		"PNG of 30000x30000":           sized(30000, 30000),
		"PNG of 2^31-1 by 2^31-1":      sized(1<<31-1, 1<<31-1),
		"PNG of 1x1":                   sized(1, 1),
		"PNG of 1x65535":               sized(1, 65535),
		"PNG of 8192x8192":             sized(8192, 8192),
		"JPEG of 65500x65500":          jpeg(65500, 65500),
		"JPEG of 1x65535":              jpeg(1, 65535),
		"JPEG of no height":            jpeg(100, 0),
		"WebP of 65536x65536":          webp,
		"lossless WebP of 16384x16384": []byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00"),
	}
}

func TestDecodeRefusesBombsInBoundedMemory(t *testing.T) {
	for name, data := range bombs(t) {
		var before, after runtime.MemStats
		begun := time.Now()
		runtime.ReadMemStats(&before)
		_, _, err := Decode(t.Context(), data, Limits{})
		runtime.ReadMemStats(&after)
		if !isError(err) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s took %d bytes", name, n)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func isError(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// TestDecodeRefusals: what is wrong, in words that go on from a field's name.
func TestDecodeRefusals(t *testing.T) {
	files := reference(t)
	scan := files["progressive-jpg.jpg"]
	first, end := bytes.Index(scan, []byte("\xff\xda")), len(scan)-2
	scans := bytes.Join([][]byte{scan[:first], bytes.Repeat(scan[first:end], 50), scan[end:]}, nil)
	for name, c := range map[string]struct {
		data  []byte
		limit Limits
		words string
	}{
		"empty":       {nil, Limits{}, "is empty"},
		"text":        {[]byte("hello, this is no image at all"), Limits{}, "is not a PNG, JPEG or WebP image"},
		"GIF":         {[]byte("GIF89a\x40\x00\x40\x00\x00\x00\x00;"), Limits{}, "is not a PNG, JPEG or WebP image"},
		"SVG":         {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), Limits{}, "is not a PNG, JPEG or WebP image"},
		"moving":      {files["moving.webp"], Limits{}, "is an animated WebP, expected a still image"},
		"small":       {files["rgb-png.png"], Limits{MinSide: 70}, "is 72x66 pixels, expected sides of at least 70"},
		"large":       {files["rgb-png.png"], Limits{MaxSide: 70}, "is 72x66 pixels, expected sides of at most 70"},
		"too many":    {files["rgb-png.png"], Limits{MaxPixels: 72*66 - 1}, "is 72x66 pixels, expected at most 4751 in all"},
		"many scans":  {scans, Limits{}, "is damaged or cut off: it cannot be read as a JPEG"},
		"no image":    {[]byte("\xff\xd8\xff\xd9"), Limits{}, "is damaged or cut off: it cannot be read as a JPEG"},
		"lossless":    {bytes.Replace(files["rgb-jpg.jpg"], []byte("\xff\xc0\x00\x11"), []byte("\xff\xc3\x00\x11"), 1), Limits{}, "is a JPEG of a kind that is not supported"},
		"SOI":         {[]byte("\xff\xd8\xff"), Limits{}, "is damaged or cut off: it cannot be read as a JPEG"},
		"signature":   {[]byte(pngSignature), Limits{}, "is damaged or cut off: it cannot be read as a PNG"},
		"RIFF":        {[]byte("RIFF\x04\x00\x00\x00WEBP"), Limits{}, "is damaged or cut off: it cannot be read as a WebP"},
		"RIFF of 0":   {[]byte("RIFF\x00\x00\x00\x00WEBP"), Limits{}, "is damaged or cut off: it cannot be read as a WebP"},
		"RIFF of 4GB": {[]byte("RIFF\xff\xff\xff\xffWEBP"), Limits{}, "is damaged or cut off: it cannot be read as a WebP"},
	} {
		_, _, err := Decode(t.Context(), c.data, c.limit)
		if !isError(err) || err.Error() != c.words {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}

// TestDecodeRefusesEveryCut: no beginning of a file is a file. Behind the pixels of a
// PNG and a WebP nothing more is needed than the end's mark.
func TestDecodeRefusesEveryCut(t *testing.T) {
	for name, data := range reference(t) {
		step := max(len(data)/40, 1)
		for n := 0; n < len(data); n += step {
			if _, _, err := Decode(t.Context(), data[:n], Limits{}); !isError(err) {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(data), err)
			}
		}
		if _, _, err := Decode(t.Context(), data[:len(data)-1], Limits{}); !isError(err) {
			t.Errorf("%s without its last byte: %v", name, err)
		}
	}
}

// TestDecodeSurvivesEveryChange flips bits all over the files.
func TestDecodeSurvivesEveryChange(t *testing.T) {
	for name, data := range reference(t) {
		for i := 0; i < len(data); i += max(len(data)/60, 1) {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << (i % 8)
			if _, _, err := Decode(t.Context(), changed, Limits{MaxSide: 512}); err != nil && !isError(err) {
				t.Errorf("%s with byte %d changed: %v", name, i, err)
			}
		}
	}
}

// TestDecodeNeverInflatesText: chunks that are not the pixels' may say what they want.
func TestDecodeNeverInflatesText(t *testing.T) {
	data := reference(t)["rgb-png.png"]
	const header = 33
	zeros := make([]byte, 1<<20) // a megabyte that would be a gigabyte
	for _, kind := range []string{"iCCP", "zTXt", "iTXt"} {
		file := bytes.Join([][]byte{data[:header], chunk(kind, append([]byte("k\x00\x00"), zeros...)), data[header:]}, nil)
		if _, _, err := Decode(t.Context(), file, Limits{}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestDecodeWaits: with the whole of the pixels taken, a decode waits, and its context
// ends the wait.
func TestDecodeWaits(t *testing.T) {
	data := reference(t)["rgb-png.png"]
	if err := decoding.Acquire(t.Context(), atOnce); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := Decode(ctx, data, Limits{})
	decoding.Release(atOnce)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	if _, _, err := Decode(t.Context(), data, Limits{}); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range reference(f) {
		f.Add(data)
	}
	for _, data := range bombs(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begun := time.Now()
		img, info, err := Decode(t.Context(), data, Limits{MinSide: 1, MaxSide: 2048, MaxPixels: 1 << 20})
		switch took := time.Since(begun); {
		case took > 5*time.Second:
			t.Fatalf("%d bytes took %v", len(data), took)
		case err != nil && !isError(err):
			t.Fatal(err)
		case err == nil && (img.Rect != image.Rect(0, 0, info.Width, info.Height) || len(img.Pix) != 4*info.Width*info.Height):
			t.Fatalf("%v, %d bytes, %+v", img.Rect, len(img.Pix), info)
		}
	})
}
