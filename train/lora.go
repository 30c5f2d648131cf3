package train

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/weights/lora"
)

// LoRA says which modules get low-rank terms, and of what kind.
type LoRA struct {
	Rank  int64
	Alpha float64 // the term is multiplied by Alpha / Rank; 0 is the rank, a factor of 1
	// Targets are names of sets ([lora.Attention], [lora.Transformer], [lora.All]) and
	// patterns of path.Match over modules' paths, such as mid_block.*.to_k; a module is
	// taken that one of them has. Empty is the set Attention.
	Targets []string
}

// Check returns every fault of the options, joined.
func (o LoRA) Check() error {
	var faults []error
	if o.Rank < 1 {
		faults = append(faults, fmt.Errorf("lora.rank is %d, expected 1 or more", o.Rank))
	}
	if !(o.Alpha >= 0 && o.Alpha <= math.MaxFloat32) {
		faults = append(faults, fmt.Errorf("lora.alpha is %v, expected a number above 0", o.Alpha))
	}
	for _, pattern := range o.Targets {
		if _, err := path.Match(pattern, ""); err != nil {
			faults = append(faults, fmt.Errorf("lora.targets has %q, which is no pattern: %w", pattern, err))
		}
	}
	return errors.Join(faults...)
}

func (o LoRA) scale() float64 {
	if o.Alpha == 0 {
		return 1
	}
	return o.Alpha / float64(o.Rank)
}

// Picks reports whether a module gets a low-rank term.
func (o LoRA) Picks(m lora.Module) bool {
	if len(o.Targets) == 0 {
		return lora.Attention.Has(m)
	}
	return slices.ContainsFunc(o.Targets, func(t string) bool { return o.picks(t, m) })
}

func (o LoRA) picks(target string, m lora.Module) bool {
	switch set := lora.Targets(target); set {
	case lora.Attention, lora.Transformer, lora.All:
		return set.Has(m)
	}
	ok, _ := path.Match(target, m.Path) // Check has seen the pattern
	return ok
}

// Add returns a network with low-rank terms, their factors as tensors to be trained,
// and the layers of the adapter, which hold the tensors' own values: what they are when
// it is written. component is the network's name, such as [lora.UNet]. As peft does it,
// A is uniform within 1 over the root of its columns, by the seed and the module's name,
// and B is zero: at first nothing is changed.
func (o LoRA) Add(g *onnx.Graph, component string, seed uint64) (*onnx.Graph, []Tensor, []lora.Layer, error) {
	if err := o.Check(); err != nil {
		return nil, nil, nil, err
	}
	targets := o.Targets
	if len(targets) == 0 {
		targets = []string{string(lora.Attention)}
	}
	found := map[string]bool{}
	out, terms, err := model.AddLoRA(g, func(m model.Module) model.Rank {
		shape, _ := m.Shape.Const()
		rank := model.Rank{}
		for _, t := range targets {
			if o.picks(t, lora.Module{Component: component, Path: m.Path, Shape: shape}) {
				found[t], rank = true, model.Rank{Rank: o.Rank, Scale: o.scale()}
			}
		}
		return rank
	})
	if err != nil {
		return nil, nil, nil, err
	}
	var faults []error
	for _, t := range targets {
		if !found[t] {
			faults = append(faults, fmt.Errorf("lora.targets has %q, which is no module of %s (nor attention, transformer or all)", t, component))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, nil, err
	}
	place := map[string]int{} // adapters have their layers in the parameters' order
	for i, p := range g.Params {
		place[p.Name] = i
	}
	slices.SortStableFunc(terms, func(a, b model.LoRA) int { return place[a.Path+".weight"] - place[b.Path+".weight"] })
	var tensors []Tensor
	var layers []lora.Layer
	for _, t := range terms {
		shape, _ := t.Shape.Const()
		a, b := newTensor(t.A), newTensor(t.B)
		chance := Chance(seed, "lora "+component+"."+t.Path)
		bound := 1 / math.Sqrt(float64(int64(len(a.Values))/o.Rank))
		for i := range a.Values {
			a.Values[i] = float32(bound * (2*chance.Float64() - 1))
		}
		tensors = append(tensors, a, b)
		layers = append(layers, lora.Layer{
			Module: lora.Module{Component: component, Path: t.Path, Shape: shape},
			Rank:   o.Rank, A: a.Values, B: b.Values, Scale: o.scale(),
		})
	}
	return out, tensors, layers, nil
}

// newTensor is room for a value of the graph that is trained.
func newTensor(v *onnx.Value) Tensor {
	shape, _ := v.Shape.Const()
	n, _ := shape.Elements()
	return Tensor{Name: v.Name, Shape: slices.Clone(shape), Values: make([]float32, n), Gradient: make([]float32, n)}
}
