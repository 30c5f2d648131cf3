package ort

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func (w *weights) verify(t *testing.T, r *Runtime, c SessionConfig) {
	t.Helper()
	s, err := r.NewSession(c)
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	x := make([]float32, 2*w.in)
	for i := range x {
		x[i] = float32(i % 5)
	}
	out, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(x, 2, w.in)})
	if err != nil {
		t.Error(err)
	} else if !slices.Equal(out["y"].Float32(), w.times(x)) {
		t.Errorf("pad %d, lean %t: other values than the file's", w.pad, c.Lean)
	}
}

// Tensors lie in checkpoints wherever the header ends, at any byte, in any file
// under any name; packed or not, they are read as they are.
func TestExternalDataAnywhere(t *testing.T) {
	r := open(t)
	for _, lean := range []bool{false, true} {
		for _, pad := range []int64{0, 1, 3, 8, 4095, 4096, 4100, 65537} {
			w := &weights{folder: t.TempDir(), location: "a name, ü.safetensors", pad: pad, out: 32, in: 48}
			w.write(t)
			c := w.config(t)
			c.Lean = lean
			w.verify(t, r, c)
		}
	}
}

// Parts of one network may lie in folders that share only their root, and hub
// caches are links.
func TestExternalDataFolders(t *testing.T) {
	r := open(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &weights{folder: dir, location: "w.bin", pad: 8, out: 2, in: 3}
	w.write(t)
	for name, link := range map[string]string{"link.bin": "w.bin", "link": "."} {
		if err := os.Symlink(link, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ folder, location string }{
		{"/", strings.TrimPrefix(filepath.Join(dir, "w.bin"), "/")},
		{"/", strings.TrimPrefix(filepath.Join(dir, "link.bin"), "/")},
		{dir + "/", "w.bin"},
		{dir, "link.bin"},
		{filepath.Join(dir, "link"), "w.bin"},
	} {
		at := *w
		at.location = c.location
		config := at.config(t)
		config.ExternalDir = c.folder
		w.verify(t, r, config)
	}
}

// A file that is too short is an error that names the tensor, not a fault of the
// memory that is mapped.
func TestTruncatedExternalData(t *testing.T) {
	r := open(t)
	w := &weights{folder: t.TempDir(), location: "w.bin", pad: 8, out: 64, in: 64}
	w.write(t)
	path := filepath.Join(w.folder, w.location)
	for _, size := range []int64{8 + 4*64*64 - 1, 8192, 4096, 9, 8, 1, 0} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		for _, lean := range []bool{false, true} {
			c := w.config(t)
			c.Lean = lean
			var own *Error
			if _, err := r.NewSession(c); !errors.As(err, &own) || !strings.Contains(err.Error(), "w") || !strings.Contains(err.Error(), strconv.FormatInt(size, 10)) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	}
}

// The file may be replaced or removed while a session maps it: the mapping holds
// what was there.
func TestReplacedExternalData(t *testing.T) {
	w := &weights{folder: t.TempDir(), location: "w.bin", out: 64, in: 64}
	w.write(t)
	c := w.config(t)
	c.Lean = true
	s, err := open(t).NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(w.folder, w.location)
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	x := slices.Repeat([]float32{1}, 64)
	out, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(x, 1, 64)})
	if err != nil || !slices.Equal(out["y"].Float32(), w.times(x)) {
		t.Errorf("after the file was removed: %v", err)
	}
}

// A lean session keeps its weights in the mapped file; another packs a copy.
func TestLeanSessionsOwnNoWeights(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("own memory is read from /proc")
		return
	}
	const mib = 64
	w := &weights{folder: t.TempDir(), location: "w.bin", out: 4096, in: 4096}
	// A file of zeros by its length alone, so that Go's own heap stays small.
	path := filepath.Join(w.folder, w.location)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, mib<<20); err != nil {
		t.Fatal(err)
	}
	r := open(t)
	// Not the first session: it brings tables of its own.
	first, err := r.NewSession(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	grown := func(lean bool) int {
		debug.FreeOSMemory()
		before := ownMiB(t)
		c := w.config(t)
		c.Lean = lean
		s, err := r.NewSession(c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Run(t.Context(), map[string]Tensor{"x": Floats(make([]float32, 4096), 1, 4096)}); err != nil {
			t.Fatal(err)
		}
		return ownMiB(t) - before
	}
	if lean := grown(true); lean > mib/4 {
		t.Errorf("a lean session took %d MiB of own memory for %d MiB of weights", lean, mib)
	}
	if packed := grown(false); packed < mib/2 {
		t.Errorf("a session took %d MiB of own memory for %d MiB of weights: is it lean already?", packed, mib)
	}
}

func ownMiB(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "RssAnon:"); found {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no RssAnon in /proc/self/status")
	return 0
}
