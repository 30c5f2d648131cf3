package weights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/tensor"
)

func TestReadTypes(t *testing.T) {
	f, err := OpenFile("testdata/types.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["note"] != "π" || f.Metadata["format"] != "pt" {
		t.Errorf("metadata %v", f.Metadata)
	}
	var want map[string][]float32
	b, err := os.ReadFile("testdata/types.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	dtypes := make(map[tensor.DType]bool)
	for _, e := range f.Entries {
		dtypes[e.DType] = true
		values, ok := want[e.Key]
		dst := make([]float32, len(values))
		err := ReadFloat32(dst, e)
		if !ok {
			wantError(t, err, e.File, e.Key, e.DType.String())
			continue
		}
		delete(want, e.Key)
		if err != nil || !slices.Equal(dst, values) {
			t.Errorf("%s: %v, %v; want %v", e.Key, dst, err, values)
		}
		wantError(t, ReadFloat32(make([]float32, len(values)+1), e), show(e.Key), "do not fit")
	}
	if len(want) > 0 || len(dtypes) != 10 {
		t.Errorf("not in the file: %v; element types %v", want, dtypes)
	}
	if i := slices.IndexFunc(f.Entries, func(e Entry) bool { return e.Key == "scalar" }); len(f.Entries[i].Shape) != 0 {
		t.Errorf("scalar has shape %v", f.Entries[i].Shape)
	}
}

// TestTruncated cuts real files at every byte.
func TestTruncated(t *testing.T) {
	for _, path := range []string{"testdata/types.safetensors", "testdata/text-old/model.safetensors"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if _, err := readHeader(bytes.NewReader(b[:n]), int64(n)); err == nil {
				t.Fatalf("%s: the first %d of %d bytes are taken for whole", path, n, len(b))
			}
		}
		// The file shrinks after its size was asked for.
		for _, n := range []int{0, 4, 100} {
			if _, err := readHeader(bytes.NewReader(b[:n]), int64(len(b))); err == nil {
				t.Fatalf("%s: shrunk to %d bytes and taken for whole", path, n)
			}
		}
		if _, err := readHeader(bytes.NewReader(append(b, 0)), int64(len(b)+1)); err == nil {
			t.Errorf("%s: a byte more is not noticed", path)
		}
	}
}

func TestTruncatedNamesTensor(t *testing.T) {
	b, err := os.ReadFile("testdata/vae/diffusion_pytorch_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.safetensors")
	write(t, path, string(b[:len(b)-1]))
	_, err = OpenFile(path)
	wantError(t, err, path, "tensor quant_conv.weight", "cut off")
}

