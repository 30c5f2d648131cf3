package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cosmicman/tensor"
)

// Entry says where one tensor lies: Length bytes at Offset of File, row-major,
// little-endian.
type Entry struct {
	Name   string // canonical in an Index, otherwise Key
	Key    string // as the file spells it
	File   string // absolute, symbolic links resolved
	DType  tensor.DType
	Shape  tensor.Shape // as the file has it
	Offset int64        // bytes from the file's start
	Length int64        // bytes
}

// File is the checked header of a safetensors file.
type File struct {
	Path     string // absolute, symbolic links resolved
	Size     int64  // bytes
	Metadata map[string]string
	Entries  []Entry // by offset; together they are the whole file after its header
}

// OpenFile reads and checks the header of a safetensors file. The tensors'
// bytes are not read. Errors name the file and, where there is one, the tensor.
func OpenFile(path string) (*File, error) {
	f, resolved, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := readHeader(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out.Path = resolved
	for i := range out.Entries {
		out.Entries[i].File = resolved
	}
	return out, nil
}

// readHeader reads the header of a file of size bytes.
func readHeader(r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, min(size, 64))
	if err := readAt(r, head, 0); err != nil {
		return nil, err
	}
	fail := func(err error) (*File, error) {
		if other := recognise(head); other != "" {
			err = fmt.Errorf("%s, a safetensors file is needed", other)
		}
		return nil, err
	}
	if size < 8 {
		return fail(fmt.Errorf("%d bytes long, not a safetensors file", size))
	}
	// A length such as 640 has a pickle's first bytes: only '{' tells them apart.
	n := binary.LittleEndian.Uint64(head)
	if size > 8 && head[8] != '{' {
		return fail(errors.New("not a safetensors file: its header does not begin with '{'"))
	}
	if n > maxHeader {
		return fail(fmt.Errorf("its header claims %d bytes, over the format's limit of %d", n, maxHeader))
	}
	if int64(n) > size-8 {
		return fail(fmt.Errorf("its header claims %d bytes, the file has %d after it: the file is cut off", n, size-8))
	}
	b := make([]byte, n)
	if err := readAt(r, b, 8); err != nil {
		return nil, err
	}
	entries, metadata, err := parseHeader(b, size-8-int64(n))
	if err != nil {
		return fail(err)
	}
	for i := range entries {
		entries[i].Offset += 8 + int64(n)
	}
	return &File{Size: size, Metadata: metadata, Entries: entries}, nil
}

// recognise names what a file that is no safetensors file may be, from its
// first bytes, or returns "".
func recognise(head []byte) string {
	switch {
	case len(head) == 0:
		return "the file is empty"
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		return "a zip archive, as PyTorch wraps its pickles"
	case len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5:
		return "a Python pickle"
	case strings.HasPrefix(string(head), "GGUF"):
		return "a GGUF file"
	case strings.HasPrefix(string(head), "version https://git-lfs"):
		return "a Git LFS pointer without its content (git lfs pull fetches it)"
	case strings.HasPrefix(string(head), "<!DOCTYPE") || strings.HasPrefix(string(head), "<html"):
		return "a web page"
	}
	return ""
}

// openRegular opens a regular file, following symbolic links. Other kinds are
// refused before they are opened: a pipe would wait for ever.
func openRegular(path string) (f *os.File, resolved string, size int64, err error) {
	plain := func(err error) error { // without the system call's name
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	resolved, err = filepath.EvalSymlinks(path)
	if err != nil {
		if _, lerr := os.Lstat(path); lerr == nil {
			return nil, "", 0, fmt.Errorf("%s: a symbolic link that leads nowhere", path)
		}
		return nil, "", 0, plain(err)
	}
	if resolved, err = filepath.Abs(resolved); err != nil {
		return nil, "", 0, plain(err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return nil, "", 0, plain(err)
	}
	if info.IsDir() {
		return nil, "", 0, fmt.Errorf("%s: a folder, not a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, "", 0, fmt.Errorf("%s: not a regular file", path)
	}
	if f, err = os.Open(resolved); err != nil {
		return nil, "", 0, plain(err)
	}
	return f, resolved, info.Size(), nil
}

// readSmall reads a whole regular file of at most most bytes.
func readSmall(path string, most int64) ([]byte, error) {
	f, _, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > most {
		return nil, fmt.Errorf("%s: %d bytes long, at most %d are expected", path, size, most)
	}
	b := make([]byte, size)
	if err := readAt(f, b, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// readAt fills b from offset.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if n, err := r.ReadAt(b, offset); n < len(b) {
		if err == io.EOF {
			return fmt.Errorf("the file ends at byte %d: it is cut off", offset+int64(n))
		}
		return err
	}
	return nil
}
