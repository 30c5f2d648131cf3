package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/weights"
	"cosmicman/weights/bind"
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
	// Heads is how many heads of an attention are derived at a time (see
	// [autodiff.Plan]): 0 is one with Recompute, which takes no longer where there are
	// many positions, and all without.
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
	fail := func(err error) (*Program, error) { return nil, fmt.Errorf("%s: %w", c.Name, err) }
	var faults []error
	for _, t := range c.Tensors {
		if n, err := t.Shape.Elements(); err != nil || int64(len(t.Values)) != n || int64(len(t.Gradient)) != n {
			faults = append(faults, fmt.Errorf("%s%v has %d values and %d of the gradient", t.Name, t.Shape, len(t.Values), len(t.Gradient)))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fail(err)
	}
	for _, r := range c.Graph.Outputs {
		p.losses = append(p.losses, r.Name)
	}
	forward, backward, err := c.derive()
	if err != nil {
		return fail(err)
	}
	if p.encoded, err = c.encode(forward); err != nil {
		return fail(err)
	}
	encoded, err := c.encode(backward)
	if err != nil {
		return fail(err)
	}
	p.nodes = len(backward.Nodes)
	// With an arena a step takes a third of the time. See package ort for the level:
	// whatever merges equal nodes would undo recomputation, and a frozen weight that is
	// turned or cast ahead of time is a second copy of it.
	p.gradient, err = p.session(encoded, ort.SessionConfig{Name: c.Name + "'s gradients", Arena: true, Profile: c.Profile})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// The names of what a graph with gradients takes and gives for each tensor.
func sumName(tensor string) string      { return "sum of gradients by " + tensor }
func gradientName(tensor string) string { return "gradient by " + tensor }

// encode writes a graph whose parameters are the frozen weights.
func (c ProgramConfig) encode(g *onnx.Graph) ([]byte, error) {
	if c.Frozen != nil {
		return onnx.Encode(g, bind.External(c.Frozen, true))
	}
	return onnx.Encode(g, func(name string) (onnx.External, error) {
		return onnx.External{}, fmt.Errorf("%s is not trained, and there are no weights for what is not", name)
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
