package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cosmicman/autodiff"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/tensor"
)

// derive returns the network with its losses, and with the gradients as well, both in
// the CPU's dialect and with what is trained among the inputs. It uses up the graph.
func (c ProgramConfig) derive() (forward, backward *onnx.Graph, err error) {
	g := c.Graph
	loss, err := c.check()
	if err != nil {
		return nil, nil, err
	}
	if forward, err = c.dialect(); err != nil {
		return nil, nil, err
	}
	plan := autodiff.Plan{Heads: c.Heads}
	if c.Recompute {
		plan.Block = model.Block
		if c.Heads == 0 {
			plan.Heads = 1
		}
	}
	one, err := autodiff.One(g, loss)
	if err != nil {
		return nil, nil, err
	}
	plan.Seeds = []autodiff.Seed{one}
	for _, t := range c.Tensors {
		plan.By = append(plan.By, valueOf(g, t.Name))
		plan.To = append(plan.To, g.Input(sumName(t.Name), tensor.Float32, valueOf(g, t.Name).Shape...))
	}
	for _, name := range c.Through {
		plan.By = append(plan.By, valueOf(g, name))
		plan.To = append(plan.To, nil)
	}
	by, err := autodiff.Backward(g, plan)
	if err != nil {
		return nil, nil, err
	}
	for i, t := range c.Tensors {
		g.Result(gradientName(t.Name), by[i])
	}
	for i, name := range c.Through {
		g.Result(gradientName(name), by[len(c.Tensors)+i])
	}
	backward, err = c.dialect()
	return forward, backward, err
}

// dialect is the graph as it stands in the CPU's dialect, what is trained as inputs.
func (c ProgramConfig) dialect() (*onnx.Graph, error) {
	trained := map[string]bool{}
	for _, t := range c.Tensors {
		trained[t.Name] = true
	}
	free, err := onnx.Free(c.Graph, func(name string) bool { return trained[name] })
	if err != nil {
		return nil, err
	}
	return onnx.CPU(free)
}

// check holds the configuration against the graph and returns the loss.
func (c ProgramConfig) check() (*onnx.Value, error) {
	g := c.Graph
	if err := g.Err(); err != nil {
		return nil, err
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var loss *onnx.Value
	var names []string
	for _, r := range g.Outputs {
		names = append(names, r.Name)
		if !r.Value.Shape.Equal(onnx.Shape{onnx.N(1)}) || r.Value.DType != tensor.Float32 {
			fault("the loss %s is %v%v, expected float32[1]", r.Name, r.Value.DType, r.Value.Shape)
		}
		if r.Name == c.Loss {
			loss = r.Value
		}
	}
	if loss == nil {
		fault("no result is called %q; there are %s", c.Loss, strings.Join(names, ", "))
	}
	if len(c.Tensors) == 0 {
		fault("nothing is trained")
	}
	for _, t := range c.Tensors {
		v := valueOf(g, t.Name)
		if v == nil {
			fault("no tensor %s, which is to be trained", t.Name)
		} else if shape, ok := v.Shape.Const(); !ok || !shape.Equal(t.Shape) || v.DType != tensor.Float32 {
			fault("%s is float32%v for training, %v%v in the network", t.Name, t.Shape, v.DType, v.Shape)
		}
	}
	for _, name := range c.Through {
		if v := valueOf(g, name); v == nil || v.Kind != onnx.Input {
			fault("no input %s to derive by", name)
		}
	}
	return loss, errors.Join(faults...)
}

// valueOf returns a parameter or an input.
func valueOf(g *onnx.Graph, name string) *onnx.Value {
	for _, v := range [][]*onnx.Value{g.Params, g.Inputs} {
		if i := slices.IndexFunc(v, func(v *onnx.Value) bool { return v.Name == name }); i >= 0 {
			return v[i]
		}
	}
	return nil
}
