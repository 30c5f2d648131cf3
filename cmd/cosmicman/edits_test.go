package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// form posts a form of texts and files.
func (s *servedSite) form(t *testing.T, path string, texts map[string]string, files map[string][]byte) (int, answered) {
	t.Helper()
	var body bytes.Buffer
	f := multipart.NewWriter(&body)
	for name, text := range texts {
		if err := f.WriteField(name, text); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		w, err := f.CreateFormFile(name, name+".png")
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(s.url+path, f.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a answered
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, a
}

// halves are a mask whose right half is repainted, in the API's words and in generate's.
func halves(t *testing.T, width, height int) (alpha, white []byte) {
	t.Helper()
	a, w := image.NewNRGBA(image.Rect(0, 0, width, height)), image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			if x < width/2 {
				a.SetNRGBA(x, y, color.NRGBA{200, 100, 50, 255})
			} else {
				w.SetGray(x, y, color.Gray{255})
			}
		}
	}
	var files [2]bytes.Buffer
	for i, img := range []image.Image{a, w} {
		if err := png.Encode(&files[i], img); err != nil {
			t.Fatal(err)
		}
	}
	return files[0].Bytes(), files[1].Bytes()
}

// TestEditsAreWhatGenerateDraws: through the forms, the artifact store and a worker of
// the same process or of another, the file is that of generate with the same images.
func TestEditsAreWhatGenerateDraws(t *testing.T) {
	model, dir := tiny(t, "tiny-sd"), t.TempDir()
	generate := func(args ...string) []byte {
		t.Helper()
		var text bytes.Buffer
		out := filepath.Join(dir, "out.png")
		e := &environment{stdout: &text, stderr: &text, getenv: os.Getenv}
		args = append([]string{"generate", "--library", library(t), "--model", model, "--output", out}, args...)
		if code := run(t.Context(), e, args); code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, &text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	photo := generate("--prompt", "a", "--steps", "1", "--width", "96", "--height", "72")
	alpha, white := halves(t, 96, 72)
	from, mask := filepath.Join(dir, "photo.png"), filepath.Join(dir, "mask.png")
	for path, data := range map[string][]byte{from: photo, mask: white} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed := []string{"--init-image", from, "--seed", "5", "--steps", "4"}
	whole := generate(append(seed, "--prompt", "red hair", "--strength", "0.5", "--width", "64", "--height", "80")...)
	part := generate(append(seed, "--prompt", "red hair", "--mask", mask, "--width", "96", "--height", "72")...)
	varied := generate(append(seed, "--prompt", "")...)

	for _, args := range [][]string{nil, {"--worker-processes", "1"}} {
		s := serving(t, t.TempDir(), append([]string{"--model", model}, args...)...)
		common := map[string]string{"prompt": "red hair", "seed": "5", "num_inference_steps": "4"}
		with := func(more map[string]string) map[string]string {
			all := map[string]string{}
			for _, m := range []map[string]string{common, more} {
				for name, text := range m {
					all[name] = text
				}
			}
			return all
		}
		check := func(what string, code int, a answered, want []byte) {
			t.Helper()
			if code != 200 || len(a.Data) == 0 || !bytes.Equal(a.Data[0].B64JSON, want) {
				t.Errorf("%v, %s: %d %+v, or another image than generate's", args, what, code, a.Error)
			}
		}
		code, a := s.form(t, "/v1/images/edits", with(map[string]string{"strength": "0.5", "size": "64x80"}), map[string][]byte{"image": photo})
		check("whole", code, a, whole)
		code, a = s.form(t, "/v1/images/edits", with(map[string]string{"n": "2"}), map[string][]byte{"image": photo, "mask": alpha})
		check("in parts", code, a, part)
		delete(common, "prompt")
		code, a = s.form(t, "/v1/images/variations", common, map[string][]byte{"image": photo})
		check("variations", code, a, varied)
		code, a = s.form(t, "/v1/images/variations", with(map[string]string{"strength": "0.2"}), map[string][]byte{"image": photo})
		if code != 400 || a.Error.Param != "strength" || !strings.Contains(a.Error.Message, "leaves none of 4 steps") {
			t.Errorf("no step is left: %d %+v", code, a.Error)
		}
		s.stop(t)
	}
}

func TestEstimatesCountTheStepsThatAreTaken(t *testing.T) {
	spec := func(steps int, strength float64) *job.Spec {
		return &job.Spec{Model: "m", Drawing: job.Drawing{Steps: steps, Strength: strength, GuidanceScale: 5, Width: 64, Height: 64}}
	}
	stats := scheduler.Stats{Workers: []scheduler.Worker{{Costs: map[string]float64{"m": 0.01}}}}
	for _, c := range []struct {
		steps    int
		strength float64
		taken    int
	}{{30, 0, 30}, {30, 1, 30}, {30, 0.5, 15}, {30, 0.01, 1}} {
		if got, want := estimate(stats, spec(c.steps, c.strength)), estimate(stats, spec(c.taken, 0)); got != want || want <= 0 {
			t.Errorf("%d steps of strength %v: %v seconds, want %v", c.steps, c.strength, got, want)
		}
	}
}
