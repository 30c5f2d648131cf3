package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/weights"
	"cosmicman/weights/hub/hubtest"
)

func TestPull(t *testing.T) {
	s := hubtest.New(t)
	commit := s.AddFiles(name, files())
	for title, change := range map[string]func(){
		"a list with hashes": func() { s.Bare = false },
		"a list without":     func() { s.Bare = true },
	} {
		t.Run(title, func(t *testing.T) {
			s.Do(change)
			c := quick(s, t.TempDir())
			var last Progress
			c.Watch = func(p Progress) { last = p }
			p, err := pull(t, c)
			isWhole(t, p, err)
			if p.Commit != commit || p.Files != needed || p.Bytes != p.Fetched || last.Done != p.Bytes || last.Files != needed {
				t.Errorf("pulled %+v, progress %+v", p, last)
			}
			if tag := list(t, filepath.Join(c.Cache, "models--org--model")); !slices.Equal(tag, []string{"blobs", "refs", "snapshots"}) {
				t.Errorf("the model's folder holds %q", tag)
			}

			// Again: the list, and no file.
			s.Forget()
			p, err = pull(t, c)
			isWhole(t, p, err)
			if p.Fetched != 0 {
				t.Errorf("fetched %d bytes again", p.Fetched)
			}
			for _, r := range s.Seen() {
				if r.Method == "GET" && strings.Contains(r.Path, "/resolve/") {
					t.Errorf("asked again for %s", r.Path)
				}
			}
		})
	}
}

func TestPullOfPartsAndRevisions(t *testing.T) {
	s := hubtest.New(t)
	commit := s.AddFiles(name, files())
	for _, c := range []struct {
		name   string
		change func(*Request)
		files  string // some, and after "!" some that must not be there
	}{
		{"fp16", func(q *Request) { q.Variant = "fp16" }, "vae/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.safetensors !vae/diffusion_pytorch_model.safetensors"},
		{"without its UNet", func(q *Request) { q.Want = weights.WithoutUNet }, "vae/config.json !unet/config.json !unet/diffusion_pytorch_model.safetensors"},
		{"its UNet", func(q *Request) { q.Want = weights.UNetAlone }, "unet/config.json unet/diffusion_pytorch_model.safetensors !model_index.json"},
		{"a commit", func(q *Request) { q.Ref.Revision = commit }, "model_index.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := pull(t, quick(s, t.TempDir()), c.change)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range strings.Fields(c.files) {
				f, not := strings.CutPrefix(f, "!")
				if _, err := os.Stat(filepath.Join(p.Dir, f)); (err == nil) == not {
					t.Errorf("%s: %v", f, err)
				}
			}
		})
	}
}

