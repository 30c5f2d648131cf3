package lora

import (
	"errors"
	"fmt"
	"math"
)

// Adapter is what a LoRA file holds.
type Adapter struct {
	Layers   []Layer           // one a module at most, in the order of Names.Modules
	Metadata map[string]string // the file's, as it stands there
}

// Layer changes one module's weight W, as a matrix [Out, In], to W + Scale * B A.
type Layer struct {
	Module Module
	Rank   int64
	A      []float32 // [Rank, In] row-major: down
	B      []float32 // [Out, Rank] row-major: up
	Scale  float64   // alpha / rank
}

// Alpha is the scale as LoRA files have it: times the rank.
func (l Layer) Alpha() float64 { return l.Scale * float64(l.Rank) }

// AddTo adds weight times the layer's change to w, the module's weight [Out, In].
func (l Layer) AddTo(w []float32, weight float64) error {
	if err := l.check(); err != nil {
		return err
	}
	out, in, r := int(l.Module.Out()), int(l.Module.In()), int(l.Rank)
	if len(w) != out*in {
		return fmt.Errorf("module %s: a weight of %d elements, %d x %d are expected", l.Module, len(w), out, in)
	}
	row := make([]float64, in)
	for o := range out {
		clear(row)
		for k := range r {
			b := float64(l.B[o*r+k])
			for i, a := range l.A[k*in : (k+1)*in] {
				row[i] += b * float64(a)
			}
		}
		for i, v := range row {
			w[o*in+i] += float32(weight * l.Scale * v)
		}
	}
	return nil
}

// check compares the layer's parts with each other.
func (l Layer) check() error {
	m := l.Module
	if len(m.Shape) != 2 && len(m.Shape) != 4 {
		return fmt.Errorf("module %s: a weight of shape %v is neither a matrix nor a convolution", m, m.Shape)
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("module %s %v: %s", m, m.Shape, fmt.Sprintf(format, args...))
	}
	switch {
	case l.Rank < 1:
		return fail("rank %d, at least 1 is expected", l.Rank)
	case int64(len(l.A))/l.Rank != m.In() || int64(len(l.A))%l.Rank != 0:
		return fail("A has %d elements, %d x %d are expected", len(l.A), l.Rank, m.In())
	case int64(len(l.B))/l.Rank != m.Out() || int64(len(l.B))%l.Rank != 0:
		return fail("B has %d elements, %d x %d are expected", len(l.B), m.Out(), l.Rank)
	case math.IsNaN(l.Scale) || math.IsInf(l.Scale, 0):
		return fail("scale %v is not finite", l.Scale)
	}
	return nil
}

// check holds an adapter against the modules that there are.
func (a *Adapter) check(n *Names) error {
	var faults []error
	seen := make(map[string]bool, len(a.Layers))
	for _, l := range a.Layers {
		if _, known := n.place(l.Module); !known {
			faults = append(faults, fmt.Errorf("module %s %v: the model has none of this name and shape", l.Module, l.Module.Shape))
		} else if seen[l.Module.String()] {
			faults = append(faults, fmt.Errorf("module %s: given twice", l.Module))
		} else if err := l.check(); err != nil {
			faults = append(faults, err)
		}
		seen[l.Module.String()] = true
	}
	if len(a.Layers) == 0 {
		return errors.New("no layers")
	}
	return joinSome(faults)
}

// maxListed bounds how many faults one error lists; it counts the others.
const maxListed = 20

func joinSome(errs []error) error {
	if n := len(errs) - maxListed; n > 0 {
		errs = append(errs[:maxListed:maxListed], fmt.Errorf("and %d more faults", n))
	}
	return errors.Join(errs...)
}
