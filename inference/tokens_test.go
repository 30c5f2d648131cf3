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
	const text = "a headshot"
	encode := func() *conditioning {
		all, err := load(t, rt, folder, weights.Options{}).encode(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		return all[text]
	}
	long := encode()
	shorten(t, folder, "tokenizer")
	short := encode()
	if short.tokens != 60 || len(short.states)*77 != len(long.states)*60 {
		t.Fatalf("%d tokens, %d states of %d", short.tokens, len(short.states), len(long.states))
	}
	if d := distance(short.states, long.states[:len(short.states)]); !(d < 1e-5) {
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
