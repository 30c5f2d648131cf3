package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cosmicman/autodiff"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// ProgramConfig is what a [Program] is made from.
type ProgramConfig struct {
	Name string // for errors
	// Graph is a network with its losses, each of shape [1], as its results, and nothing
	// else as a result. It is used up.
	Graph *onnx.Graph
	// Loss is the name of the result that is derived.
	Loss string
	// Tensors are what is trained: by Name, parameters or inputs of the graph. The
	// program reads Values and adds to Gradient where they lie.
	Tensors []Tensor
	// Through are other inputs by which is derived, such as the text's states where
	// text encoders are trained as well.
	Through []string
	// Frozen says where the parameters are that are not trained. It may be nil where
	// all are.
	Frozen *weights.Index
	// Recompute computes every block's inside once more for the backward pass instead of
	// keeping it: a third more time, for a fraction of the memory.
	Recompute bool
	// Heads is how many heads of an attention are derived at a time, 0 for all: see
	// [autodiff.Plan].
	Heads   int64
	Threads int    // 0: one a core
	Profile string // path prefix of ONNX Runtime's profile of the gradients, "" for none
}

// Program is a network, its losses and their gradients, ready to run. Rows, height
// and width are free, so that one program serves every batch. It may be called by
// several goroutines, and runs one call at a time.
type Program struct {
	config   ProgramConfig
	runtime  *ort.Runtime
	losses   []string
	gradient *ort.Session
	nodes    int // of the graph with gradients
	encoded  []byte

	mu      sync.Mutex
	forward *ort.Session // made when something is first evaluated
	closed  bool
}

// NewProgram derives the loss and makes a session of it.
func NewProgram(rt *ort.Runtime, c ProgramConfig) (*Program, error) {
	p := &Program{config: c, runtime: rt}
	g := c.Graph
	if err := g.Err(); err != nil {
		return nil, err
	}
	fail := func(err error) (*Program, error) { return nil, fmt.Errorf("%s: %w", c.Name, err) }
	loss, err := p.check(g)
	if err != nil {
		return fail(err)
	}
	if p.encoded, err = p.encode(g); err != nil {
		return fail(err)
	}
	plan := autodiff.Plan{Heads: c.Heads}
	if c.Recompute {
		plan.Block = model.Block
	}
	one, err := autodiff.One(g, loss)
	if err != nil {
		return fail(err)
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
		return fail(err)
	}
	for i, t := range c.Tensors {
		g.Result(gradientName(t.Name), by[i])
	}
	for i, name := range c.Through {
		g.Result(gradientName(name), by[len(c.Tensors)+i])
	}
	p.nodes = len(g.Nodes)
	encoded, err := p.encode(g)
	if err != nil {
		return fail(err)
	}
	// With an arena a step takes a third of the time. See package ort for the level:
	// whatever merges equal nodes would undo recomputation, and a frozen weight that is
	// turned or cast ahead of time is a second copy of it.
	p.gradient, err = p.session(encoded, ort.SessionConfig{Name: c.Name + "'s gradients", Arena: true, Profile: c.Profile})
	return p, err
}

// The names of what a graph with gradients takes and gives for each tensor.
func sumName(tensor string) string      { return "sum of gradients by " + tensor }
func gradientName(tensor string) string { return "gradient by " + tensor }

