package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cosmicman/weights/hub"
	"cosmicman/weights/hub/hubtest"
)

// runs runs a command in this process, with more in its environment.
func runs(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	e := &environment{stdout: &out, stderr: &errs, getenv: func(name string) string { return env[name] }}
	code = run(t.Context(), e, args)
	return code, out.String(), errs.String()
}

// hubOf is a hub and the environment of who uses it.
func hubOf(t *testing.T) (*hubtest.Server, map[string]string) {
	t.Helper()
	s := hubtest.New(t)
	return s, map[string]string{"HF_ENDPOINT": s.URL, "HF_HUB_CACHE": filepath.Join(t.TempDir(), "hub"), "HF_TOKEN": hubtest.Token}
}

func TestPullAndDraw(t *testing.T) {
	s, env := hubOf(t)
	model := tiny(t, "tiny-sd")
	commit := s.Add(t, "org/tiny", model)
	draw := []string{"generate", "--library", library(t), "--prompt", "a headshot", "--seed", "17", "--width", "64", "--height", "64", "--steps", "2", "--no-metadata"}
	path := filepath.Join(t.TempDir(), "out.png")

	code, _, stderr := runs(t, env, append(draw, "--output", path, "--model", "org/tiny")...)
	if code != 1 || !strings.Contains(stderr, "not in the Hugging Face cache") || !strings.Contains(stderr, "`cosmicman models pull org/tiny` fetches it") {
		t.Errorf("before the pull: exit code %d: %s", code, stderr)
	}
	code, stdout, stderr := runs(t, env, "models", "pull", "org/tiny")
	if code != 0 || !strings.Contains(stdout, "cosmicman serve --model org/tiny\n") || !strings.Contains(stdout, commit) || !strings.Contains(stderr, "unet/config.json") {
		t.Fatalf("models pull: exit code %d: %s%s", code, stdout, stderr)
	}
	s.Do(func() {
		s.Hub = func(w http.ResponseWriter, _ *http.Request, _ string) bool { w.WriteHeader(503); return true }
	})
	var images [2][]byte
	for i, ref := range []string{"org/tiny", model} {
		if code, _, stderr := runs(t, env, append(draw, "--output", path, "--model", ref)...); code != 0 {
			t.Fatalf("generate --model %s: exit code %d: %s", ref, code, stderr)
		}
		var err error
		if images[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the pulled model draws another image")
	}

	code, stdout, _ = runs(t, env, "models", "list", "--json")
	var list modelList
	if err := json.Unmarshal([]byte(stdout), &list); code != 0 || err != nil {
		t.Fatalf("models list: exit code %d, %v: %s", code, err, stdout)
	}
	if len(list.Models) != 1 || list.Models[0].Name != "org/tiny" || list.Models[0].Commit != commit || list.Models[0].Family != "sd" ||
		!list.Models[0].Usable || list.Models[0].Bytes == 0 || len(list.Known) != 2 || list.Known[0].Usable {
		t.Errorf("models list: %+v", list)
	}
	if code, stdout, _ := runs(t, env, "models", "list"); code != 0 || !strings.Contains(stdout, "org/tiny  "+commit[:12]) {
		t.Errorf("models list: exit code %d: %s", code, stdout)
	}
	if code, _, stderr := runs(t, env, "models", "rm", "org/tiny@"+strings.Repeat("0", 40)); code != 1 || !strings.Contains(stderr, "there is "+commit) {
		t.Errorf("models rm of no revision: exit code %d: %s", code, stderr)
	}
	if code, stdout, stderr := runs(t, env, "models", "rm", "org/tiny"); code != 0 || !strings.Contains(stdout, "removed org/tiny  "+commit) {
		t.Errorf("models rm: exit code %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := runs(t, env, "models", "rm", "org/tiny"); code != 1 || !strings.Contains(stderr, "org/tiny is not in the Hugging Face cache") {
		t.Errorf("models rm again: exit code %d: %s", code, stderr)
	}
}

func TestPullKnownModels(t *testing.T) {
	s, env := hubOf(t)
	k, _ := hub.Lookup("cosmicman-sd")
	base := tiny(t, "tiny-sd")
	other := filepath.Join(t.TempDir(), "other")
	if code, _, stderr := runs(t, env, "models", "new", "--arch", "tiny-sd", "--seed", "5", other); code != 0 {
		t.Fatal(stderr)
	}
	s.Add(t, k.Base, base)
	s.Add(t, k.UNet, filepath.Join(other, "unet"))
	draw := func(args ...string) (int, []byte, string) {
		path := filepath.Join(t.TempDir(), "out.png")
		code, _, stderr := runs(t, env, append([]string{"generate", "--library", library(t), "--prompt", "a headshot", "--seed", "17", "--width", "64",
			"--height", "64", "--steps", "2", "--no-metadata", "--output", path}, args...)...)
		data, err := os.ReadFile(path)
		if code == 0 && err != nil {
			t.Fatal(err)
		}
		return code, data, stderr
	}
	if code, _, stderr := draw("--model", "cosmicman-sd"); code != 1 || !strings.Contains(stderr, "`cosmicman models pull cosmicman-sd` fetches it") {
		t.Errorf("before the pull: exit code %d: %s", code, stderr)
	}
	code, stdout, stderr := runs(t, env, "models", "pull", "cosmicman-sd")
	if code != 0 || !strings.Contains(stdout, "cosmicman serve --model cosmicman-sd\n") {
		t.Fatalf("models pull: exit code %d: %s%s", code, stdout, stderr)
	}
	for _, r := range s.Seen() { // the base's own UNet is not needed
		if strings.Contains(r.Path, k.Base+"/resolve") && strings.Contains(r.Path, "/unet/") {
			t.Errorf("fetched %s", r.Path)
		}
	}
	_, want, _ := draw("--model", base, "--unet", other)
	if code, got, stderr := draw("--model", "cosmicman-sd"); code != 0 || !bytes.Equal(got, want) {
		t.Errorf("generate: exit code %d, the same image %v: %s", code, bytes.Equal(got, want), stderr)
	}
	if code, stdout, _ := runs(t, env, "models", "list"); code != 0 || !strings.Contains(stdout, "a UNet alone") ||
		!strings.Contains(stdout, "sd without a UNet") || !strings.Contains(stdout, "can be used") {
		t.Errorf("models list: exit code %d: %s", code, stdout)
	}
	if code, stdout, stderr := runs(t, env, "models", "inspect", "cosmicman-sd"); code != 0 || !strings.Contains(stdout, "unet from") {
		t.Errorf("models inspect: exit code %d: %s%s", code, stdout, stderr)
	}

	// Offline, nothing is asked for.
	s.Forget()
	env["HF_HUB_OFFLINE"] = "1"
	if code, _, stderr := runs(t, env, "models", "pull", "cosmicman-sd"); code != 1 || !strings.Contains(stderr, "can be used as it is") || len(s.Seen()) > 0 {
		t.Errorf("offline: exit code %d: %s", code, stderr)
	}
	delete(env, "HF_HUB_OFFLINE")
	env["HF_ENDPOINT"] = "http://127.0.0.1:1"
	if code, _, stderr := runs(t, env, "models", "pull", "cosmicman-sd"); code != 1 || !strings.Contains(stderr, "can be used all the same") {
		t.Errorf("no network: exit code %d: %s", code, stderr)
	}

	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{2, "not a hub name such as org/name", []string{"pull", "../../etc"}},
		{2, "known names: cosmicman-sdxl, cosmicman-sd", []string{"pull", "cosmicman"}},
		{2, "--unet: a: not a hub name", []string{"pull", "--unet", "a", "org/x"}},
		{2, "--parallel is 0, expected 1 to 16", []string{"pull", "--parallel", "0", "org/x"}},
		{2, "not a hub name", []string{"rm", "../x"}},
		{2, "stands for two models", []string{"rm", "cosmicman-sd"}},
	} {
		code, stdout, stderr := runs(t, env, append([]string{"models"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.words) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d: %q", c.args, code, stderr)
		}
	}
}

// TestPullIsKilled kills the program in the middle of a file; the next one goes on from there.
func TestPullIsKilled(t *testing.T) {
	s, env := hubOf(t)
	model := tiny(t, "tiny-sd")
	s.Add(t, "org/tiny", model)
	data, err := os.ReadFile(filepath.Join(model, "unet", "diffusion_pytorch_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	const file = "unet/diffusion_pytorch_model.safetensors"
	s.Do(func() {
		s.Other = func(w http.ResponseWriter, r *http.Request, name string) bool {
			f, found := s.Find(r.URL.Query().Get("hash"))
			if name != file || !found {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(f.Data)))
			for chunk := range bytes.Lines(f.Data) { // slowly
				if _, err := w.Write(chunk); err != nil {
					return true
				}
				time.Sleep(time.Millisecond)
			}
			return true
		}
	})
	blobs := filepath.Join(env["HF_HUB_CACHE"], "models--org--tiny", "blobs")
	p := startProcess(t, "cosmicman", "models", "pull", "org/tiny")
	await(t, "a file has come in part", func() bool {
		info, err := os.Stat(filepath.Join(blobs, hubtest.Hash(data)+".incomplete"))
		return err == nil && info.Size() > 100_000
	})
	p.kill(t)
	if refs, err := os.ReadDir(filepath.Join(env["HF_HUB_CACHE"], "models--org--tiny", "refs")); err == nil && len(refs) > 0 {
		t.Error("the model has a revision, and is not whole")
	}
	s.Do(func() { s.Other = nil })
	s.Forget()
	p = startProcess(t, "cosmicman", "models", "pull", "org/tiny")
	if code := p.end(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.out)
	}
	went := false
	for _, r := range s.Seen() {
		went = went || r.CDN && strings.HasSuffix(r.Path, file) && r.Range != ""
	}
	if !went {
		t.Error("the file was begun anew")
	}
	if code, stdout, stderr := runs(t, env, "models", "inspect", "org/tiny"); code != 0 {
		t.Errorf("models inspect: exit code %d: %s%s", code, stdout, stderr)
	}
}
