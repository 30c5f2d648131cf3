package encode

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"cosmicman/weights"
)

// Key is what a result is kept under: a digest of all that it was made from.
type Key [sha256.Size]byte

// KeyOf is the key of parts in their order.
func KeyOf(parts ...string) (k Key) {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		io.WriteString(h, p)
	}
	h.Sum(k[:0])
	return k
}

// identify is a digest of all that a result's bits follow from besides its input: the
// component's config and all its tensors, whatever files they are in, the runtime, and
// how many threads it cuts layers for. Reading gigabytes takes seconds, so the tensors'
// digest itself is kept in the cache, under the files' paths, sizes and times.
func (n *network) identify(ctx context.Context) (Key, error) {
	n.identifying.Lock()
	defer n.identifying.Unlock()
	if n.identity != nil {
		return *n.identity, nil
	}
	c := n.component
	parts := []string{"files", string(c.Config.JSON)}
	for _, path := range c.Index.Files() {
		info, err := os.Stat(path)
		if err != nil {
			return Key{}, err
		}
		parts = append(parts, path, strconv.FormatInt(info.Size(), 10), strconv.FormatInt(info.ModTime().UnixNano(), 10))
	}
	files := KeyOf(parts...)
	var identity Key
	if kept, ok := n.options.Cache.Get(files); ok && len(kept) == len(identity) {
		identity = Key(kept)
	} else {
		var err error
		if identity, err = digest(ctx, c); err != nil {
			return Key{}, fmt.Errorf("%s: %w", c.Dir, err)
		}
		n.options.Cache.Put(files, identity[:])
	}
	identity = KeyOf(string(identity[:]), n.runtime.Version(), runtime.GOARCH,
		strconv.Itoa(cmp.Or(n.options.Threads, runtime.NumCPU())), strconv.FormatBool(n.options.Lean))
	n.identity = &identity
	return identity, nil
}

func digest(ctx context.Context, c *weights.Component) (k Key, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s\n", len(c.Config.JSON), c.Config.JSON)
	open := map[string]*os.File{}
	defer func() {
		for _, f := range open {
			f.Close() // only read
		}
	}()
	for _, name := range c.Index.Names() {
		if err := ctx.Err(); err != nil {
			return k, err
		}
		e, _ := c.Index.Lookup(name)
		f := open[e.File]
		if f == nil {
			if f, err = os.Open(e.File); err != nil {
				return k, err
			}
			open[e.File] = f
		}
		fmt.Fprintf(h, "%q %s %v\n", name, e.DType, e.Shape)
		r := bufio.NewReaderSize(io.NewSectionReader(f, e.Offset, e.Length), 1<<20)
		if n, err := io.Copy(h, r); err != nil || n != e.Length {
			return k, fmt.Errorf("tensor %s: %d of %d bytes: %w", name, n, e.Length, orEOF(err))
		}
	}
	h.Sum(k[:0])
	return k, nil
}

func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