// check holds the configuration against the graph and returns the loss.
func (p *Program) check(g *onnx.Graph) (*onnx.Value, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var loss *onnx.Value
	for _, r := range g.Outputs {
		p.losses = append(p.losses, r.Name)
		if !r.Value.Shape.Equal(onnx.Shape{onnx.N(1)}) || r.Value.DType != tensor.Float32 {
			fault("the loss %s is %v%v, expected float32[1]", r.Name, r.Value.DType, r.Value.Shape)
		}
		if r.Name == p.config.Loss {
			loss = r.Value
		}
	}
	if loss == nil {
		fault("no result is called %q; there are %s", p.config.Loss, strings.Join(p.losses, ", "))
	}
	if len(p.config.Tensors) == 0 {
		fault("nothing is trained")
	}
	for _, t := range p.config.Tensors {
		v := valueOf(g, t.Name)
		if v == nil {
			fault("no tensor %s, which is to be trained", t.Name)
			continue
		}
		n, err := t.Shape.Elements()
		if shape, ok := constShape(v.Shape); err != nil || !ok || !shape.Equal(t.Shape) || v.DType != tensor.Float32 {
			fault("%s is float32%v for training, %v%v in the network", t.Name, t.Shape, v.DType, v.Shape)
		} else if int64(len(t.Values)) != n || int64(len(t.Gradient)) != n {
			fault("%s%v has %d values and %d of the gradient", t.Name, t.Shape, len(t.Values), len(t.Gradient))
		}
	}
	for _, name := range p.config.Through {
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

func constShape(s onnx.Shape) (tensor.Shape, bool) {
	out := make(tensor.Shape, len(s))
	for i, d := range s {
		n, ok := d.Const()
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// encode writes a graph in the CPU's dialect. What is trained is an input.
func (p *Program) encode(g *onnx.Graph) ([]byte, error) {
	trained := map[string]bool{}
	for _, t := range p.config.Tensors {
		trained[t.Name] = true
	}
	free, err := onnx.Free(g, func(name string) bool { return trained[name] })
	if err != nil {
		return nil, err
	}
	cpu, err := onnx.CPU(free)
	if err != nil {
		return nil, err
	}
	return onnx.Encode(cpu, func(name string) (onnx.External, error) {
		if p.config.Frozen == nil {
			return onnx.External{}, fmt.Errorf("%s is not trained, and there are no weights for what is not", name)
		}
		e, ok := p.config.Frozen.Lookup(name)
		if !ok {
			return onnx.External{}, fmt.Errorf("%s: no tensor %s", strings.Join(p.config.Frozen.Files(), ", "), name)
		}
		rel, err := filepath.Rel(p.config.Frozen.Folder(), e.File)
		return onnx.External{Location: rel, Offset: e.Offset, Length: e.Length, DType: e.DType, Cast: true}, err
	})
}

func (p *Program) session(encoded []byte, c ort.SessionConfig) (*ort.Session, error) {
	c.Model, c.Threads, c.Level, c.Lean = encoded, p.config.Threads, ort.None, true
	if p.config.Frozen != nil {
		c.ExternalDir = p.config.Frozen.Folder()
	}
	return p.runtime.NewSession(c)
}

// Nodes is how many operators a call of Gradients runs: more with recomputation.
func (p *Program) Nodes() int { return p.nodes }

// Gradients runs the network forward and backward on the inputs that are not trained,
// adds the loss's gradients to the tensors' and returns the losses by name. through is
// memory for the gradients by inputs of the configuration's Through, by their names,
// which are written, not added to; those that are not asked for may be left out. After
// an error what the gradients hold is of no use: a loss that is not finite is
// ErrNotFinite.
func (p *Program) Gradients(ctx context.Context, given, through map[string]ort.Tensor) (map[string]float64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inputs, outputs := p.bind(given)
	for _, t := range p.config.Tensors {
		inputs[sumName(t.Name)] = ort.Floats(t.Gradient, t.Shape...)
		outputs[gradientName(t.Name)] = ort.Floats(t.Gradient, t.Shape...) // each element is read where it is written
	}
	for name, t := range through {
		outputs[gradientName(name)] = t
	}
	return p.run(ctx, p.gradient, inputs, outputs)
}

// Evaluate returns the losses alone.
func (p *Program) Evaluate(ctx context.Context, given map[string]ort.Tensor) (map[string]float64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ort.ErrClosed
	}
	if p.forward == nil {
		s, err := p.session(p.encoded, ort.SessionConfig{Name: p.config.Name})
		if err != nil {
			return nil, err
		}
		p.forward, p.encoded = s, nil
	}
	inputs, outputs := p.bind(given)
	return p.run(ctx, p.forward, inputs, outputs)
}

// bind gives the session the tensors' values beside what was given, and room for the losses.
func (p *Program) bind(given map[string]ort.Tensor) (inputs, outputs map[string]ort.Tensor) {
	inputs, outputs = map[string]ort.Tensor{}, map[string]ort.Tensor{}
	for name, t := range given {
		inputs[name] = t
	}
	for _, t := range p.config.Tensors {
		inputs[t.Name] = ort.Floats(t.Values, t.Shape...)
	}
	for _, name := range p.losses {
		outputs[name] = ort.Floats(make([]float32, 1), 1)
	}
	return inputs, outputs
}

func (p *Program) run(ctx context.Context, s *ort.Session, inputs, outputs map[string]ort.Tensor) (map[string]float64, error) {
	if err := s.RunInto(ctx, inputs, outputs); err != nil {
		return nil, err
	}
	losses := map[string]float64{}
	for _, name := range p.losses {
		losses[name] = float64(outputs[name].Float32()[0])
	}
	for _, name := range p.losses {
		if v := losses[name]; math.IsNaN(v) || math.IsInf(v, 0) {
			return losses, fmt.Errorf("%s: the loss %s is %v: %w", p.config.Name, name, v, p.notFinite(inputs))
		}
	}
	return losses, nil
}

// notFinite is ErrNotFinite with the names of the weights and inputs that are to blame.
func (p *Program) notFinite(inputs map[string]ort.Tensor) error {
	sums := map[string]bool{}
	for _, t := range p.config.Tensors {
		sums[sumName(t.Name)] = true
	}
	var bad []string
	for name, t := range inputs {
		if !sums[name] && !finite(t.Float32()) {
			bad = append(bad, name)
		}
	}
	slices.Sort(bad)
	if bad == nil {
		return fmt.Errorf("%w: every weight and input is finite", ErrNotFinite)
	}
	return fmt.Errorf("%w: %s", ErrNotFinite, someOf(bad))
}

// Close frees the sessions. The tensors stay.
func (p *Program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	err := p.gradient.Close()
	if p.forward != nil {
		err = errors.Join(err, p.forward.Close())
	}
	return err
}
