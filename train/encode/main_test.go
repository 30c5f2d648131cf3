package encode

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/newmodel"
	"cosmicman/ort"
	"cosmicman/weights"
)

// models are written once each, below it.
var models string

func TestMain(m *testing.M) {
	var err error
	if models, err = os.MkdirTemp("", "encode"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(models); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

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
	dir := filepath.Join(models, fmt.Sprint(entry, seed))
	if _, err := os.Stat(dir); err == nil {
		return open(t, dir)
	}
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
