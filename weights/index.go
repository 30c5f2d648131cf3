package weights

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"cosmicman/tensor"
)

// Index answers by a tensor's canonical name where it lies.
type Index struct {
	component string
	kind      Kind
	files     []string
	entries   map[string]Entry
	ignored   []Entry
}

// Param is a tensor that a network wants: its canonical name and shape.
type Param struct {
	Name  string
	Shape tensor.Shape
}

// NewIndex names the tensors of a component's files canonically. It refuses two
// keys of one canonical name and elements that are not float32, float16 or
// bfloat16. component is the name for error messages, such as "unet".
func NewIndex(component string, kind Kind, files ...*File) (*Index, error) {
	x := &Index{component: component, kind: kind, entries: make(map[string]Entry)}
	var faults []error
	for _, f := range files {
		x.files = append(x.files, f.Path)
		for _, e := range f.Entries {
			e.Name = kind.canonical(e.Key)
			if kind.dropped(e.Name) {
				x.ignored = append(x.ignored, e)
				continue
			}
			if err := weightType(e); err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: tensor %s: %w", component, e.File, show(e.Key), err))
			} else if old, twice := x.entries[e.Name]; !twice {
				x.entries[e.Name] = e
			} else if old.Key == e.Key {
				faults = append(faults, fmt.Errorf("%s: tensor %s is in both %s and %s", component, show(e.Key), old.File, e.File))
			} else {
				faults = append(faults, fmt.Errorf("%s: %s: tensors %s and %s are one under its old and its new name", component, e.File, show(old.Key), show(e.Key)))
			}
		}
	}
	if err := joinSome(faults); err != nil {
		return nil, err
	}
	return x, nil
}

// maxListed bounds how many faults of a kind one error lists; it gives the
// count of the others.
const maxListed = 50

// joinSome joins the first errors, a line each, and counts the others.
func joinSome(errs []error) error {
	if n := len(errs) - maxListed; n > 0 {
		errs = append(errs[:maxListed:maxListed], fmt.Errorf("and %d more of this kind", n))
	}
	return errors.Join(errs...)
}

// Lookup returns the tensor of a canonical name.
func (x *Index) Lookup(name string) (Entry, bool) {
	e, ok := x.entries[name]
	return e, ok
}

// Len returns the number of tensors.
func (x *Index) Len() int { return len(x.entries) }

// Names returns the canonical names, sorted.
func (x *Index) Names() []string { return slices.Sorted(maps.Keys(x.entries)) }

// Files returns the paths of the weight files: absolute, symbolic links resolved.
func (x *Index) Files() []string { return slices.Clone(x.files) }

// Ignored returns the tensors of the files that no network needs, such as
// position_ids.
func (x *Index) Ignored() []Entry { return slices.Clone(x.ignored) }

// Folder returns the deepest folder that holds all of the weight files. ONNX
// Runtime reads external data below one folder only.
func (x *Index) Folder() string {
	folder := ""
	for i, f := range x.files {
		if i == 0 {
			folder = filepath.Dir(f)
		}
		for folder != filepath.Dir(folder) && !strings.HasPrefix(f, folder+string(filepath.Separator)) {
			folder = filepath.Dir(folder)
		}
	}
	return folder
}

// Check compares the tensors with those that a network wants and returns a
// *CheckError that names every missing, extra and mis-shaped one, or nil.
//
// A linear weight [a, b] may lie in the file as a convolution's [a, b, 1, 1] or
// [a, b, 1], and the reverse: the bytes are the same.
func (x *Index) Check(want []Param) error {
	e := &CheckError{Component: x.component, Files: x.Files()}
	wanted := make(map[string]bool, len(want))
	for _, p := range want {
		wanted[p.Name] = true
		have, ok := x.entries[p.Name]
		switch {
		case !ok:
			e.Missing = append(e.Missing, p)
		case !sameBytes(have.Shape, p.Shape):
			e.Misshaped = append(e.Misshaped, Mismatch{have, p.Shape})
		}
	}
	for name, have := range x.entries {
		if !wanted[name] && !x.kind.optional(name) {
			e.Extra = append(e.Extra, have)
		}
	}
	slices.SortFunc(e.Extra, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if e.total() == 0 {
		return nil
	}
	return e
}

// sameBytes reports whether two shapes are equal, or those of one matrix and
// the same matrix as a convolution of width 1.
func sameBytes(a, b tensor.Shape) bool {
	if a.Equal(b) {
		return true
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) == 2 && len(b) <= 4 && a.Equal(b[:2]) && !slices.ContainsFunc(b[2:], func(d int64) bool { return d != 1 })
}

// CheckError lists how a component's files differ from what its config asks for.
type CheckError struct {
	Component string
	Files     []string
	Missing   []Param
	Extra     []Entry
	Misshaped []Mismatch
}

// Mismatch is a tensor whose shape is not the wanted one.
type Mismatch struct {
	Entry
	Want tensor.Shape
}

func (e *CheckError) total() int { return len(e.Missing) + len(e.Extra) + len(e.Misshaped) }

func (e *CheckError) where() string {
	switch len(e.Files) {
	case 0:
		return e.Component
	case 1:
		return e.Component + ": " + e.Files[0]
	}
	return fmt.Sprintf("%s: %s and %d more files", e.Component, e.Files[0], len(e.Files)-1)
}

// Error returns one line where one tensor is wrong, otherwise a line with the
// counts and then a line a tensor, up to 50 of a kind.
func (e *CheckError) Error() string {
	var lines []string
	list := func(n int, line func(i int) string, more string) {
		for i := range min(n, maxListed) {
			lines = append(lines, line(i))
		}
		if n > maxListed {
			lines = append(lines, fmt.Sprintf("and %d more %s tensors", n-maxListed, more))
		}
	}
	list(len(e.Missing), func(i int) string {
		return fmt.Sprintf("tensor %s %v is missing", e.Missing[i].Name, e.Missing[i].Shape)
	}, "missing")
	list(len(e.Extra), func(i int) string {
		return fmt.Sprintf("tensor %s %v is extra: the network has none of this name", show(e.Extra[i].Key), e.Extra[i].Shape)
	}, "extra")
	list(len(e.Misshaped), func(i int) string {
		m := e.Misshaped[i]
		return fmt.Sprintf("tensor %s has shape %v, the config asks for %v", show(m.Key), m.Shape, m.Want)
	}, "mis-shaped")
	if e.total() == 1 {
		return e.where() + ": " + lines[0]
	}
	return fmt.Sprintf("%s: the weights do not fit the config: %d tensors missing, %d extra, %d mis-shaped\n  %s",
		e.where(), len(e.Missing), len(e.Extra), len(e.Misshaped), strings.Join(lines, "\n  "))
}
