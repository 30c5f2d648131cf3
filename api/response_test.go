package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cosmicman/artifact"
	"cosmicman/job"
	"cosmicman/scheduler"
)

// drawnPNG draws a real image file.
func drawnPNG(l scheduler.Lease) ([]byte, *job.Error) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8+l.Ref.Image))); err != nil {
		return nil, job.Errorf(job.Engine, "%v", err)
	}
	return b.Bytes(), nil
}

func TestAnswersHoldWhatWasAskedFor(t *testing.T) {
	s := open(t, scheduler.Options{}, drawnPNG)
	for format, want := range map[string]struct{ url, b64 bool }{
		``: {true, true}, `, "response_format": null`: {true, true}, `, "response_format": "url"`: {true, false}, `, "response_format": "b64_json"`: {false, true},
	} {
		a := s.must(t, `{"prompt": "one two three", "n": 2, "seed": 7, "size": "72x40", "quality": "standard"`+format+`}`)
		if a.code != 200 {
			t.Fatalf("%d %v", a.code, a.body)
		}
		for i, d := range a.body["data"].([]any) {
			d := d.(map[string]any)
			url, hasURL := d["url"].(string)
			b64, hasB64 := d["b64_json"].(string)
			if hasURL != want.url || hasB64 != want.b64 || d["seed"] != float64(7+i) || d["revised_prompt"] != nil {
				t.Errorf("%q: %v", format, d)
			}
			if hasURL && hasB64 {
				code, data := s.get(t, strings.TrimPrefix(url, s.URL))
				if inline, err := base64.StdEncoding.DecodeString(b64); code != 200 || err != nil || data != string(inline) {
					t.Errorf("%s answers %d and other bytes than b64_json", url, code)
				}
			}
		}
		delete(a.body, "data")
		created := a.body["created"].(float64)
		if age := time.Since(time.Unix(int64(created), 0)); age < -time.Minute || age > time.Minute {
			t.Errorf("created %v", created)
		}
		delete(a.body, "created")
		got, err := json.Marshal(a.body)
		if err != nil {
			t.Fatal(err)
		}
		// 72x40 is 5 by 3 tokens.
		const rest = `{"background":"opaque","model":"m","output_format":"png","quality":"medium","size":"72x40","usage":{"input_tokens":3,` +
			`"input_tokens_details":{"image_tokens":0,"text_tokens":3},"output_tokens":30,"output_tokens_details":{"image_tokens":30,"text_tokens":0},"total_tokens":33}}`
		if string(got) != rest {
			t.Errorf("%s", got)
		}
	}
}

func TestURLsBeginWithWhatClientsCanReach(t *testing.T) {
	s := open(t, scheduler.Options{}, drawnPNG, func(c *Config, _ *http.Server) { c.PublicURL = "https://images.example.org/api" })
	a := s.must(t, `{"prompt": "p", "response_format": "url"}`, "X-Forwarded-Host", "evil.example.org")
	url, _ := a.body["data"].([]any)[0].(map[string]any)["url"].(string)
	if !strings.HasPrefix(url, "https://images.example.org/api/v1/images/files/img_") {
		t.Errorf("%q", url)
	}
}

func TestWhatWasCutIsTold(t *testing.T) {
	st := job.Status{
		State: job.Completed, Spec: job.Spec{Model: "m", Meta: json.RawMessage(`{"route": 1, "quality": "low", "response_format": "url", "base": "http://h", "warnings": [{"code": "c", "param": "body", "message": "m"}]}`)},
		Images: []job.Image{{State: job.Completed, Result: &job.Result{Artifact: "a", Width: 17, Height: 16, Tokens: 75, Cut: "of roses"}}},
	}
	out, err := (&server{}).response(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Warnings) != 2 || out.Warnings[0].Code != "c" || out.Warnings[1].Code != "prompt_cut" || !strings.Contains(out.Warnings[1].Message, `"of roses"`) {
		t.Errorf("%+v", out.Warnings)
	}
	if out.Quality != "low" || out.Usage.OutputTokens != 2 || out.Data[0].URL != "http://h/v1/images/files/a" {
		t.Errorf("%+v", out)
	}
	st.Spec.Meta = nil // of a job of a front end before this one
	if out, err = (&server{Config: Config{PublicURL: "http://p"}}).response(t.Context(), job.Status{Spec: job.Spec{Model: "m"}}); err != nil || out.Quality != "medium" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestFiles(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	pictures := map[string][]byte{}
	for ext, encode := range map[string]func(io.Writer, image.Image) error{
		".png": png.Encode, ".jpeg": func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
			t.Fatal(err)
		}
		pictures[ext] = b.Bytes()
	}
	pictures[".webp"] = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
	for ext, data := range pictures {
		name := artifact.NewName(ext)
		if err := s.files.Put(t.Context(), name, data, time.Hour); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			res, body := s.do(t, method, filesPath+name, "")
			want := data
			if method == http.MethodHead {
				want = nil
			}
			h := res.Header
			if res.StatusCode != 200 || !bytes.Equal(body, want) || h.Get("Content-Type") != "image/"+ext[1:] || res.ContentLength != int64(len(data)) {
				t.Errorf("%s %s: %d %v", method, ext, res.StatusCode, h)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "private, max-age=3600, immutable" || h.Get("Content-Disposition") != `inline; filename="`+name+`"` {
				t.Errorf("%v", h)
			}
			if res, body := s.do(t, method, filesPath+name, "", "If-None-Match", h.Get("Etag")); res.StatusCode != 304 || len(body) > 0 {
				t.Errorf("known bytes are answered with %d", res.StatusCode)
			}
		}
		if res, body := s.do(t, http.MethodGet, filesPath+name, "", "Range", "bytes=2-5"); res.StatusCode != 206 || !bytes.Equal(body, data[2:6]) {
			t.Errorf("a range: %d %q", res.StatusCode, body)
		}
	}
}

func TestFilesThatAreNotImagesAreNotThere(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	page, upload, old := artifact.NewName(".png"), "up"+artifact.NewName(".png"), artifact.NewName(".png")
	for name, data := range map[string][]byte{page: []byte("<html><script>alert(1)</script>"), upload: b.Bytes(), old: b.Bytes()} {
		ttl := time.Hour
		if name == old {
			ttl = time.Nanosecond
		}
		if err := s.files.Put(t.Context(), name, data, ttl); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		page, upload, old, artifact.NewName(".png"), "x", "img_", "..", ".", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cx", "img_%00.png", "a%2fb",
		strings.Repeat("a", 5000), "%ff%fe", strings.ToUpper(old), old + ".png", "img_aaaaaaaaaaaaaaaaaaaaaaaaaa.html",
	} {
		res, body := s.do(t, http.MethodGet, filesPath+name, "")
		if res.StatusCode != 404 || !bytes.Contains(body, []byte(`"error"`)) {
			t.Errorf("%.60s: %d %.100s", name, res.StatusCode, body)
		}
	}
}
