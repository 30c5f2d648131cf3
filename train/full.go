package train

import (
	"errors"
	"fmt"
	"path"

	"cosmicman/onnx"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

// Load reads a network's parameters as tensors to be trained: those that one of the
// patterns of path.Match over their names has, all where there are no patterns. It
// first holds the files against all that the network wants.
func Load(g *onnx.Graph, index *weights.Index, patterns []string) ([]Tensor, error) {
	if err := checkParams(g, index); err != nil {
		return nil, err
	}
	tensors, err := pick(g, patterns)
	if err != nil {
		return nil, err
	}
	failed := make([]error, len(tensors))
	for i := range tensors {
		n, _ := tensors[i].Shape.Elements()
		tensors[i].Values, tensors[i].Gradient = make([]float32, n), make([]float32, n)
	}
	parallel(len(tensors), func(i int) {
		e, _ := index.Lookup(tensors[i].Name) // checkParams has found it
		failed[i] = weights.ReadFloat32(tensors[i].Values, e)
	})
	return tensors, errors.Join(failed...)
}

// pick names what is to be trained, without values.
func pick(g *onnx.Graph, patterns []string) ([]Tensor, error) {
	var faults []error
	found := map[string]bool{}
	var tensors []Tensor
	for _, p := range g.Params {
		picked := len(patterns) == 0
		for _, pattern := range patterns {
			ok, err := path.Match(pattern, p.Name)
			if err != nil && !found[pattern] {
				faults = append(faults, fmt.Errorf("tensors has %q, which is no pattern: %w", pattern, err))
			}
			found[pattern] = found[pattern] || ok || err != nil
			picked = picked || ok
		}
		if picked {
			shape, _ := p.Shape.Const()
			tensors = append(tensors, Tensor{Name: p.Name, Shape: shape})
		}
	}
	for _, pattern := range patterns {
		if !found[pattern] {
			faults = append(faults, fmt.Errorf("tensors has %q, which no tensor of %s is called", pattern, g.Name))
		}
	}
	return tensors, errors.Join(faults...)
}

// checkParams holds the files against all that a network wants.
func checkParams(g *onnx.Graph, index *weights.Index) error {
	return index.Check(bind.Params(g))
}
