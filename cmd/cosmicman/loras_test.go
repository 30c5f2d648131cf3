package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cosmicman/diffusion"
	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/scheduler/worker"
	"cosmicman/tensor"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// writeLoRA writes a LoRA file for a model: random factors of a rank for the modules of
// a set, in sd-scripts' format.
func writeLoRA(t *testing.T, folder, path string, seed uint64, targets lora.Targets, rank int64) {
	t.Helper()
	p, err := weights.Open(folder, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []lora.Component
	part := func(name string, g *onnx.Graph, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		c := lora.Component{Name: name}
		for _, p := range g.Params {
			shape := make(tensor.Shape, len(p.Shape))
			for i, d := range p.Shape {
				shape[i], _ = d.Const()
			}
			c.Params = append(c.Params, weights.Param{Name: p.Name, Shape: shape})
		}
		parts = append(parts, c)
	}
	unet, err := model.ParseUNet(p.UNet.Config.JSON)
	if err != nil {
		t.Fatal(err)
	}
	g, err := model.UNet(unet)
	part(lora.UNet, g, err)
	for i, c := range []*weights.Component{p.TextEncoder, p.TextEncoder2} {
		if c == nil {
			continue
		}
		text, err := model.ParseText(c.Config.JSON, i == 1)
		if err != nil {
			t.Fatal(err)
		}
		g, err := model.Text(text)
		part([]string{lora.TextEncoder, lora.TextEncoder2}[i], g, err)
	}
	names, err := lora.NewNames(parts...)
	if err != nil {
		t.Fatal(err)
	}
	a := &lora.Adapter{}
	noise := diffusion.NewNoise(seed)
	for _, m := range names.Modules() {
		if !targets.Has(m) {
			continue
		}
		l := lora.Layer{Module: m, Rank: rank, A: make([]float32, rank*m.In()), B: make([]float32, rank*m.Out()), Scale: 0.1}
		noise.Normal(l.A)
		noise.Normal(l.B)
		a.Layers = append(a.Layers, l)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := lora.WriteKohya(t.Context(), path, names, a, lora.Options{DType: tensor.Float32}); err != nil {
		t.Fatal(err)
	}
}

// settled makes a file one that was written some time ago.
func settled(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

// TestLoRAFolder: which files of a folder have names, and which is meant by a wrong one.
func TestLoRAFolder(t *testing.T) {
	dir := t.TempDir()
	old, now, ahead := time.Now().Add(-time.Hour), time.Now(), time.Now().Add(time.Hour) // clocks of other machines
	for path, at := range map[string]time.Time{
		"a.safetensors": old, "org/b.safetensors": old, "1/2/3/c.safetensors": old, "ahead.safetensors": ahead, "a/b.c d:e.safetensors": old,
		"new.safetensors": now, ".hidden.safetensors": old, ".git/d.safetensors": old, "1/2/3/4/e.safetensors": old, "f.ckpt": old, ".safetensors": old,
		"control\n.safetensors": old, "dir.safetensors/g": old, strings.Repeat("l", 201) + ".safetensors": old, "\xff.safetensors": old,
	} {
		path = filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(path), 0o600)
		}
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "link.safetensors")), os.Symlink(dir, filepath.Join(dir, "loop")),
		os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "broken.safetensors"))); err != nil {
		t.Fatal(err)
	}
	l, err := openLoRAs(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := l.all()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		if !strings.HasPrefix(f.name, "loop/") {
			names = append(names, f.name)
		}
	}
	if want := []string{"1/2/3/c", "a", "a/b.c d:e", "ahead", "link", "org/b"}; !slices.Equal(names, want) {
		t.Errorf("the names are %q, expected %q", names, want)
	}
	for wrong, hint := range map[string]string{"B": "did you mean", "orgb": "did you mean org/b?", "aheat": "did you mean ahead?", "something else": "see GET /v1/loras"} {
		if _, err := l.named(2, wrong); job.KindOf(err) != job.Invalid || !strings.HasPrefix(err.Error(), "lora[2].name: there is no LoRA ") || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := (&loras{}).named(0, "a"); err == nil || !strings.Contains(err.Error(), "no --lora-dir") {
		t.Errorf("without a folder: %v", err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "a.safetensors")} {
		if _, err := openLoRAs(path); err == nil {
			t.Errorf("%s is no folder", path)
		}
	}
}

