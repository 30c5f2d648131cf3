package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// DamagedError says that a checkpoint is not what was written.
type DamagedError struct {
	Dir    string
	Reason error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the checkpoint %s is damaged: %v", e.Dir, e.Reason)
}

func (e *DamagedError) Unwrap() error { return e.Reason }

// Checkpoint is one whose files were found to be what was written.
type Checkpoint struct {
	Dir   string
	Step  int64
	State []byte
	files map[string]bool
}

// Open reads a checkpoint's folder, hashing all of it. One that is not whole is a
// *DamagedError; where there is no folder, the error is os.ErrNotExist.
func Open(ctx context.Context, dir string) (*Checkpoint, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is no checkpoint: it is not a folder", dir)
	}
	damaged := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &DamagedError{dir, err}
	}
	data, err := readSmall(filepath.Join(dir, manifestName), maxManifest)
	if err != nil {
		return nil, damaged(err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, damaged(err)
	}
	if step, is := stepOf(filepath.Base(dir)); is && step != m.Step {
		return nil, damaged(fmt.Errorf("%s is of step %d", manifestName, m.Step))
	}
	c := &Checkpoint{Dir: dir, Step: m.Step, files: map[string]bool{}}
	for _, f := range m.Files {
		c.files[f.Name] = true
	}
	if err := parallel(len(m.Files), func(i int) error { return m.Files[i].verify(ctx, dir) }); err != nil {
		return nil, damaged(err)
	}
	if c.State, err = readSmall(filepath.Join(dir, stateName), maxState); err != nil {
		return nil, damaged(err)
	}
	return c, nil
}

// verify compares a file with what was written.
func (f file) verify(ctx context.Context, dir string) error {
	path := filepath.Join(dir, f.Name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is missing", f.Name)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", f.Name)
	case info.Size() != f.Size:
		return fmt.Errorf("%s has %d bytes, %d were written", f.Name, info.Size(), f.Size)
	}
	_, sum, err := hashFile(ctx, path)
	if err == nil && sum != f.SHA256 {
		err = fmt.Errorf("%s is not what was written: its SHA-256 differs", f.Name)
	}
	return err
}

// Has reports whether there is a part of this name.
func (c *Checkpoint) Has(part string) bool { return c.files[part+".safetensors"] }

// Read fills a part's values with what was saved. The tensors must be those that
// were saved, by name and shape: the error names what is not.
func (c *Checkpoint) Read(p Part) error {
	if err := p.check(); err != nil {
		return err
	}
	if !c.Has(p.Name) {
		return fmt.Errorf("the checkpoint %s holds no %s", c.Dir, p.Name)
	}
	f, err := weights.OpenFile(filepath.Join(c.Dir, p.Name+".safetensors"))
	if err != nil {
		return err
	}
	at := map[string]weights.Entry{}
	for _, e := range f.Entries {
		at[e.Name] = e
	}
	var faults []string
	wanted := map[string]bool{}
	for _, t := range p.Tensors {
		e, is := at[t.Name]
		wanted[t.Name] = true
		switch {
		case !is:
			faults = append(faults, fmt.Sprintf("%s is not in it", t.Name))
		case e.DType != tensor.Float32 || !e.Shape.Equal(t.Shape):
			faults = append(faults, fmt.Sprintf("%s is %s %v, expected float32 %v", t.Name, e.DType, e.Shape, t.Shape))
		}
	}
	for _, e := range f.Entries {
		if !wanted[e.Name] {
			faults = append(faults, fmt.Sprintf("%s is not trained now", e.Name))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("the checkpoint %s was made of other tensors (%s):\n  %s", c.Dir, p.Name, strings.Join(first(faults, 20), "\n  "))
	}
	return parallel(len(p.Tensors), func(i int) error { return weights.ReadFloat32(p.Values[i], at[p.Tensors[i].Name]) })
}

// first are the first lines of many.
func first(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return append(lines[:n:n], fmt.Sprintf("and %d more", len(lines)-n))
}
