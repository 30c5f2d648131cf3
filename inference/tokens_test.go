package inference

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/weights"
)

// shorten gives a tokenizer of a model another length.
func shorten(t *testing.T, folder, part string) {
	t.Helper()
	path := filepath.Join(folder, part, "tokenizer_config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	short := bytes.Replace(b, []byte(`"model_max_length": 77`), []byte(`"model_max_length": 60`), 1)
	if bytes.Equal(b, short) {
		t.Fatalf("%s: no model_max_length", path)
	}
	if err := os.WriteFile(path, short, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFewerTokensThanPositions: a text encoder that could take more tokens than
// the tokenizer gives. It looks backwards only, so the first ones' states stay.
func TestFewerTokensThanPositions(t *testing.T) {
	rt, folder := openRuntime(t), zooFolder(t, "tiny-sd", 0)
	headshot := text{prompt: "a headshot"}
	encode := func() (states []float32, tokens int64) {
		all, err := load(t, rt, folder, weights.Options{}).encode(t.Context(), headshot)
		if err != nil {
			t.Fatal(err)
		}
		return all[headshot].windows[0].states, all[headshot].tokens
	}
	long, _ := encode()
	shorten(t, folder, "tokenizer")
	short, tokens := encode()
	if tokens != 60 || len(short)*77 != len(long)*60 {
		t.Fatalf("%d tokens, %d states of %d", tokens, len(short), len(long))
	}
	if d := distance(short, long[:len(short)]); !(d < 1e-5) {
		t.Errorf("the states differ by %.1e", d)
	}
}

func TestTokenizersOfUnequalLength(t *testing.T) {
	folder := zooFolder(t, "tiny-sdxl", 0)
	shorten(t, folder, "tokenizer_2")
	p, err := weights.Open(folder, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "give 77 and 60 tokens, expected as many"
	if _, err := Load(openRuntime(t), p, Settings{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, expected %q", err, want)
	}
}