// TestMixesOfLoRAs is TestTwoHundredMixes with LoRAs of several kinds, and without.
func TestMixesOfLoRAs(t *testing.T) {
	const mixes = 6 // of each
	for seed, c := range []struct {
		name, arch string
		settings   inference.Settings
	}{
		{"SD", "tiny-sd", inference.Settings{Threads: 1}},
		{"SDXL, lean", "tiny-sdxl", inference.Settings{Threads: 2, Lean: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 9))
			folder, dir := tiny(t, c.arch), t.TempDir()
			var known []job.LoRA
			for i, set := range []lora.Targets{lora.Attention, lora.Attention, lora.Transformer, lora.All} {
				name := fmt.Sprintf("%s-%d", set, i)
				path := filepath.Join(dir, name+loraExt)
				writeLoRA(t, folder, path, uint64(i), set, int64(1+4*i))
				settled(t, path)
				digest, err := inference.FileDigest(path)
				if err != nil {
					t.Fatal(err)
				}
				known = append(known, job.LoRA{Name: name, Digest: digest})
			}
			open := func() *engine {
				e := openEngine(t, c.settings, modelRef{Name: "tiny", Ref: folder})
				var err error
				if e.loras, err = openLoRAs(dir); err != nil {
					t.Fatal(err)
				}
				return e
			}
			packs, single := openModel(t, open(), "tiny"), openModel(t, open(), "tiny")
			pool := make([]job.Drawing, 16)
			with := 0
			for i := range pool {
				pool[i] = randomDrawing(r)
				for range r.IntN(3) {
					l := known[r.IntN(len(known))]
					l.Weight = []float64{1, 0.5, -0.8}[r.IntN(3)]
					pool[i].LoRAs = append(pool[i].LoRAs, l)
					with++
				}
				pool[i].Width, pool[i].Height = 32, 32 // or few would share calls
			}
			compared, cancelled, most := compareMixes(t, r, packs, single, pool, mixes)
			t.Logf("%d images with %d LoRAs, %d compared, %d cancelled on their way, up to %d rows a call", len(pool), with, compared, cancelled, most)
			if compared < 2*mixes || with < 8 || most < 4 {
				t.Error("the mixes hold too little")
			}
		})
	}
}