func TestLyingHeaders(t *testing.T) {
	const good = `{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for _, c := range []struct {
		name, file, want string
	}{
		{"empty file", "", "empty"},
		{"short", "abc", "3 bytes"},
		{"length over the file", "\xff\x00\x00\x00\x00\x00\x00\x00{}", "claims 255 bytes, the file has 2"},
		{"length over the limit", "\x01\xe1\xf5\x05\x00\x00\x00\x00{}", "limit"},
		{"length over 63 bits", "\xff\xff\xff\xff\xff\xff\xff\xff{}", "limit"},
		{"no length", "\x00\x00\x00\x00\x00\x00\x00\x00", "'{'"},
		{"list", withHeader(`[]`, 0), "'{'"},
		{"leading space", withHeader(` {}`, 0), "'{'"},
		{"bad UTF-8", withHeader("{\"\xff\":"+good+"}", 8), "UTF-8"},
		{"trailing data", withHeader(`{"a":`+good+`}{}`, 8), "trailing"},
		{"trailing newline", withHeader(`{"a":`+good+"}\n", 8), "trailing"},
		{"not closed", withHeader(`{"a":`+good, 8), "'}'"},
		{"trailing comma", withHeader(`{"a":`+good+`,}`, 8), "a string is expected"},
		{"key twice", withHeader(`{"a":`+good+`,"a":`+good+`}`, 8), "key a stands there twice"},
		{"key twice, escaped", withHeader(`{"a":`+good+`,"\u0061":`+good+`}`, 8), "key a stands there twice"},
		{"key twice, far on", withHeader(`{"a":`+good+manyTensors(20)+`,"a":`+good+`}`, 8), "key a stands there twice"},
		{"dtype twice", withHeader(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "tensor a: key dtype"},
		{"folded case", withHeader(`{"a":{"Dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "unknown member Dtype"},
		{"folded case beside", withHeader(`{"a":{"dtype":"F32","DTYPE":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), "unknown member DTYPE"},
		{"no dtype", withHeader(`{"a":{"shape":[2],"data_offsets":[0,8]}}`, 8), "tensor a: dtype is missing"},
		{"no shape", withHeader(`{"a":{"dtype":"F32","data_offsets":[0,8]}}`, 8), "tensor a: shape is missing"},
		{"no offsets", withHeader(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "tensor a: data_offsets is missing"},
		{"null dtype", withHeader(`{"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}}`, 8), "tensor a: dtype: a string is expected, null found"},
		{"unknown dtype", withHeader(`{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}`, 8), "tensor a: element type F33"},
		{"8-bit floats", withHeader(`{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}`, 8), "element type F8_E4M3"},
		{"lower-case dtype", withHeader(`{"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}`, 8), "element type f32"},
		{"shape a number", withHeader(`{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}`, 8), "tensor a: shape: a list is expected"},
		{"negative", withHeader(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), "negative"},
		{"fraction", withHeader(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), "fraction"},
		{"exponent", withHeader(`{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}`, 8), "fraction"},
		{"leading zero", withHeader(`{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}`, 8), "leading zero"},
		{"number as text", withHeader(`{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}`, 8), "a string found"},
		{"huge number", withHeader(`{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}`, 8), "63 bits"},
		{"product overflows", withHeader(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, 8), "63 bits"},
		{"bytes overflow", withHeader(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}`, 8), "not 8 bytes long"},
		{"one offset", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}`, 8), "two offsets"},
		{"no offset", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[]}}`, 8), "two offsets"},
		{"three offsets", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8), "more than two offsets"},
		{"backwards", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), "backwards"},
		{"span too short", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "not 4 bytes long"},
		{"span too long", withHeader(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}`, 8), "not 8 bytes long"},
		{"span off by one", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}`, 9), "not 9 bytes long"},
		{"past the end", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), "tensor a ends at byte 8"},
		{"far past the end", withHeader(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}`, 8), "before tensor a"},
		{"gap at the start", withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "4 bytes before tensor a"},
		{"gap", withHeader(`{"a":`+good+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 16), "4 bytes before tensor b"},
		{"overlap", withHeader(`{"a":`+good+`,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "tensor b overlaps a"},
		{"the same bytes twice", withHeader(`{"a":`+good+`,"b":`+good+`}`, 8), "tensor b overlaps a"},
		{"empty tensor within another", withHeader(`{"a":`+good+`,"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}`, 8), "tensor b overlaps a"},
		{"bytes left over", withHeader(`{"a":`+good+`}`, 9), "1 bytes after the last tensor"},
		{"nothing but bytes", withHeader(`{}`, 4), "4 bytes after the last tensor"},
		{"tensor a string", withHeader(`{"a":"F32"}`, 0), "tensor a: an object is expected"},
		{"metadata with a number", withHeader(`{"__metadata__":{"step":3}}`, 0), "__metadata__ must map strings to strings"},
		{"metadata nested", withHeader(`{"__metadata__":{"a":{}}}`, 0), "__metadata__ must map strings to strings"},
		{"metadata null", withHeader(`{"__metadata__":null}`, 0), "__metadata__ must map strings to strings"},
		{"metadata twice", withHeader(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
		{"metadata key twice", withHeader(`{"__metadata__":{"a":"","a":""}}`, 0), "twice"},
		{"half a surrogate pair", withHeader(`{"\ud800":`+good+`}`, 8), "surrogate"},
		{"control character", withHeader("{\"a\x01\":"+good+"}", 8), "control"},
		{"bad escape", withHeader(`{"\x":`+good+`}`, 8), "escape"},
		{"nesting in a shape", withHeader(`{"a":{"dtype":"F32","shape":`+strings.Repeat("[", 100000)+`}}`, 8), "a list found"},
		{"nesting in metadata", withHeader(`{"__metadata__":`+strings.Repeat(`{"":`, 100000)+`}`, 8), "strings"},
		{"rank", withHeader(`{"a":{"dtype":"F32","shape":[1`+strings.Repeat(",1", 100000)+`],"data_offsets":[0,4]}}`, 4), "more than 16 dimensions"},
		{"a zip archive", "PK\x03\x04\x14\x00\x00\x00\x08\x08" + strings.Repeat("\x00", 40), "zip archive"},
		{"a pickle", "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + strings.Repeat("\x00", 40), "Python pickle, a safetensors file is needed"},
		{"a protocol 4 pickle", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00}\x94.", "Python pickle"},
		{"a short pickle", "\x80\x04N.", "Python pickle"},
		{"GGUF", "GGUF\x03\x00\x00\x00\x00\x00\x00\x00", "GGUF"},
		{"a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS"},
		{"a web page", "<!DOCTYPE html><html></html>", "web page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.safetensors")
			write(t, path, c.file)
			_, err := OpenFile(path)
			wantError(t, err, path+": ", c.want)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func manyTensors(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
	}
	return b.String()
}

func TestSoundHeaders(t *testing.T) {
	for name, file := range map[string]string{
		"no tensors":        withHeader(`{}`, 0),
		"padded":            withHeader(`{}      `, 0),
		"spaces within":     withHeader("{ \"a\" :\n{\t\"dtype\":\"F32\",\"shape\":[ ],\"data_offsets\":[ 0 , 4 ]}}", 4),
		"any order":         withHeader(`{"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"},"a":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}}`, 8),
		"empty tensors":     withHeader(`{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]},"b":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}`, 0),
		"case matters":      withHeader(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"A":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}`, 2),
		"a pickle's length": withHeader(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`+strings.Repeat(" ", 0x280-52), 1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.safetensors")
			write(t, path, file)
			f, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(f.Entries); n > 0 {
				if last := f.Entries[n-1]; last.Offset+last.Length != f.Size {
					t.Errorf("the last tensor ends at %d of %d", last.Offset+last.Length, f.Size)
				}
			}
		})
	}
}

func TestOpenFileKinds(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenFile(dir)
	wantError(t, err, dir, "folder")
	_, err = OpenFile(dir + "/none")
	wantError(t, err, dir+"/none", "no such file")
	if err := os.Symlink("nowhere", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFile(dir + "/link")
	wantError(t, err, dir+"/link", "leads nowhere")
	_, err = OpenFile("/dev/null")
	wantError(t, err, "not a regular file")

	write(t, dir+"/blob", withHeader(`{}`, 0))
	if err := os.Symlink("blob", dir+"/m.safetensors"); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(dir + "/m.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(f.Path) != "blob" || !filepath.IsAbs(f.Path) {
		t.Errorf("path %s is not the link's end", f.Path)
	}
}

// FuzzHeader holds what is accepted to the format's promises.
func FuzzHeader(f *testing.F) {
	// Small seeds only: the fuzzer minimises large ones for minutes.
	for _, p := range []string{"testdata/types.safetensors", "testdata/text/model.safetensors"} {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(withHeader(`{}`, 0)))
	f.Add([]byte(withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  `, 8)))
	f.Add([]byte(withHeader(`{"__metadata__":{"\ud83d\ude00":"\n"},"\u00e4":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}}`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := readHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		end := int64(-1)
		for _, e := range file.Entries {
			if seen[e.Key] {
				t.Fatalf("%q twice", e.Key)
			}
			seen[e.Key] = true
			if end >= 0 && e.Offset != end {
				t.Fatalf("%q at %d after %d", e.Key, e.Offset, end)
			}
			end = e.Offset + e.Length
			n, err := e.Shape.Elements()
			if err != nil || n*int64(e.DType.Size()) != e.Length {
				t.Fatalf("%q: %v %v is %d bytes", e.Key, e.Shape, e.DType, e.Length)
			}
		}
		if end >= 0 && end != int64(len(b)) {
			t.Fatalf("tensors end at %d of %d", end, len(b))
		}
	})
}

// FuzzJSON compares the scanner with the standard library: what it accepts is
// JSON there too.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,-2.5e+3,null,true,false,"\u00e4\ud83d\ude00"]}`, `{"a":{"a":{}}}`, `{"a":1,"a":2}`, `{"a":01}`, `{"a":-Infinity}`, `{"_class_name":"X"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := newScanner([]byte(text))
		if err != nil {
			return
		}
		err = s.object(func(string) error { return s.skip() })
		if err == nil {
			err = s.end()
		}
		if err == nil && !json.Valid([]byte(text)) {
			t.Fatalf("%q is accepted", text)
		}
		_ = checkObject([]byte(text))
		_, _ = parseModelIndex([]byte(text))
		m, err := parseShardIndex([]byte(text))
		for _, file := range m {
			if err == nil && filepath.Base(file) != file {
				t.Fatalf("%q leads out of the folder", file)
			}
		}
	})
}

func sdxlHeader() []byte {
	var b strings.Builder
	b.WriteString(`{"__metadata__":{"format":"pt"}`)
	for i := range 1680 {
		fmt.Fprintf(&b, `,"down_blocks.%d.attentions.1.transformer_blocks.7.attn2.to_out.0.weight":{"dtype":"F32","shape":[640,2048],"data_offsets":[%d,%d]}`, i, i*640*2048*4, (i+1)*640*2048*4)
	}
	b.WriteString("}")
	return []byte(b.String())
}

// BenchmarkHeader parses a header as large as that of SDXL's UNet.
func BenchmarkHeader(b *testing.B) {
	h := sdxlHeader()
	b.SetBytes(int64(len(h)))
	for b.Loop() {
		if _, _, err := parseHeader(h, 1680*640*2048*4); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenFile opens a sparse file of 8.8 GB.
func BenchmarkOpenFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "m.safetensors")
	head := withHeader(string(sdxlHeader()), 0)
	write(b, path, head)
	if err := os.Truncate(path, int64(len(head))+1680*640*2048*4); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := OpenFile(path); err != nil {
			b.Fatal(err)
		}
	}
}
