package encode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/newmodel"
	"cosmicman/ort"
	"cosmicman/weights"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openRuntime(t testing.TB) *ort.Runtime {
	t.Helper()
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return rt
}

// pipeline is a model of the zoo with the weights that follow from a seed.
func pipeline(t testing.TB, entry string, seed uint64) *weights.Pipeline {
	t.Helper()
	root := filepath.Join("../../testdata/zoo", entry)
	arch := newmodel.Arch{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		part := strings.TrimSuffix(strings.Split(rel, string(filepath.Separator))[0], ".json")
		arch[part], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), entry)
	if err := newmodel.Write(t.Context(), dir, arch, newmodel.Options{Seed: seed}); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

func open(t testing.TB, dir string) *weights.Pipeline {
	t.Helper()
	p, err := weights.Open(dir, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openCache(t testing.TB, dir string, limit int64, tell func(string)) *Cache {
	t.Helper()
	c, err := OpenCache(dir, limit, tell)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
