package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotices holds THIRD_PARTY_NOTICES.md to name every module of go.mod.
func TestNotices(t *testing.T) {
	dir := root(t)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	notices, err := os.ReadFile(filepath.Join(dir, "THIRD_PARTY_NOTICES.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(mod)) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(words) < 2 || !strings.HasPrefix(words[1], "v") {
			continue
		}
		found++
		if row := "\n| " + words[0] + " "; !strings.Contains(string(notices), row) {
			t.Errorf("%s is in go.mod and has no row in THIRD_PARTY_NOTICES.md", words[0])
		}
	}
	if found == 0 {
		t.Error("no module found in go.mod")
	}
}
