package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// Part is tensors that lie in a file of their own, NAME.safetensors.
type Part struct {
	Name    string
	Tensors []weights.Param
	Values  [][]float32 // of the tensors, in their order
}

// Content is what a checkpoint is made of.
type Content struct {
	Step  int64
	State []byte // a JSON object, the caller's
	Parts []Part
}

// Bytes is what the content takes on disk, rounded up.
func (c Content) Bytes() int64 {
	const block = 4096
	total := int64(len(c.State)) + 16*block // the small files and the folder
	for _, p := range c.Parts {
		for i, v := range p.Values {
			total += 4*int64(len(v)) + 128 + int64(len(p.Tensors[i].Name))
		}
		total += block
	}
	return total
}

// NoSpaceError says that a checkpoint does not fit on the disk.
type NoSpaceError struct {
	Folder       string
	Needed, Free int64 // bytes
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("%s: a checkpoint takes %d MB and the disk has %d MB left", e.Folder, megabytes(e.Needed), e.Free/1e6)
}

func (e *NoSpaceError) Is(target error) bool { return target == syscall.ENOSPC }

func megabytes(bytes int64) int64 { return (bytes + 1e6 - 1) / 1e6 }

// Saved is a checkpoint that was written.
type Saved struct {
	Dir   string
	Bytes int64
}

// Save writes a checkpoint of a step into a folder, which must be there, and takes
// the place of one of the same step. On an error, or when ctx ends, nothing has
// changed; a disk without room is a *NoSpaceError before anything is written.
func Save(ctx context.Context, folder string, c Content) (saved Saved, err error) {
	if err := c.check(); err != nil {
		return saved, err
	}
	final := filepath.Join(folder, name(c.Step))
	defer func() {
		var full *NoSpaceError
		if err != nil && !errors.As(err, &full) {
			err = fmt.Errorf("%s cannot be written: %w", final, err)
		}
	}()
	// What is left of a disk may be taken by others the next moment; then a write
	// fails, which does no harm either.
	if free, known := free(folder); known && free < c.Bytes() {
		return saved, &NoSpaceError{folder, c.Bytes(), free}
	}
	aside, err := os.MkdirTemp(folder, "."+name(c.Step)+".*.part")
	if err != nil {
		return saved, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(aside))
		}
	}()
	if err := os.Chmod(aside, 0o755); err != nil { // MkdirTemp's are for their owner alone
		return saved, err
	}
	m, err := c.write(ctx, aside)
	if err != nil {
		return saved, err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return saved, err
	}
	if err := writeSynced(filepath.Join(aside, manifestName), append(data, '\n')); err != nil {
		return saved, err
	}
	if err := syncFolder(aside); err != nil {
		return saved, err
	}
	if err := replace(folder, aside, final); err != nil {
		return saved, err
	}
	saved = Saved{final, int64(len(data) + 1)}
	for _, f := range m.Files {
		saved.Bytes += f.Size
	}
	return saved, nil
}

func (c Content) check() error {
	var faults []error
	if c.Step < 0 {
		faults = append(faults, fmt.Errorf("checkpoint: step %d, expected 0 or a later one", c.Step))
	}
	if len(c.State) > maxState || !json.Valid(c.State) {
		faults = append(faults, fmt.Errorf("checkpoint: the state is no JSON of at most %d bytes", maxState))
	}
	seen := map[string]bool{}
	for _, p := range c.Parts {
		if !plain(p.Name) || seen[p.Name] {
			faults = append(faults, fmt.Errorf("checkpoint: %q cannot name a part, or names two", p.Name))
		}
		seen[p.Name] = true
		faults = append(faults, p.check())
	}
	return errors.Join(faults...)
}

func (p Part) check() error {
	if len(p.Tensors) != len(p.Values) {
		return fmt.Errorf("checkpoint: %s has values of %d tensors, expected %d", p.Name, len(p.Values), len(p.Tensors))
	}
	var faults []error
	for i, t := range p.Tensors {
		if n, err := t.Shape.Elements(); err != nil || n != int64(len(p.Values[i])) {
			faults = append(faults, fmt.Errorf("checkpoint: %s: %s of shape %v has %d values", p.Name, t.Name, t.Shape, len(p.Values[i])))
		}
	}
	return errors.Join(faults...)
}

// write writes all files but the manifest and returns it.
func (c Content) write(ctx context.Context, dir string) (*manifest, error) {
	m := &manifest{Format: format, Step: c.Step}
	for _, p := range c.Parts {
		name := p.Name + ".safetensors"
		err := weights.WriteFile(ctx, filepath.Join(dir, name), weights.Output{
			Tensors: p.Tensors,
			DType:   tensor.Float32,
			Values: func(i int, dst []float32) error {
				copy(dst, p.Values[i])
				return nil
			},
		})
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, file{Name: name})
	}
	if err := writeSynced(filepath.Join(dir, stateName), c.State); err != nil {
		return nil, err
	}
	m.Files = append(m.Files, file{Name: stateName})
	err := parallel(len(m.Files), func(i int) (err error) {
		f := &m.Files[i]
		f.Size, f.SHA256, err = hashFile(ctx, filepath.Join(dir, f.Name))
		return err
	})
	return m, err
}

// parallel calls f for 0 to n-1 on all processors, waits, and joins the errors in order.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = f(i)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// hashFile reads a whole file.
func hashFile(ctx context.Context, path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	hash := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return 0, "", context.Cause(ctx)
		}
		n, err := f.Read(buf)
		hash.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return size, hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return 0, "", err
		}
	}
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes what happened to a folder's names last, where the file system can.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// replace gives a folder its name, and removes what had it before. A folder that is
// not empty cannot be renamed over, so the old one steps aside first; sweep puts it
// back if the process dies between.
func replace(folder, aside, final string) error {
	old := steppedAside(final)
	err := os.Rename(final, old)
	had := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(aside, final); err != nil {
		if had {
			err = errors.Join(err, os.Rename(old, final))
		}
		return err
	}
	if err := syncFolder(folder); err != nil {
		return err
	}
	if had {
		return os.RemoveAll(old)
	}
	return nil
}

// free is the number of bytes that the disk takes, where that is known.
func free(folder string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil || s.Blocks == 0 || s.Bsize <= 0 {
		return 0, false
	}
	return int64(min(s.Bavail, 1<<62/uint64(s.Bsize))) * s.Bsize, true
}