// drawnOver is the file of an image that a server has drawn.
func (s *servedSite) drawnOver(t *testing.T, body string) []byte {
	t.Helper()
	code, a := s.said(t, "/v1/images/generations", body)
	if code != 200 {
		t.Fatalf("%s: %d %v", body, code, a)
	}
	data, err := base64.StdEncoding.DecodeString(a["data"].([]any)[0].(map[string]any)["b64_json"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLoRAsOverHTTP: a folder's files are listed as they come, and draw what generate
// draws with them.
func TestLoRAsOverHTTP(t *testing.T) {
	folder, xl, dir := tiny(t, "tiny-sd"), tiny(t, "tiny-sdxl"), t.TempDir()
	portrait := filepath.Join(dir, "some", "portrait"+loraExt)
	writeLoRA(t, folder, portrait, 1, lora.Attention, 4)
	other := filepath.Join(dir, "large"+loraExt)
	writeLoRA(t, xl, other, 2, lora.Attention, 2)
	for _, path := range []string{portrait, other} {
		settled(t, path)
	}
	s := serving(t, t.TempDir(), "--model", folder, "--lora-dir", dir)

	listed := func() (out []map[string]any) {
		code, text := s.get(t, "/v1/loras")
		var a struct{ Data []map[string]any }
		if err := json.Unmarshal([]byte(text), &a); err != nil || code != 200 {
			t.Fatalf("%d %s %v", code, text, err)
		}
		return a.Data
	}
	all := listed()
	if len(all) != 2 || all[0]["id"] != "large" || all[1]["id"] != "some/portrait" || all[1]["rank"] != 4.0 || all[1]["problem"] != nil ||
		fmt.Sprint(all[1]["models"], all[1]["parts"]) != "[tiny] [unet text_encoder]" || fmt.Sprint(all[0]["models"]) != "[]" {
		t.Fatalf("%v", all)
	}
	if p, _ := all[0]["problem"].(string); !strings.Contains(p, "the model has no module") || strings.Contains(p, dir) {
		t.Errorf("SDXL's LoRA: %v", all[0]["problem"])
	}

	const rest = `"prompt": "a headshot", "size": "64x64", "steps": 2, "seed": 3, "response_format": "b64_json"}`
	plain := s.drawnOver(t, `{`+rest)
	drawn := s.drawnOver(t, `{"lora": [{"name": "some/portrait", "weight": 0.7}], `+rest)
	var out bytes.Buffer
	e := &environment{stdout: io.Discard, stderr: &out, getenv: os.Getenv}
	file := filepath.Join(t.TempDir(), "out.png")
	if code := run(t.Context(), e, []string{"generate", "--library", library(t), "--model", folder, "--prompt", "a headshot", "--width", "64", "--height", "64", "--steps", "2",
		"--seed", "3", "--lora", portrait + ":0.7", "--output", file}); code != 0 {
		t.Fatalf("generate: %d %s", code, &out)
	}
	own, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(own, drawn) || bytes.Equal(plain, drawn) {
		t.Errorf("the server's image is not generate's, or that without the LoRA: %v", err)
	}
	if digest, err := inference.FileDigest(portrait); err != nil || !bytes.Contains(own, []byte(`Lora hashes: "portrait: `+digest[:12]+`", Lora weights: "portrait: 0.7"`)) {
		t.Errorf("the file does not say which LoRA it was drawn with: %v", err)
	}
	code, a := s.form(t, "/v1/images/edits", map[string]string{"prompt": "p", "steps": "2", "strength": "1", "seed": "3", "size": "64x64", "lora": `[{"name": "some/portrait"}]`}, map[string][]byte{"image": plain})
	if code != 200 {
		t.Errorf("a form: %d %v", code, a)
	}

	for body, want := range map[string][2]string{
		`[{"name": "portrat"}]`:                                     {"lora[0].name", "did you mean some/portrait?"},
		`[{"name": "some/portrait"}, {"name": "large"}]`:            {"lora[1].name", "cannot be used with this model"},
		`[{"name": "some/portrait", "weight": 11}]`:                 {"lora[0].weight", "-10 to 10"},
		`[{"name": "some/portrait", "weight": "1"}]`:                {"lora[0].weight", "must be a number"},
		`[{"weight": 1}]`:                                           {"lora[0].name", "is required"},
		`[{"name": "a", "strength": 1}]`:                            {"lora[0].strength", "unknown field"},
		`{"name": "a"}`:                                             {"lora", "must be a list"},
		`[` + strings.Repeat(`{"name": "a"},`, 8) + `{"name":"a"}]`: {"lora", "at most 8"},
	} {
		code, a := s.said(t, "/v1/images/generations", `{"lora": `+body+`, `+rest)
		if e, _ := a["error"].(map[string]any); code != 400 || e["param"] != want[0] || !strings.Contains(fmt.Sprint(e["message"]), want[1]) || strings.Contains(fmt.Sprint(e["message"]), dir) {
			t.Errorf("%s: %d %v", body, code, a)
		}
	}

	// A file comes, half at first, and is another one later.
	data, err := os.ReadFile(portrait)
	if err != nil {
		t.Fatal(err)
	}
	late := filepath.Join(dir, "late"+loraExt)
	if err := os.WriteFile(late, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * loraAge)
	for _, l := range listed() {
		if l["id"] == "late" && fmt.Sprint(l["models"]) != "[]" {
			t.Errorf("half of a file is offered: %v", l)
		}
	}
	writeLoRA(t, folder, late, 7, lora.All, 3)
	settled(t, late)
	await(t, "the file is listed", func() bool {
		for _, l := range listed() {
			if l["id"] == "late" && fmt.Sprint(l["models"]) == "[tiny]" {
				return true
			}
		}
		return false
	})
	first := s.drawnOver(t, `{"lora": [{"name": "late"}], `+rest)
	writeLoRA(t, folder, late, 8, lora.All, 3)
	later := time.Now().Add(-30 * time.Second)
	if err := os.Chtimes(late, later, later); err != nil {
		t.Fatal(err)
	}
	await(t, "the other file is drawn with", func() bool {
		return !bytes.Equal(first, s.drawnOver(t, `{"lora": [{"name": "late"}], `+rest))
	})
	s.stop(t)
}

// TestGenerateWithLoRAs: flags and lines of a file of requests draw the same, and what is
// wrong with them is said.
func TestGenerateWithLoRAs(t *testing.T) {
	folder, xl, dir := tiny(t, "tiny-sd"), tiny(t, "tiny-sdxl"), t.TempDir()
	a, b, c := filepath.Join(dir, "a"+loraExt), filepath.Join(dir, "b:2"+loraExt), filepath.Join(dir, "xl"+loraExt)
	writeLoRA(t, folder, a, 1, lora.Attention, 4)
	writeLoRA(t, folder, b, 2, lora.Transformer, 12)
	writeLoRA(t, xl, c, 3, lora.Attention, 2)
	generate := func(args ...string) (string, int) {
		var out bytes.Buffer
		e := &environment{stdout: &out, stderr: &out, getenv: os.Getenv}
		code := run(t.Context(), e, append([]string{"generate", "--library", library(t), "--model", folder}, args...))
		return out.String(), code
	}
	common := []string{"--prompt", "a headshot", "--width", "32", "--height", "32", "--steps", "1", "--seed", "5"}
	flags := filepath.Join(dir, "flags.png")
	if out, code := generate(append(common, "--lora", a, "--lora", b+":-0.5", "--output", flags)...); code != 0 {
		t.Fatal(out)
	}
	lines := `{"prompt": "a headshot", "width": 32, "height": 32, "steps": 1, "seed": 5, "lora": [{"name": "a.safetensors"}, {"name": "b:2.safetensors", "weight": -0.5}]}` + "\n" +
		`{"prompt": "a headshot", "width": 32, "height": 32, "steps": 1, "seed": 5}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "jobs"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := generate("--jobs", filepath.Join(dir, "jobs"), "--output", filepath.Join(dir, "out")); code != 0 {
		t.Fatal(out)
	}
	var files [3][]byte
	for i, path := range []string{flags, filepath.Join(dir, "out", "00001-0.png"), filepath.Join(dir, "out", "00002-0.png")} {
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) || bytes.Equal(files[1], files[2]) {
		t.Error("the line's image is not that of the flags, or it is that without LoRAs")
	}
	for want, args := range map[string][]string{
		"the model has no module":        {"--lora", c},
		"no such file":                   {"--lora", filepath.Join(dir, "none.safetensors")},
		"the weight is 11":               {"--lora", a + ":11"},
		"expected FILE[:WEIGHT]":         {"--lora", ":2"},
		"lora: has 9 entries, at most 8": strings.Split(strings.Repeat("--lora\n"+a+"\n", 9), "\n")[:18],
	} {
		if out, code := generate(append(common, args...)...); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	for want, line := range map[string]string{
		"lora: is [{}], expected a list of at most 8": `[{}]`,
		"lora: stat":              `[{"name": "none.safetensors"}]`,
		"the model has no module": `[{"name": "xl.safetensors"}]`,
		"the weight from -10":     `[{"name": "a.safetensors", "weight": 1e9}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "jobs"), []byte(`{"prompt": "p", "lora": `+line+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := generate("--jobs", filepath.Join(dir, "jobs"), "--output", filepath.Join(dir, "out")); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", line, code, out)
		}
	}
}

// TestAWorkerWithOtherLoRAs: what was meant is drawn, or an error that is worth another
// attempt elsewhere.
func TestAWorkerWithOtherLoRAs(t *testing.T) {
	folder, dir := tiny(t, "tiny-sd"), t.TempDir()
	path := filepath.Join(dir, "a"+loraExt)
	writeLoRA(t, folder, path, 1, lora.Attention, 4)
	settled(t, path)
	e := openEngine(t, inference.Settings{Threads: 1}, modelRef{Name: "tiny", Ref: folder})
	var err error
	if e.loras, err = openLoRAs(dir); err != nil {
		t.Fatal(err)
	}
	m := openModel(t, e, "tiny")
	digest, err := inference.FileDigest(path)
	if err != nil {
		t.Fatal(err)
	}
	d := job.Drawing{Prompt: "p", Sampler: "ddim", Steps: 1, GuidanceScale: 1, Width: 32, Height: 32}
	for _, c := range []struct {
		lora job.LoRA
		want string
	}{
		{job.LoRA{Name: "a", Digest: digest, Weight: 1}, ""},
		{job.LoRA{Name: "a", Digest: strings.Repeat("0", 64), Weight: 1}, "the worker has another file as the LoRA a"},
		{job.LoRA{Name: "b", Digest: digest, Weight: 1}, "the worker has no LoRA b"},
	} {
		with := d
		with.LoRAs = []job.LoRA{c.lora}
		_, errs := m.Begin(t.Context(), []worker.Start{startOf(with, 0)})
		var own *job.Error
		if c.want == "" && errs[0] != nil || c.want != "" && (!errors.As(errs[0], &own) || own.Kind != job.Engine || !strings.Contains(own.Message, c.want)) {
			t.Errorf("%v: %v", c.lora, errs[0])
		}
	}
	if d.Needs() != 1 || (&job.Drawing{LoRAs: []job.LoRA{{}}}).Needs() != 3 {
		t.Error("which workers understand LoRAs")
	}
}
