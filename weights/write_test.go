package weights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/tensor"
)

func TestWriteRoundTrip(t *testing.T) {
	shapes := []Param{
		{"a.weight", tensor.Shape{3, 5}},
		{"scalar", nil},
		{"empty", tensor.Shape{0, 4}},
		{`näme "x"\` + "\n<&", tensor.Shape{7}},
		{"large", tensor.Shape{chunk/4 + 3, 2}}, // several buffers
	}
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.BFloat16} {
		dir := t.TempDir()
		path := filepath.Join(dir, "m.safetensors")
		out := output(d, shapes...)
		if err := WriteFile(context.Background(), path, out); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Entries) != len(shapes) || f.Metadata["format"] != "pt" {
			t.Fatalf("%d tensors, metadata %v", len(f.Entries), f.Metadata)
		}
		if f.Entries[0].Offset%8 != 0 {
			t.Errorf("data begins at %d", f.Entries[0].Offset)
		}
		for _, e := range f.Entries {
			i := slices.IndexFunc(shapes, func(p Param) bool { return p.Name == e.Key })
			if i < 0 || !slices.Equal(e.Shape, shapes[i].Shape) || e.DType != d {
				t.Fatalf("%+v", e)
			}
			n, _ := e.Shape.Elements()
			got, want := make([]float32, n), make([]float32, n)
			if err := ReadFloat32(got, e); err != nil {
				t.Fatal(err)
			}
			_ = out.Values(i, want)
			for j := range want {
				switch d {
				case tensor.Float16:
					want[j] = float32From16(float16(want[j]))
				case tensor.BFloat16:
					want[j] = float32FromB16(bfloat16(want[j]))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in %s differs", e.Key, d)
			}
		}
		if list := leftovers(t, dir); len(list) != 1 {
			t.Errorf("left over: %v", list)
		}
		// The same bytes from one worker as from many.
		b, _ := os.ReadFile(path)
		out.Workers = 1
		if err := WriteFile(context.Background(), path, out); err != nil {
			t.Fatal(err)
		}
		if c, _ := os.ReadFile(path); !bytes.Equal(b, c) {
			t.Error("one worker writes another file")
		}
	}
}

// TestWriteSameAsPython writes a file of the Python library again: byte for
// byte the same tensors at the same places.
func TestWriteSameAsPython(t *testing.T) {
	f, err := OpenFile("testdata/vae/diffusion_pytorch_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	out := Output{DType: tensor.Float32, Values: func(i int, dst []float32) error { return ReadFloat32(dst, f.Entries[i]) }}
	for _, e := range f.Entries {
		out.Tensors = append(out.Tensors, Param{e.Key, e.Shape})
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := WriteFile(context.Background(), path, out); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	want, _ := os.ReadFile(f.Path)
	if !bytes.Equal(got, want) {
		t.Error("differs from the Python library's file")
	}
}

func TestWriteFailures(t *testing.T) {
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(context.Background())
	sound := output(tensor.Float32, params("a", "b", "c", "d")...)
	change := func(f func(*Output)) Output { o := sound; f(&o); return o }
	for _, c := range []struct {
		name, want string
		ctx        context.Context
		out        Output
	}{
		{"a value fails", "tensor c: broken", context.Background(), change(func(o *Output) {
			o.Values = func(i int, dst []float32) error {
				if i == 2 {
					return broken
				}
				return nil
			}
		})},
		{"cancelled", "canceled", ctx, change(func(o *Output) {
			o.Values = func(int, []float32) error { cancel(); return nil }
		})},
		{"twice", "tensor a is given twice", context.Background(), change(func(o *Output) { o.Tensors = params("a", "b", "a") })},
		{"no name", `"" cannot name a tensor`, context.Background(), change(func(o *Output) { o.Tensors = params("") })},
		{"metadata's name", "cannot name", context.Background(), change(func(o *Output) { o.Tensors = params("__metadata__") })},
		{"bad UTF-8", "cannot name", context.Background(), change(func(o *Output) { o.Tensors = params("\xff") })},
		{"negative", "negative", context.Background(), change(func(o *Output) { o.Tensors = []Param{{"a", tensor.Shape{-1}}} })},
		{"too large", "tensor a: too large", context.Background(), change(func(o *Output) { o.Tensors = []Param{{"a", tensor.Shape{1 << 61}}} })},
		{"element type", "cannot write int64", context.Background(), change(func(o *Output) { o.DType = tensor.Int64 })},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "m.safetensors")
		write(t, path, "old")
		err := WriteFile(c.ctx, path, c.out)
		wantError(t, err, path, c.want)
		if c.name == "a value fails" && !errors.Is(err, broken) {
			t.Error("the cause is lost")
		}
		if b, _ := os.ReadFile(path); string(b) != "old" {
			t.Errorf("%s: the old file is gone", c.name)
		}
		if list := leftovers(t, dir); len(list) != 1 {
			t.Errorf("%s: left over: %v", c.name, list)
		}
	}
	wantError(t, WriteFile(context.Background(), t.TempDir()+"/none/m.safetensors", sound), "no such file")
}

// TestWriteDiskFull writes onto a device that is always full.
func TestWriteDiskFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := output(tensor.Float32, params("a")...)
	h, err := out.header()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, out.write(context.Background(), f, h), "tensor a", "no space left")
}

func TestWriteSharded(t *testing.T) {
	dir := t.TempDir()
	ps := params("a", "b", "c", "d", "e") // 24 bytes each in float32
	ps[2].Shape = tensor.Shape{100}       // larger than a shard
	out := output(tensor.Float32, ps...)
	if err := WriteSharded(context.Background(), dir, "model", out, 50); err != nil {
		t.Fatal(err)
	}
	want := []string{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"}
	if list := leftovers(t, dir); !slices.Equal(list, want) {
		t.Fatalf("files %v", list)
	}
	write(t, dir+"/config.json", "{}")
	c, err := OpenComponent("text_encoder", TextEncoder, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Index.Check(ps); err != nil {
		t.Error(err)
	}
	for i, p := range ps {
		e, _ := c.Index.Lookup(p.Name)
		n, _ := p.Shape.Elements()
		got, want := make([]float32, n), make([]float32, n)
		_ = out.Values(i, want)
		if err := ReadFloat32(got, e); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", p.Name, got, err)
		}
	}

	dir = t.TempDir()
	if err := WriteSharded(context.Background(), dir, "model", out, 0); err != nil {
		t.Fatal(err)
	}
	if list := leftovers(t, dir); !slices.Equal(list, []string{"model.safetensors"}) {
		t.Errorf("files %v", list)
	}

	dir = t.TempDir()
	out.Values = func(i int, dst []float32) error {
		if i == 4 {
			return errors.New("broken")
		}
		return nil
	}
	wantError(t, WriteSharded(context.Background(), dir, "model", out, 50), "tensor e: broken")
	if list := leftovers(t, dir); len(list) != 0 {
		t.Errorf("left over: %v", list)
	}
}

// TestHeaderRoundTrip writes headers of random names and shapes and reads them.
func TestHeaderRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		out := Output{DType: tensor.Float16, Metadata: map[string]string{}}
		for i := range r.IntN(20) {
			p := Param{Name: fmt.Sprint(i, strings.Repeat("\u00e9\x00\"\\/\u2028😀", r.IntN(2)))}
			for range r.IntN(5) {
				p.Shape = append(p.Shape, r.Int64N(6))
			}
			out.Tensors = append(out.Tensors, p)
		}
		h, err := out.header()
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, n := range h.counts {
			total += 2 * n
		}
		entries, _, err := parseHeader(h.bytes[8:], total)
		if err != nil {
			t.Fatalf("%v\n%s", err, h.bytes[8:])
		}
		for _, e := range entries {
			i := slices.IndexFunc(out.Tensors, func(p Param) bool { return p.Name == e.Key })
			if i < 0 || !e.Shape.Equal(out.Tensors[i].Shape) || e.Offset+int64(len(h.bytes)) != h.offsets[i] {
				t.Fatalf("%+v", e)
			}
		}
	}
}
