package weights

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/tensor"
)

// write makes a file with its folders.
func write(t testing.TB, path string, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// withHeader is a safetensors file of a header and n zero bytes.
func withHeader(header string, n int) string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return string(b) + header + strings.Repeat("\x00", n)
}

// params makes a list of one-element tensors, or of the given shapes.
func params(names ...string) []Param {
	var out []Param
	for _, n := range names {
		out = append(out, Param{n, tensor.Shape{2, 3}})
	}
	return out
}

// output fills tensor i with i + 0, i + 1/8, i + 2/8, ...
func output(t tensor.DType, ps ...Param) Output {
	return Output{Tensors: ps, DType: t, Values: func(i int, dst []float32) error {
		for j := range dst {
			dst[j] = float32(i) + float32(j)/8
		}
		return nil
	}}
}

func writeTensors(t testing.TB, path string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(context.Background(), path, output(tensor.Float32, params(names...)...)); err != nil {
		t.Fatal(err)
	}
}

// wantError checks that an error is there and that it says all of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// leftovers returns the names in a folder.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	names, err := listFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
