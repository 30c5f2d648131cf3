package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	_ "image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// said is the JSON of an answer to a body.
func (s *servedSite) said(t *testing.T, path, body string) (int, map[string]any) {
	t.Helper()
	res, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

func TestImagesAsTheServerIsTold(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"), "--alias", "gpt-image-1=tiny", "--max-size", "tiny=128", "--public-url", "https://images.example.org/", "--fetch-urls")

	code, a := s.said(t, "/v1/images/generations", `{"model": "gpt-image-1", "prompt": "a headshot of a child", "size": "auto", "steps": 2, "seed": 3, "output_format": "jpeg", "output_compression": 80}`)
	if code != 200 || a["model"] != "tiny" || a["size"] != "64x64" || a["output_format"] != "jpeg" || a["warnings"] != nil {
		t.Fatalf("%d %v", code, a)
	}
	data := a["data"].([]any)[0].(map[string]any)
	path, ours := strings.CutPrefix(data["url"].(string), "https://images.example.org/v1/")
	if !ours {
		t.Fatalf("%v", data["url"])
	}
	code, file := s.get(t, "/v1/"+path)
	config, format, err := image.DecodeConfig(strings.NewReader(file))
	if code != 200 || err != nil || format != "jpeg" || config.Width != 64 {
		t.Errorf("%d %s %v %v", code, format, config, err)
	}
	// "a headshot of a child" is five tokens and perhaps more, the image 4 by 4.
	counted := a["usage"].(map[string]any)
	if counted["output_tokens"] != 16.0 || counted["input_tokens"].(float64) < 5 || counted["input_tokens"].(float64)+16 != counted["total_tokens"] {
		t.Errorf("%v", counted)
	}

	if !strings.Contains(file, "trainedAlgorithmicMedia") {
		t.Error("the file does not say by what it was made")
	}

	for body, param := range map[string]string{
		`{"prompt": "p", "size": "136x64"}`:                         "size",
		`{"prompt": "p", "sampler": "ddpm"}`:                        "sampler",
		`{"prompt": "p", "sampler": "euler", "eta": 0.5}`:           "eta",
		`{"prompt": "p", "model": "dall-e-3"}`:                      "model",
		`{"prompt": "p", "size": "65x64"}`:                          "size",
		`{"prompt": "p", "num_inference_steps": 1000, "steps": 10}`: "steps",
	} {
		code, a := s.said(t, "/v1/images/generations", body)
		if e, _ := a["error"].(map[string]any); code != 400 && code != 404 || e["param"] != param {
			t.Errorf("%s: %d %v", body, code, a)
		}
	}
	// URLs are fetched, though not from here.
	code, a = s.said(t, "/v1/images/edits", `{"prompt": "p", "images": [{"image_url": "`+s.url+`/"}]}`)
	if e, _ := a["error"].(map[string]any); code != 400 || !strings.Contains(e["message"].(string), "public http or https address") {
		t.Errorf("%d %v", code, a)
	}
	s.stop(t)
}

// An edit draws what generate draws from the same picture and mask, though the one
// marks by transparency and the other by white.
func TestEditsDrawWhatGenerateDraws(t *testing.T) {
	model, dir := tiny(t, "tiny-sd"), t.TempDir()
	s := serving(t, t.TempDir(), "--model", model)
	file := func(name string, at func(x, y int) color.NRGBA) []byte {
		m := image.NewNRGBA(image.Rect(0, 0, 72, 64))
		for y := range 64 {
			for x := range 72 {
				m.SetNRGBA(x, y, at(x, y))
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	picture := file("in.png", func(x, y int) color.NRGBA { return color.NRGBA{uint8(3 * x), uint8(4 * y), 90, 255} })
	mask := file("alpha.png", func(x, _ int) color.NRGBA {
		return color.NRGBA{40, 50, 60, map[bool]uint8{true: 0, false: 255}[x < 40]}
	})
	file("white.png", func(x, _ int) color.NRGBA {
		v := map[bool]uint8{true: 255, false: 0}[x < 40]
		return color.NRGBA{v, v, v, 255}
	})
	for name, v := range map[string]struct {
		route    string
		form     []string
		mask     bool
		generate []string
	}{
		"edit":      {"edits", []string{"prompt", "a red hat", "strength", "0.6"}, false, []string{"--prompt", "a red hat", "--strength", "0.6"}},
		"inpaint":   {"edits", []string{"prompt", "a red hat"}, true, []string{"--prompt", "a red hat", "--mask", filepath.Join(dir, "white.png"), "--strength", "1"}},
		"variation": {"variations", nil, false, []string{"--prompt", "", "--strength", "0.8"}},
	} {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		part := func(name string, data []byte) {
			p, err := w.CreateFormFile(name, "x")
			if err == nil {
				_, err = p.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		part("image", picture)
		if v.mask {
			part("mask", mask)
		}
		for i, form := 0, append(v.form, "seed", "9", "steps", "6", "response_format", "b64_json"); i < len(form); i += 2 {
			if err := w.WriteField(form[i], form[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(s.url+"/v1/images/"+v.route, w.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		var a answered
		err = json.NewDecoder(res.Body).Decode(&a)
		if cerr := res.Body.Close(); err != nil || cerr != nil || res.StatusCode != 200 || len(a.Data) != 1 {
			t.Fatalf("%s: %d %+v, %v", name, res.StatusCode, a.Error, err)
		}
		out := filepath.Join(dir, name+".png")
		var said bytes.Buffer
		e := &environment{stdout: &said, stderr: &said, getenv: os.Getenv}
		if code := run(t.Context(), e, append([]string{"generate", "--library", library(t), "--model", model, "--seed", "9", "--steps", "6", "--width", "72", "--height", "64",
			"--init-image", filepath.Join(dir, "in.png"), "--output", out}, v.generate...)); code != 0 {
			t.Fatalf("%s: %s", name, &said)
		}
		want, err := os.ReadFile(out)
		if err != nil || !bytes.Equal(a.Data[0].B64JSON, want) {
			t.Errorf("%s: another image than generate's, %v", name, err)
		}
	}
	s.stop(t)
}

func TestImageFilesMaySayNothing(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"), "--no-metadata", "--no-mark")
	a := s.draw(t, `{"prompt": "a headshot", "size": "64x64", "steps": 1}`)
	if file := string(a.Data[0].B64JSON); strings.Contains(file, "headshot") || strings.Contains(file, "trainedAlgorithmicMedia") {
		t.Error("the file says how it was made")
	}
	s.stop(t)
}

func TestAStreamEndsWithTheImageThatIsAnsweredWithout(t *testing.T) {
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	const body = `{"prompt": "a headshot", "size": "64x64", "seed": 5, "steps": 6`
	want := s.draw(t, body+`}`)
	if file := string(want.Data[0].B64JSON); !strings.Contains(file, "a headshot") || !strings.Contains(file, "trainedAlgorithmicMedia") {
		t.Error("the file does not say how and by what it was made")
	}
	res, err := http.Post(s.url+"/v1/images/generations", "application/json", strings.NewReader(body+`, "stream": true, "partial_images": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var e struct {
		Type    string
		B64JSON []byte `json:"b64_json"`
		Seed    uint64
		Index   *int `json:"partial_image_index"`
	}
	partials := 0
	r := bufio.NewReader(res.Body)
	for err == nil {
		var line string
		if line, err = r.ReadString('\n'); !strings.HasPrefix(line, "data: ") {
			continue
		}
		e.Index = nil
		if err := json.Unmarshal([]byte(line[6:]), &e); err != nil {
			t.Fatal(err)
		}
		if e.Index == nil {
			continue
		}
		m, perr := png.Decode(bytes.NewReader(e.B64JSON))
		if perr != nil || m.Bounds().Dx() != 64 || m.Bounds().Dy() != 64 || *e.Index != partials || bytes.Equal(e.B64JSON, want.Data[0].B64JSON) {
			t.Errorf("partial image %d after %d: %v", *e.Index, partials, perr)
		}
		partials++
	}
	if err != io.EOF || e.Type != "image_generation.completed" || e.Seed != 5 || !bytes.Equal(e.B64JSON, want.Data[0].B64JSON) || partials != 2 {
		t.Errorf("%s after %d partial images, %v", e.Type, partials, err)
	}
	s.stop(t)
}
