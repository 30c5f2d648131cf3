package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// jobFile writes a file of requests.
func jobFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pngs returns the images of a folder by name.
func pngs(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(data)
	}
	return all
}

// TestJobsThatAreKilledGoOnWhereTheyWere kills the program twice, the second time
// with a torn line in the manifest, and compares with a run that nothing disturbed.
func TestJobsThatAreKilledGoOnWhereTheyWere(t *testing.T) {
	model, lib := tiny(t, "tiny-sd"), library(t)
	var lines []string
	for i := range 6 {
		lines = append(lines, fmt.Sprintf(`{"prompt": "a headshot", "n": 2, "size": "128x128", "steps": %d}`, 10+i))
	}
	path := jobFile(t, lines...)
	start := func(dir string) *process {
		return startProcess(t, "cosmicman", "generate", "--library", lib, "--model", model, "--jobs", path, "--output", dir)
	}
	whole, torn := t.TempDir(), t.TempDir()
	if code := start(whole).end(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want := pngs(t, whole)
	if len(want) != 12 {
		t.Fatalf("%d images, expected 12", len(want))
	}
	for _, least := range []int{2, 5} {
		p := start(torn)
		await(t, "some images are there", func() bool { return len(pngs(t, torn)) >= least })
		p.kill(t)
	}
	list := filepath.Join(torn, manifestName)
	data, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, append(data, `{"line": 3, "ima`...), 0o600); err != nil {
		t.Fatal(err)
	}
	last := start(torn)
	if code := last.end(t); code != 0 || strings.Contains(last.out.String(), " 0 were there") {
		t.Errorf("exit code %d, %s", code, last.out)
	}
	got := pngs(t, torn)
	for name, image := range want {
		if got[name] != image {
			t.Errorf("%s differs", name)
		}
	}
	listed := map[string]drawnImage{}
	data, err = os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var i drawnImage
		if err := json.Unmarshal(line, &i); err != nil {
			t.Fatal(err)
		}
		listed[i.File] = i
	}
	if len(got) != 12 || len(listed) != 12 {
		t.Errorf("%d images, %d listed, expected 12", len(got), len(listed))
	}
	again := start(torn)
	if code := again.end(t); code != 0 || !strings.Contains(again.out.String(), "0 of 12 images drawn, 12 were there") {
		t.Errorf("exit code %d, %s", code, again.out)
	}
}

