package recipe

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of settings into docs/training.md")

// TestTheTableIsUpToDate holds docs/training.md to the settings; -update writes it.
func TestTheTableIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "training.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- the settings, as the program has them -->\n", "<!-- end of the settings -->\n"
	before, rest, found := strings.Cut(string(data), from)
	_, after, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("%s has no place for the settings", path)
	}
	want := before + from + Table() + to + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !*update && string(data) != want {
		t.Errorf("%s has other settings than the program: go test ./train/recipe -update", path)
	}
}
