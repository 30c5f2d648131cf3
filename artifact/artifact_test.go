package artifact

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestNPYHeader(t *testing.T) {
	data := NPY([]float32{1, 2, 3, 4}, 1, 4, 1, 1)
	if (len(data)-16)%64 != 0 || !bytes.Contains(data, []byte("'shape': (1, 4, 1, 1)")) {
		t.Errorf("%q", data)
	}
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := CheckWritable(path); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{filepath.Join(dir, "no", "x"), filepath.Join(path, "x"), dir} {
		if CheckWritable(bad) == nil {
			t.Errorf("%s was called writable", bad)
		}
	}
	if err := WriteFile(filepath.Join(dir, "no", "x"), nil); err == nil {
		t.Error("wrote into a folder that is not there")
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}
