package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSessionsOutliveTheirRuntime(t *testing.T) {
	r, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	s, w := linear(t, r)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.NewSession(SessionConfig{Name: "late", Model: []byte{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed runtime made a session: %v", err)
	}
	if _, err := new(Runtime).NewSession(SessionConfig{Name: "never", Model: []byte{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a runtime that was never opened made a session: %v", err)
	}
	x := []float32{1, 2, 3}
	out, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(x, 1, 3)})
	if err != nil || !slices.Equal(out["y"].Float32(), w.times(x)) {
		t.Errorf("the session after its runtime: %v, %v", out, err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if environment.users != 0 || environment.env != nil {
		t.Errorf("the environment has %d users left", environment.users)
	}
	// Everything can begin again.
	s, w = linear(t, open(t))
	out, err = s.Run(t.Context(), map[string]Tensor{"x": Floats(x, 1, 3)})
	if err != nil || !slices.Equal(out["y"].Float32(), w.times(x)) {
		t.Errorf("the second environment: %v, %v", out, err)
	}
}

func TestOpenTwice(t *testing.T) {
	a, b := open(t), open(t)
	if a.Version() != b.Version() || !strings.HasPrefix(a.Version(), "1.") {
		t.Errorf("versions %q and %q", a.Version(), b.Version())
	}
	path, err := FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), libraryName)
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(copied); err == nil || !strings.Contains(err.Error(), "is loaded already") {
		t.Errorf("a second library: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	linear(t, b) // b is not a
}

func TestFindLibrary(t *testing.T) {
	found, err := FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{found, filepath.Dir(found)} {
		if got, err := FindLibrary(given); err != nil || got != found {
			t.Errorf("FindLibrary(%q) = %q, %v", given, got, err)
		}
	}
	empty := t.TempDir()
	_, err = FindLibrary(empty)
	if !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), filepath.Join(empty, libraryName)) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("an empty folder: %v", err)
	}
	// Nothing beside the test's executable, and no module above.
	t.Chdir(empty)
	if _, err := FindLibrary(""); !errors.Is(err, ErrNoLibrary) || strings.Count(err.Error(), libraryName) != 3 {
		t.Errorf("nowhere: %v", err)
	}
	// A module above.
	if err := os.MkdirAll(filepath.Join(empty, "bin", "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "bin/lib/" + libraryName} {
		if err := os.WriteFile(filepath.Join(empty, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir("sub")
	if got, err := FindLibrary(""); err != nil || !strings.HasSuffix(got, filepath.Join("bin", "lib", libraryName)) {
		t.Errorf("from a folder of a module: %q, %v", got, err)
	}
}

// Libraries that are none of ours: each is refused in words, and none crashes.
func TestOtherLibraries(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	const old = `
#include <stdint.h>
static const char *version(void) { return "1.19.2"; }
static const void *table(uint32_t v) { return 0; }
static const struct { const void *(*table)(uint32_t); const char *(*version)(void); } base = {table, version};
const void *OrtGetApiBase(void) { return &base; }`
	for name, c := range map[string]struct{ path, want string }{
		"text":   {text, "cannot load ONNX Runtime"},
		"old":    {compile(t, dir, "old", old), "is version 1.19.2, expected 1.24 or later"},
		"lying":  {compile(t, dir, "lying", strings.ReplaceAll(old, "1.19.2", "1.99.0")), "version 1.99.0, has no API 24"},
		"nobody": {compile(t, dir, "nobody", "int x;"), "is not ONNX Runtime: it has no OrtGetApiBase"},
	} {
		_, err := Open(c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if (name == "old" || name == "lying") != errors.Is(err, ErrOldLibrary) {
			t.Errorf("%s: errors.Is(%v, ErrOldLibrary)", name, err)
		}
	}
	open(t) // the right one still opens
}

// compile makes a shared library with the compiler that cgo needs anyway.
func compile(t *testing.T, dir, name, source string) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	in, out := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if message, err := exec.Command(compiler, "-shared", "-fPIC", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, message)
	}
	return out
}

func TestProvides(t *testing.T) {
	for version, want := range map[string]bool{"1.32.0": true, "1.24.0": true, "1.23.9": false, "2.0.0": true, "0.99.0": false, "1": false, "": false, "x.y": false, "1.x": false} {
		if got := provides(version); got != want {
			t.Errorf("provides(%q) = %t", version, got)
		}
	}
}
