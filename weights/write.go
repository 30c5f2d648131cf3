package weights

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode/utf8"

	"cosmicman/tensor"
)

// Output describes tensors to be written. Values are made tensor by tensor
// while the file is written, so memory holds Workers tensors at most.
type Output struct {
	Tensors []Param
	DType   tensor.DType // Float32, Float16 or BFloat16; values are rounded to nearest, ties to even
	// Values fills dst with tensor i, row-major. It is called once a tensor,
	// from several goroutines at once.
	Values func(i int, dst []float32) error
	// Workers is the number of tensors made at once, 0 for one a CPU.
	Workers int
	// Metadata is the header's __metadata__; nil stands for {"format": "pt"},
	// without which transformers refuses a file.
	Metadata map[string]string
}

// WriteFile writes a safetensors file. The file appears under its name only
// when it is whole and on disk: it is written aside, synced, then renamed. On
// an error, or when ctx ends, nothing is left.
func WriteFile(ctx context.Context, path string, out Output) error {
	header, err := out.header()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeAside(path, func(f *os.File) error {
		if _, err := f.Write(header.bytes); err != nil {
			return err
		}
		return out.write(ctx, f, header)
	})
}

// writeAside creates a file beside path, has fill write it, syncs it and
// renames it to path. On an error the file is removed.
func writeAside(path string, fill func(*os.File) error) (err error) {
	dir, base := filepath.Split(path)
	var f *os.File
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s.%s.%d-%d.part", dir, base, os.Getpid(), asideCount.Add(1))
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			break
		}
		if !os.IsExist(err) || try == 100 {
			return err
		}
	}
	defer func() {
		if err != nil {
			f.Close() // a second Close does no harm
			os.Remove(f.Name())
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

var asideCount atomic.Uint64

// syncFolder makes a rename in dir last, where the file system can sync folders.
func syncFolder(dir string) error {
	d, err := os.Open(filepath.Clean(dir + "."))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// header is an encoded header and the offset of each tensor in its file.
type header struct {
	bytes   []byte // the length included
	offsets []int64
	counts  []int64 // elements
}

func (out Output) header() (*header, error) {
	size := int64(out.DType.Size())
	name := ""
	for s, t := range dtypeNames {
		if t == out.DType {
			name = s
		}
	}
	if weightType(Entry{DType: out.DType}) != nil {
		return nil, fmt.Errorf("cannot write %s: float32, float16 or bfloat16 is expected", out.DType)
	}
	metadata := out.Metadata
	if metadata == nil {
		metadata = map[string]string{"format": "pt"}
	}
	h := &header{offsets: make([]int64, len(out.Tensors)), counts: make([]int64, len(out.Tensors))}
	about, err := json.Marshal(metadata)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 8, 128*(1+len(out.Tensors))), `{"__metadata__":`...)
	b = append(b, about...)
	seen := make(map[string]bool, len(out.Tensors))
	end := int64(0)
	for i, t := range out.Tensors {
		n, err := t.Shape.Elements()
		switch {
		case err != nil:
			return nil, fmt.Errorf("tensor %s: %w", show(t.Name), err)
		case n > (1<<62-end)/size:
			return nil, fmt.Errorf("tensor %s: too large", show(t.Name))
		case len(t.Shape) > maxRank:
			return nil, fmt.Errorf("tensor %s: more than %d dimensions", show(t.Name), maxRank)
		case t.Name == "" || t.Name == "__metadata__" || !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("%q cannot name a tensor", t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("tensor %s is given twice", show(t.Name))
		}
		seen[t.Name] = true
		key, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append(tensor.Shape{}, t.Shape...)) // [], not null, for a scalar
		if err != nil {
			return nil, err
		}
		h.offsets[i], h.counts[i] = end, n
		end += n * size
		b = fmt.Appendf(b, `,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, key, name, shape, h.offsets[i], end)
	}
	b = append(b, '}')
	for len(b)%8 != 0 { // tensors are aligned as their elements ask
		b = append(b, ' ')
	}
	if len(b)-8 > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes is over the format's limit of %d", len(b)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	for i := range h.offsets {
		h.offsets[i] += int64(len(b))
	}
	h.bytes = b
	return h, nil
}

// write makes the tensors' values, several at once, and writes each at its
// place. It returns when no goroutine of it is left.
func (out Output) write(ctx context.Context, f *os.File, h *header) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := out.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, len(out.Tensors)) {
		group.Go(func() {
			var values []float32
			buf := make([]byte, chunk)
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(out.Tensors) {
					return
				}
				if n := int(h.counts[i]); cap(values) < n {
					values = make([]float32, n)
				}
				values = values[:h.counts[i]]
				err := out.Values(i, values)
				if err == nil {
					err = writeValues(ctx, f, h.offsets[i], values, out.DType, buf)
				}
				if err != nil {
					cancel(fmt.Errorf("tensor %s: %w", show(out.Tensors[i].Name), err))
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// writeValues writes values at offset, converted through buf.
func writeValues(ctx context.Context, f *os.File, offset int64, values []float32, t tensor.DType, buf []byte) error {
	size := t.Size()
	for len(values) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(len(values), len(buf)/size)
		encode(buf, values[:n], t)
		if _, err := f.WriteAt(buf[:n*size], offset); err != nil {
			return err
		}
		offset += int64(n * size)
		values = values[n:]
	}
	return nil
}

// MaxShard is the size in bytes over which WriteSharded begins another file,
// as diffusers does.
const MaxShard = 10_000_000_000

// WriteSharded writes tensors into dir under the names of diffusers and
// transformers: <stem>.safetensors or, where they are more than maxShard bytes
// (0 stands for MaxShard), <stem>-00001-of-0000N.safetensors and so on with
// <stem>.safetensors.index.json, which is written last. On an error no file of
// this call is left. stem is "diffusion_pytorch_model" or "model".
func WriteSharded(ctx context.Context, dir, stem string, out Output, maxShard int64) (err error) {
	if maxShard <= 0 {
		maxShard = MaxShard
	}
	shards, total, err := out.split(maxShard)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if len(shards) == 1 {
		return WriteFile(ctx, filepath.Join(dir, stem+".safetensors"), out)
	}
	places := make(map[string]string, len(out.Tensors))
	var written []string
	defer func() {
		if err != nil {
			for _, path := range written {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	for i, s := range shards {
		name := fmt.Sprintf("%s-%05d-of-%05d.safetensors", stem, i+1, len(shards))
		part := out
		part.Tensors = out.Tensors[s.from:s.to]
		part.Values = func(i int, dst []float32) error { return out.Values(s.from+i, dst) }
		path := filepath.Join(dir, name)
		if err := WriteFile(ctx, path, part); err != nil {
			return err
		}
		written = append(written, path)
		for _, t := range part.Tensors {
			places[t.Name] = name
		}
	}
	index, err := json.MarshalIndent(map[string]any{
		"metadata":   map[string]int64{"total_size": total},
		"weight_map": places,
	}, "", "  ")
	if err != nil {
		return err
	}
	return writeAside(filepath.Join(dir, stem+".safetensors.index.json"), func(f *os.File) error {
		_, err := f.Write(append(index, '\n'))
		return err
	})
}

type tensorRange struct{ from, to int }

// split cuts the tensors, in their order, into runs of at most most bytes; a
// larger tensor stands alone.
func (out Output) split(most int64) (shards []tensorRange, total int64, err error) {
	if _, err := out.header(); err != nil { // names and sizes are sound across all shards
		return nil, 0, err
	}
	var s tensorRange
	room := most
	for i, t := range out.Tensors {
		n, err := t.Shape.Elements()
		if err != nil {
			return nil, 0, err
		}
		n *= int64(out.DType.Size())
		if n > room && i > s.from {
			s.to = i
			shards = append(shards, s)
			s.from, room = i, most
		}
		room -= n
		total += n
	}
	s.to = len(out.Tensors)
	return append(shards, s), total, nil
}
