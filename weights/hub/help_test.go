package hub

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cosmicman/weights"
	"cosmicman/weights/hub/hubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "org/model"

// files are those of a pipeline, with some that nobody needs. The weights are noise: what is
// in them is not the hub's business.
func files() map[string][]byte {
	noise := func(seed uint64, n int) []byte {
		b, r := make([]byte, n), rand.New(rand.NewPCG(seed, 0))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	return map[string][]byte{
		"model_index.json": []byte(`{"_class_name":"StableDiffusionPipeline","scheduler":["diffusers","PNDMScheduler"],` +
			`"text_encoder":["transformers","CLIPTextModel"],"tokenizer":["transformers","CLIPTokenizer"],` +
			`"unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"]}`),
		"scheduler/scheduler_config.json":              []byte(`{"_class_name":"PNDMScheduler"}`),
		"tokenizer/vocab.json":                         []byte(`{"a": 0}`),
		"tokenizer/merges.txt":                         []byte("#version\n"),
		"text_encoder/config.json":                     []byte(`{}`),
		"text_encoder/model.safetensors":               noise(1, 300_000),
		"unet/config.json":                             []byte(`[]`),
		"unet/diffusion_pytorch_model.safetensors":     noise(2, 900_000),
		"vae/config.json":                              []byte(`{}`),
		"vae/diffusion_pytorch_model.safetensors":      noise(3, 100_000),
		"vae/diffusion_pytorch_model.fp16.safetensors": noise(4, 50_000),
		"unet/diffusion_pytorch_model.bin":             noise(5, 9000),
		"v1-5-pruned.ckpt":                             noise(6, 9000),
		"README.md":                                    []byte("# A model\n"),
		"some folder/ä picture.png":                    noise(7, 5000),
	}
}

const (
	unetFile = "unet/diffusion_pytorch_model.safetensors"
	needed   = 10
)

// quick is a configuration for tests.
func quick(s *hubtest.Server, cache string) Config {
	return Config{Endpoint: s.URL, Cache: cache, Pause: time.Millisecond, Stall: 5 * time.Second}
}

// pull pulls name.
func pull(t *testing.T, c Config, change ...func(*Request)) (*Pulled, error) {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	q := Request{Ref: weights.HubRef{Name: name, Revision: "main"}}
	for _, f := range change {
		f(&q)
	}
	return h.Pull(t.Context(), q)
}

// whole checks that a snapshot holds exactly the files that are needed, with their bytes.
func isWhole(t *testing.T, p *Pulled, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	all := files()
	found := 0
	err = filepath.WalkDir(p.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(p.Dir, path)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found++
		if want, known := all[filepath.ToSlash(rel)]; !known || !bytes.Equal(data, want) {
			t.Errorf("%s has not the bytes it should", rel)
		}
		to, err := os.Readlink(path)
		names := []string{hubtest.Hash(data), fmt.Sprintf("%x", sha1.Sum(data))}
		if err != nil || filepath.IsAbs(to) || !strings.HasSuffix(filepath.Dir(to), "../blobs") || !slices.Contains(names, filepath.Base(to)) {
			t.Errorf("%s is a link to %q, %v", rel, to, err)
		}
		return nil
	})
	if err != nil || found != needed {
		t.Errorf("%d files in the snapshot, %v; expected %d", found, err, needed)
	}
	repo := filepath.Dir(filepath.Dir(p.Dir))
	if data, err := os.ReadFile(filepath.Join(repo, "refs", "main")); err != nil || string(data) != p.Commit {
		t.Errorf("refs/main holds %q, %v; expected %s", data, err, p.Commit)
	}
	blobs := list(t, filepath.Join(repo, "blobs"))
	if len(blobs) < needed-2 || slices.ContainsFunc(blobs, func(b string) bool { return !isHash(b, 40) && !isHash(b, 64) }) {
		t.Errorf("blobs are %q", blobs)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// without checks that a file did not take its name, nor its model the revision's.
func without(t *testing.T, cache, file string) {
	t.Helper()
	repo := filepath.Join(cache, "models--org--model")
	if blobs := list(t, filepath.Join(repo, "blobs")); slices.Contains(blobs, hubtest.Hash(files()[file])) {
		t.Errorf("%s has its name", file)
	}
	if refs := list(t, filepath.Join(repo, "refs")); len(refs) > 0 {
		t.Errorf("refs are %q", refs)
	}
}

// wantWords checks that an error is there and says all of the words.
func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	noSecrets(t, err.Error())
}

func noSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{hubtest.Token, "secretOfTheAddress"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q tells a secret", text)
		}
	}
}

// lines keeps what was logged.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}