func TestANewCommitKeepsWhatHasNotChanged(t *testing.T) {
	s := hubtest.New(t)
	first := s.AddFiles(name, files())
	c := quick(s, t.TempDir())
	p, err := pull(t, c)
	isWhole(t, p, err)
	changed := files()
	changed["unet/config.json"] = []byte(`{"changed": true}`)
	second := s.AddFiles(name, changed)
	p, err = pull(t, c)
	if err != nil || p.Commit != second || second == first || p.Fetched != int64(len(changed["unet/config.json"])) {
		t.Errorf("pulled %+v, %v", p, err)
	}
	cache, err := OpenCache(c.Cache)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	have, err := cache.List()
	if err != nil || len(have) != 2 {
		t.Fatalf("%+v, %v", have, err)
	}
	for _, m := range have {
		if (m.Commit == second) != slices.Equal(m.Refs, []string{"main"}) {
			t.Errorf("%s has the refs %q", m.Commit, m.Refs)
		}
	}

	// The old one goes; the blobs that both have stay.
	gone, err := cache.Remove(weights.HubRef{Name: name}, first)
	if err != nil || gone.Bytes != int64(len(`[]`)) && gone.Bytes != 0 {
		t.Errorf("removed %+v, %v", gone, err)
	}
	if _, err := os.ReadFile(filepath.Join(p.Dir, unetFile)); err != nil {
		t.Error(err)
	}
	if _, err := cache.Remove(weights.HubRef{Name: name}, first); err == nil {
		t.Error("removed twice")
	}
	// The last one takes the folder with it.
	if _, err := cache.Remove(weights.HubRef{Name: name}, "main"); err != nil {
		t.Error(err)
	}
	if left := list(t, c.Cache); !slices.Equal(left, []string{".locks"}) || len(list(t, filepath.Join(c.Cache, ".locks"))) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestTheTokenStaysWithTheEndpoint(t *testing.T) {
	s := hubtest.New(t)
	s.AddFiles(name, files())
	s.Do(func() { s.Gated = true })
	_, err := pull(t, quick(s, t.TempDir()))
	wantWords(t, err, "org/model is gated", "accept its licence at "+s.URL+"/org/model", "HF_TOKEN")
	c := quick(s, t.TempDir())
	c.Token = hubtest.Token
	s.Forget()
	p, err := pull(t, c)
	isWhole(t, p, err)
	hub, other := 0, 0
	for _, r := range s.Seen() {
		switch {
		case r.CDN && r.Auth != "":
			t.Errorf("the token went to another host with %s", r.Path)
		case r.CDN:
			other++
		case r.Auth != "Bearer "+hubtest.Token:
			t.Errorf("no token with %s", r.Path)
		default:
			hub++
		}
		if r.Encodings != "identity" {
			t.Errorf("asked for the encodings %q", r.Encodings)
		}
	}
	if hub == 0 || other == 0 {
		t.Errorf("%d requests to the hub and %d to the other host", hub, other)
	}
}

func TestRefusals(t *testing.T) {
	s := hubtest.New(t)
	s.AddFiles(name, files())
	c := quick(s, t.TempDir())
	_, err := pull(t, c, func(q *Request) { q.Ref.Name = "org/other" })
	wantWords(t, err, "org/other: there is no such model")
	_, err = pull(t, c, func(q *Request) { q.Ref.Revision = "v2" })
	wantWords(t, err, "org/model has no revision v2")
	_, err = pull(t, c, func(q *Request) { q.Variant = "int8" })
	wantWords(t, err, "org/model: no part has the variant int8")
	s.AddFiles("org/words", map[string][]byte{"config.json": []byte("{}"), "model.gguf": []byte("x")})
	_, err = pull(t, c, func(q *Request) { q.Ref.Name = "org/words" })
	wantWords(t, err, "org/words", "holds no weights")

	gone := quick(s, t.TempDir())
	gone.Endpoint, gone.Attempts = "http://127.0.0.1:1", 2
	_, err = pull(t, gone)
	wantWords(t, err, "127.0.0.1:1 cannot be reached", "tried 2 times")

	for _, endpoint := range []string{"hub", "ftp://host", "http://", "http://user:pass@host", "http://host?a=b", "http://\x00"} {
		if _, err := New(Config{Endpoint: endpoint, Cache: t.TempDir()}); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	if _, err := New(Config{Token: "two words", Cache: t.TempDir()}); err == nil || strings.Contains(err.Error(), "words") {
		t.Errorf("a token with a space: %v", err)
	}
}

func TestInterruptedAndGoneOnFrom(t *testing.T) {
	s := hubtest.New(t)
	s.AddFiles(name, files())
	c := quick(s, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	at := filepath.Join(c.Cache, "models--org--model", "blobs", hubtest.Hash(files()[unetFile])+partial)
	s.Do(func() {
		s.Other = sends(s, unetFile, 400_000, func() {
			for ctx.Err() == nil {
				if info, err := os.Stat(at); err == nil && info.Size() > 0 {
					cancel()
				}
			}
		})
	})
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Pull(ctx, Request{Ref: weights.HubRef{Name: name, Revision: "main"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	without(t, c.Cache, unetFile)
	info, err := os.Stat(at)
	if err != nil || info.Size() == 0 {
		t.Fatalf("nothing was kept: %v", err)
	}
	s.Do(func() { s.Other = nil })
	s.Forget()
	p, err := pull(t, c)
	isWhole(t, p, err)
	if want := int64(900_000) - info.Size(); p.Fetched < want || p.Fetched >= p.Bytes {
		t.Errorf("fetched %d bytes of %d, expected at least %d", p.Fetched, p.Bytes, want)
	}
	if !slices.ContainsFunc(s.Seen(), func(r hubtest.Request) bool { return r.CDN && r.Range != "" }) {
		t.Error("nothing was gone on from")
	}
}

func TestTwoAtOnce(t *testing.T) {
	s := hubtest.New(t)
	s.AddFiles(name, files())
	c := quick(s, t.TempDir())
	var first [2]*Pulled
	done := make(chan error, len(first))
	for i := range first {
		go func() {
			h, err := New(c)
			if err == nil {
				first[i], err = h.Pull(t.Context(), Request{Ref: weights.HubRef{Name: name, Revision: "main"}})
				err = errors.Join(err, h.Close())
			}
			done <- err
		}()
	}
	for range first {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	isWhole(t, first[0], nil)
	gets := 0
	for _, r := range s.Seen() {
		if r.CDN {
			gets++
		}
	}
	if gets != 3 {
		t.Errorf("%d requests for 3 large files", gets)
	}
}

func TestRemoveWaitsForNobody(t *testing.T) {
	s := hubtest.New(t)
	s.AddFiles(name, files())
	c := quick(s, t.TempDir())
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.Do(func() {
		s.Other = sends(s, unetFile, 100_000, func() {
			close(begun)
			<-goOn
		})
	})
	ended := make(chan error, 1)
	go func() {
		h, err := New(c)
		if err == nil {
			_, err = h.Pull(t.Context(), Request{Ref: weights.HubRef{Name: name, Revision: "main"}})
			err = errors.Join(err, h.Close())
		}
		ended <- err
	}()
	<-begun
	cache, err := OpenCache(c.Cache)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	_, err = cache.Remove(weights.HubRef{Name: name}, "")
	wantWords(t, err, "org/model is being fetched by another process")
	s.Do(func() { s.Other = nil })
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := cache.Remove(weights.HubRef{Name: name}, ""); err != nil {
		t.Error(err)
	}
}

func TestToken(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".cache", "huggingface"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{".cache/huggingface/token": "of-home\n", "other": " of-path ", "long": strings.Repeat("x", 5000)} {
		if err := os.WriteFile(filepath.Join(home, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{}, ""},
		{map[string]string{"HOME": home}, "of-home"},
		{map[string]string{"HF_HOME": filepath.Join(home, ".cache/huggingface")}, "of-home"},
		{map[string]string{"HOME": home, "HF_TOKEN_PATH": "~/other"}, "of-path"},
		{map[string]string{"HOME": home, "HF_TOKEN": "given\n"}, "given"},
		{map[string]string{"HOME": home, "HUGGING_FACE_HUB_TOKEN": "old"}, "old"},
		{map[string]string{"HOME": home, "HF_TOKEN": "given", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, ""},
		{map[string]string{"HF_TOKEN_PATH": filepath.Join(home, "no")}, ""},
	} {
		if got, err := Token(func(k string) string { return c.env[k] }); err != nil || got != c.want {
			t.Errorf("%v: %q, %v; expected %q", c.env, got, err, c.want)
		}
	}
}
