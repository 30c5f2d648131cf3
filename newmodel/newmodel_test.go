package newmodel

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/weights"
)

// TestFactorFollowsTheConfig finds CLIP's initializer_factor in what is written, in
// whatever order the config has it.
func TestFactorFollowsTheConfig(t *testing.T) {
	a := arch(t, "doll")
	plain := made(t, a)
	a["text_encoder"] = bytes.Replace(a["text_encoder"], []byte(`"initializer_factor": 1.0`), []byte(`"initializer_factor": 3.0`), 1)
	wide := made(t, a)
	one, three := values(t, plain, "text_model.embeddings.position_embedding.weight"), values(t, wide, "text_model.embeddings.position_embedding.weight")
	for i, v := range one {
		if d := three[i] - 3*v; d > 1e-6 || d < -1e-6 {
			t.Fatalf("value %d is %v with factor 1, %v with 3", i, v, three[i])
		}
	}
}

func TestSmallVocabularyIsRefused(t *testing.T) {
	a := arch(t, "doll")
	a["text_encoder"] = bytes.Replace(a["text_encoder"], []byte("49408"), []byte("1000"), 1)
	dir := filepath.Join(t.TempDir(), "model")
	const want = "text_encoder: vocab_size is 1000, expected at least 49408"
	if err := Write(t.Context(), dir, a, Options{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, expected %q", err, want)
	}
	if err := Write(t.Context(), dir, arch(t, "doll"), Options{Values: "zero"}); err == nil || !strings.Contains(err.Error(), "expected contrast or torch") {
		t.Errorf("error %v for values that there are not", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made")
	}
}

func arch(t *testing.T, name string) Arch {
	t.Helper()
	a, err := LoadArch(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func made(t *testing.T, a Arch) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := Write(t.Context(), dir, a, Options{Values: Torch, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func values(t *testing.T, dir, name string) []float32 {
	t.Helper()
	p, err := weights.Open(dir, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Components() {
		if e, ok := c.Index.Lookup(name); ok {
			n, _ := e.Shape.Elements()
			out := make([]float32, n)
			if err := weights.ReadFloat32(out, e); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("no tensor %s", name)
	return nil
}