func TestWrongLinesAreAllNamedBeforeAnyWork(t *testing.T) {
	model := tiny(t, "tiny-sd")
	dir := filepath.Join(t.TempDir(), "out")
	path := jobFile(t,
		`{"prompt": "fine", "size": "64x64"}`,
		`{"prompt": "a", "colour": "red"}`,
		`{"prompt": "a", "prompt": "b"}`,
		`{"size": "64x64"}`,
		`{"prompt": "a", "Steps": 3}`,
		`{"prompt": "a", "steps": 0}`,
		`{"prompt": "a", "size": "65x64"}`,
		`{"prompt": "a", "size": "64x64x"}`,
		`{"prompt": "a", "size": "64x64", "width": 64}`,
		`{"prompt": "a", "sampler": "ddpm"}`,
		`{"prompt": "a", "seed": -1}`,
		`{"prompt": "a", "n": 0}`,
		`{"prompt": "a", "name": "../x"}`,
		`{"prompt": "a", "model": "other"}`,
		`{"prompt": null}`,
		``,
		`[]`,
		`{"prompt": "a"} {}`,
		`{"prompt": "a", "name": "x"}`,
		`{"prompt": "b", "name": "x"}`,
		`{"prompt": "a", "output_format": "gif"}`,
		`{"prompt": "a", "output_compression": 10}`,
		`{"prompt": "a", "output_format": "jpeg", "output_compression": 101}`,
	)
	var stdout, stderr bytes.Buffer
	e := &environment{stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	code := run(t.Context(), e, []string{"generate", "--model", model, "--jobs", path, "--output", dir})
	if code != 2 || stdout.Len() > 0 {
		t.Errorf("exit code %d, %s", code, &stdout)
	}
	for i, want := range map[int]string{2: "colour", 3: "prompt: is given twice", 4: "prompt: is missing", 5: "Steps", 6: "steps: is 0", 7: "width: is 65", 8: "size:",
		9: "size:", 10: "sampler", 11: "seed: is -1, expected a whole number", 12: "n: is 0", 13: "name:", 14: "model:", 15: "prompt: is null",
		17: "one JSON object", 18: "one JSON object", 20: "name: line 19",
		21: "output_format is \"gif\"", 22: "output_compression is 10, but a PNG", 23: "output_compression is 101"} {
		mark := fmt.Sprintf("%s:%d: ", path, i)
		_, text, found := strings.Cut(stderr.String(), mark)
		if text, _, _ = strings.Cut(text, path); !found || !strings.Contains(text, want) {
			t.Errorf("line %d: %q, expected %q", i, text, want)
		}
	}
	for _, fine := range []int{1, 16, 19} {
		if strings.Contains(stderr.String(), fmt.Sprintf("%s:%d: ", path, fine)) {
			t.Errorf("line %d is called wrong", fine)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestWrongFilesInLines(t *testing.T) {
	path := jobFile(t,
		`{"prompt": "a", "strength": 0.5}`,
		`{"prompt": "a", "mask": "mask.png"}`,
		`{"prompt": "a", "init_image": "gone.png"}`,
		`{"prompt": "a", "init_image": ""}`,
		`{"prompt": "a", "init_image": "requests.jsonl", "mask": "gone.png"}`,
		`{"prompt": "a", "init_image": 7}`,
	)
	var stdout, stderr bytes.Buffer
	e := &environment{stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	code := run(t.Context(), e, []string{"generate", "--model", tiny(t, "tiny-sd"), "--jobs", path, "--output", filepath.Join(t.TempDir(), "out")})
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	for i, want := range []string{"go with init_image", "go with init_image", "gone.png cannot be read: no such file", "names of files",
		filepath.Base(path) + " is not a PNG", "init_image: is 7, expected a string"} {
		_, text, _ := strings.Cut(stderr.String(), fmt.Sprintf("%s:%d: ", path, i+1))
		if text, _, _ = strings.Cut(text, ";"); !strings.Contains(text, want) {
			t.Errorf("line %d: %q, expected %q", i+1, text, want)
		}
	}
}

// TestJobsBeginFromFiles: what is drawn is what generate draws of the same files, and
// it is drawn again when a file has changed.
func TestJobsBeginFromFiles(t *testing.T) {
	model, dir, out := tiny(t, "tiny-sd"), t.TempDir(), filepath.Join(t.TempDir(), "out")
	generate := func(args ...string) string {
		t.Helper()
		var text bytes.Buffer
		e := &environment{stdout: &text, stderr: &text, getenv: os.Getenv}
		if code := run(t.Context(), e, append([]string{"generate", "--library", library(t), "--model", model}, args...)); code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, &text)
		}
		return text.String()
	}
	photo, mask := filepath.Join(dir, "photo.png"), filepath.Join(dir, "mask.webp")
	generate("--prompt", "a", "--steps", "1", "--width", "72", "--height", "48", "--output", photo)
	generate("--prompt", "b", "--steps", "1", "--width", "72", "--height", "48", "--output", mask)
	lines := filepath.Join(dir, "jobs.jsonl")
	err := os.WriteFile(lines, []byte(`{"prompt": "red", "init_image": "photo.png", "steps": 5, "seed": 3, "n": 2, "name": "whole"}
{"prompt": "red", "init_image": "photo.png", "mask": "mask.webp", "strength": 0.75, "steps": 4, "seed": 3, "size": "48x64", "name": "part"}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if said := generate("--jobs", lines, "--output", out); !strings.Contains(said, "3 of 3 images drawn") {
		t.Error(said)
	}
	got := pngs(t, out)
	for name, args := range map[string][]string{
		"whole-0.png": {"--seed", "3", "--steps", "5"}, "whole-1.png": {"--seed", "4", "--steps", "5"},
		"part-0.png": {"--seed", "3", "--steps", "4", "--mask", mask, "--strength", "0.75", "--width", "48", "--height", "64"},
	} {
		one := filepath.Join(dir, name)
		generate(append(args, "--prompt", "red", "--init-image", photo, "--output", one)...)
		if want, err := os.ReadFile(one); err != nil || got[name] != string(want) {
			t.Errorf("%s is not what generate draws: %v", name, err)
		}
	}
	if said := generate("--jobs", lines, "--output", out); !strings.Contains(said, "0 of 3 images drawn, 3 were there") {
		t.Error(said)
	}
	generate("--prompt", "c", "--steps", "1", "--width", "72", "--height", "48", "--output", mask)
	if said := generate("--jobs", lines, "--output", out); !strings.Contains(said, "1 of 3 images drawn, 2 were there") {
		t.Error(said)
	}
}

func TestLinesOfLongPrompts(t *testing.T) {
	for text, want := range map[string]string{
		`{"prompt": "a"}`: "chunk, ",
		`{"prompt": "a", "long_prompt": "truncate"}`:                           ", ",
		`{"prompt": "a", "long_prompt": "chunk", "prompt_syntax": "weighted"}`: "chunk, weighted",
		`{"prompt": "a", "prompt_syntax": "plain"}`:                            "chunk, ",
		`{"prompt": "a", "long_prompt": "wrap"}`:                               `long_prompt: is "wrap", expected chunk or truncate`,
		`{"prompt": "a", "prompt_syntax": ""}`:                                 `prompt_syntax: is "", expected plain or weighted`,
	} {
		l, err := parseJob([]byte(text), 1)
		got := fmt.Sprint(err)
		if err == nil {
			got = l.draw.LongPrompt + ", " + l.draw.PromptSyntax
		}
		if got != want {
			t.Errorf("%s: %s, expected %s", text, got, want)
		}
	}
}

func TestInterruptedJobsKeepWhatIsDone(t *testing.T) {
	model, dir := tiny(t, "tiny-sd"), t.TempDir()
	path := jobFile(t, `{"prompt": "first", "size": "64x64", "steps": 2}`, `{"prompt": "second", "size": "320x320", "steps": 200}`)
	p := startProcess(t, "cosmicman", "generate", "--library", library(t), "--model", model, "--jobs", path, "--output", dir)
	await(t, "the first image is there", func() bool { return strings.Contains(p.out.String(), "00001-0.png") })
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != 130 {
		t.Errorf("exit code %d, expected 130", code)
	}
	if got := pngs(t, dir); len(got) != 1 || got["00001-0.png"] == "" {
		t.Errorf("%d images are there, expected the first", len(got))
	}
}
