package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/picture"
	"cosmicman/scheduler"
)

// pngOf is a PNG file.
func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fixture is a file of package picture's.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "picture", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pngHeader is a PNG that is nothing but a size.
func pngHeader(w, h uint32) []byte {
	body := fmt.Appendf(nil, "IHDR%c%c%c%c%c%c%c%c\x08\x06\x00\x00\x00", 0, 0, 0, 0, 0, 0, 0, 0)
	for i := range 4 {
		body[4+i], body[8+i] = byte(w>>(24-8*i)), byte(h>>(24-8*i))
	}
	sum := crc32.ChecksumIEEE(body)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body...)
	out = append(out, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	return append(out, "\x00\x00\x00\x00IEND\xaeB\x60\x82"...)
}

// sources are all ways in which an image can be sent.
type sources struct {
	*site
	remote *httptest.Server
	mu     sync.Mutex
	file   []byte // that remote serves
}

func openSources(t *testing.T) *sources {
	s := &sources{}
	s.remote = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = w.Write(s.file)
	}))
	t.Cleanup(s.remote.Close)
	s.site = open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) { c.FetchURLs, c.fetcher = true, toLoopback() })
	return s
}

// each sends an image in every way and hands on the answers with the field that they
// should name. mask may be nil.
func (s *sources) each(t *testing.T, file, mask []byte, check func(how, field, maskField string, a answer)) {
	t.Helper()
	s.mu.Lock()
	s.file = file
	s.mu.Unlock()
	quoted := func(url string) string {
		data, err := json.Marshal(url)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	parts := func(name string) []any {
		out := []any{"prompt", "p", name, file}
		if mask != nil {
			out = append(out, "mask", mask)
		}
		return out
	}
	inline := func(data []byte) string { return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data) }
	body := func(url string) string {
		out := `{"prompt": "p", "images": [{"image_url": ` + quoted(url) + `}]`
		if mask != nil {
			out += `, "mask": {"image_url": ` + quoted(inline(mask)) + `}`
		}
		return out + "}"
	}
	_, port, err := net.SplitHostPort(s.remote.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	check("form", "image", "mask", s.sendForm(t, edits, parts("image")...))
	check("list", "image[]", "mask", s.sendForm(t, edits, parts("image[]")...))
	check("data URL", "images[0].image_url", "mask.image_url", s.send(t, edits, body(inline(file)), "application/json"))
	check("remote URL", "images[0].image_url", "mask.image_url", s.send(t, edits, body("http://images.example.org:"+port+"/x"), "application/json"))
	if mask == nil {
		check("variation", "image", "mask", s.sendForm(t, variations, "image", file))
	}
}

// TestBadImagesAreRefusedFromEverySource: the same words for the same file, whichever
// way it came, nothing drawn and nothing kept.
func TestBadImagesAreRefusedFromEverySource(t *testing.T) {
	s := openSources(t)
	good := fixture(t, "rgb-png.png")
	for name, c := range map[string]struct {
		file  []byte
		words string
	}{
		"30000x30000":      {pngHeader(30000, 30000), "is 30000x30000 pixels, expected sides of at most 8192"},
		"8192x8192":        {pngHeader(8192, 8192), "is 8192x8192 pixels, expected at most 16777216 in all"},
		"1x1":              {pngOf(t, image.NewNRGBA(image.Rect(0, 0, 1, 1))), "is 1x1 pixels, expected sides of at least 64"},
		"1x65535":          {pngHeader(1, 65535), "is 1x65535 pixels, expected sides of at least 64"},
		"no pixels":        {pngHeader(64, 64), "is damaged or cut off"},
		"cut":              {good[:len(good)-20], "is damaged or cut off"},
		"text":             {[]byte("hello"), "is not a PNG, JPEG or WebP image"},
		"HTML":             {[]byte("<html>"), "is not a PNG, JPEG or WebP image"},
		"GIF":              {[]byte("GIF89a\x40\x00\x40\x00\x00\x00\x00;"), "is not a PNG, JPEG or WebP image"},
		"moving":           {fixture(t, "moving.webp"), "is an animated WebP, expected a still image"},
		"a JPEG of 4 GiB":  {bytes.Replace(fixture(t, "rgb-jpg.jpg"), []byte("\x00\x42\x00\x48"), []byte("\xff\xdc\xff\xdc"), 1), "is 65500x65500 pixels"},
		"a JPEG cut short": {fixture(t, "rgb-jpg.jpg")[:1200], "is damaged or cut off"},
		"a WebP cut short": {fixture(t, "lossy-webp.webp")[:300], "is damaged or cut off"},
	} {
		s.each(t, c.file, nil, func(how, field, _ string, a answer) {
			if a.code != 400 || a.errorField("param") != field || !strings.HasPrefix(a.errorField("message"), field+" "+c.words) {
				t.Errorf("%s by %s: %d %v, want %q on %s", name, how, a.code, a.body, c.words, field)
			}
		})
	}
	if left := s.uploads(t); len(left) > 0 || len(s.drawn) > 0 {
		t.Errorf("%q are kept, %d images were drawn", left, len(s.drawn))
	}
}

func TestBadMasksAreRefused(t *testing.T) {
	s := openSources(t)
	image72 := fixture(t, "rgb-png.png")
	for name, c := range map[string]struct {
		mask  []byte
		words string
	}{
		"no alpha":     {image72, "has no alpha channel"},
		"gray":         {fixture(t, "gray-png.png"), "has no alpha channel"},
		"JPEG":         {fixture(t, "rgb-jpg.jpg"), "is a jpeg file, expected a PNG with an alpha channel"},
		"WebP":         {fixture(t, "losslessalpha-webp.webp"), "is a webp file, expected a PNG with an alpha channel"},
		"another size": {pngOf(t, image.NewNRGBA(image.Rect(0, 0, 66, 72))), "is 66x72 pixels, but the image is 72x66"},
		"text":         {[]byte("mask"), "is not a PNG, JPEG or WebP image"},
		"bomb":         {pngHeader(30000, 30000), "is 30000x30000 pixels"},
	} {
		s.each(t, image72, c.mask, func(how, _, field string, a answer) {
			if a.code != 400 || a.errorField("param") != field || !strings.HasPrefix(a.errorField("message"), field+" "+c.words) {
				t.Errorf("%s by %s: %d %v, want %q on %s", name, how, a.code, a.body, c.words, field)
			}
		})
	}
	if left := s.uploads(t); len(left) > 0 {
		t.Errorf("%q are kept", left)
	}
}

// TestGoodImagesAreTakenFromEverySource: in every format, turned upright, and with
// nothing in what is stored but pixels.
func TestGoodImagesAreTakenFromEverySource(t *testing.T) {
	s := openSources(t)
	files, err := filepath.Glob(filepath.Join("..", "picture", "testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		name := filepath.Base(path)
		if strings.Contains(name, ".want.") || name == "moving.webp" || filepath.Ext(name) == "" { // folders have no ending
			continue
		}
		size := "72x66"
		switch {
		case strings.HasPrefix(name, "turned"):
			size = "66x72"
		case strings.HasPrefix(name, "odd"):
			size = "71x65"
		}
		n++
		s.each(t, fixture(t, name), nil, func(how, _, _ string, a answer) {
			if a.code != 200 || a.body["size"] != size {
				t.Errorf("%s by %s: %d %.300v, want %s", name, how, a.code, a.body, size)
			}
		})
	}
	if n < 20 {
		t.Errorf("only %d files were sent", n)
	}
}

// storing is a server with a folder of artifacts and nothing else.
func storing(t *testing.T) (*server, *site) {
	s := open(t, scheduler.Options{}, nil)
	return &server{Config: Config{Artifacts: s.files, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}}, s
}

func stored(t *testing.T, s *site, name string) (*image.NRGBA, []byte) {
	t.Helper()
	data, err := s.files.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	m, info, err := picture.Decode(t.Context(), data, picture.Limits{MinSide: 1})
	if err != nil || info.Format != picture.PNG || info.Alpha {
		t.Fatalf("%+v, %v", info, err)
	}
	return m, data
}

func TestStoredImagesArePlainPixels(t *testing.T) {
	server, s := storing(t)
	m := image.NewNRGBA(image.Rect(0, 0, 64, 65))
	for i := range 64 * 65 {
		m.SetNRGBA(i%64, i/64, color.NRGBA{uint8(i), uint8(i / 7), 30, uint8(i % 256)})
	}
	file, err := picture.Encode(m, picture.PNG, 100, picture.Meta{Parameters: "my secret place", Synthetic: true})
	if err != nil {
		t.Fatal(err)
	}
	u, err := server.storeImage(t.Context(), append(file, "behind the end"...), "image")
	if err != nil || u.Width != 64 || u.Height != 65 || len(u.Digest) != 64 || !strings.HasPrefix(u.Artifact, "upload_") || imageName.MatchString(u.Artifact) {
		t.Fatalf("%+v, %v", u, err)
	}
	got, data := stored(t, s, u.Artifact)
	for i := range got.Pix {
		if want := m.Pix[i]; i%4 != 3 && got.Pix[i] != want || i%4 == 3 && got.Pix[i] != 255 {
			t.Fatalf("value %d is %d, was %d", i, got.Pix[i], want)
		}
	}
	for _, word := range []string{"secret", "xmp", "behind"} {
		if bytes.Contains(data, []byte(word)) {
			t.Errorf("%q is stored", word)
		}
	}
	second, err := server.storeImage(t.Context(), file, "image")
	if err != nil || second.Artifact == u.Artifact || second.Digest == u.Digest {
		t.Errorf("another file: %+v, %v", second, err)
	}
}

func TestStoredMasks(t *testing.T) {
	server, s := storing(t)
	m := image.NewNRGBA(image.Rect(0, 0, 70, 64))
	for x := range 70 {
		for y := range 64 {
			m.SetNRGBA(x, y, color.NRGBA{9, 9, 9, uint8(min(x, 255))})
		}
	}
	file := pngOf(t, m)
	u, err := server.storeMask(t.Context(), file, "mask", 70, 64)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := stored(t, s, u.Artifact)
	for x := range 70 {
		want := color.NRGBA{0, 0, 0, 255}
		if x == 0 {
			want = color.NRGBA{255, 255, 255, 255}
		}
		if c := got.NRGBAAt(x, 63); c != want {
			t.Errorf("at %d it is %v", x, c)
		}
	}
}

// full is a store that refuses.
type full struct{ Artifacts }

func (full) Put(context.Context, string, []byte, time.Duration) error {
	return job.Errorf(job.Overloaded, "the artifact store is full")
}

// A job whose images could not be kept is refused before it is drawn.
func TestAFullStoreTakesNoJobs(t *testing.T) {
	room := int64(64*64*2 + 2000)
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) {
		c.Room = func(_ context.Context, n int64) error {
			if n > room {
				return &job.Error{Kind: job.Overloaded, Message: "the store of images is full", RetryAfter: time.Minute}
			}
			return nil
		}
	})
	if a := s.must(t, `{"prompt": "p", "size": "64x64"}`, "Idempotency-Key", "k"); a.code != 200 {
		t.Fatalf("%d %v", a.code, a.body)
	}
	for body, want := range map[string]int{
		`{"prompt": "p", "size": "64x64"}`: 200, `{"prompt": "p", "size": "64x128"}`: 429, `{"prompt": "p", "size": "64x128", "stream": true}`: 429,
		`{"prompt": "p", "size": "64x128", "output_format": "webp"}`: 200,
	} {
		if a := s.must(t, body); a.code != want || want == 429 && a.header.Get("Retry-After") != "60" {
			t.Errorf("%s: %d %v, expected %d", body, a.code, a.body, want)
		}
	}
	room = 0
	if a := s.must(t, `{"prompt": "p", "size": "64x64"}`, "Idempotency-Key", "k"); a.code != 200 {
		t.Errorf("what is there is not told: %d %v", a.code, a.body)
	}
}

func TestAFullStoreIsNoFaultOfTheImage(t *testing.T) {
	server, s := storing(t)
	server.Artifacts = full{s.files}
	_, err := server.storeImage(t.Context(), fixture(t, "rgb-png.png"), "image")
	if e := shown(err, &http.Request{}); e.status != http.StatusTooManyRequests || e.retryAfter == 0 {
		t.Errorf("%+v", e)
	}
}
