package train

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"cosmicman/onnx"
	"cosmicman/ort"
)

// forward is a network without losses that runs on the values that tensors have now.
// Its session is made when it is first needed. It may be called by several goroutines,
// and runs one call at a time.
type forward struct {
	runtime *ort.Runtime
	config  ProgramConfig // Name, Tensors, Frozen and Threads
	graph   func() (*onnx.Graph, error)

	mu      sync.Mutex
	session *ort.Session
	closed  bool
}

// run returns the network's results. Tensors that it does not have are left out.
func (f *forward) run(ctx context.Context, given map[string]ort.Tensor) (map[string]ort.Tensor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil {
		return nil, err
	}
	inputs := maps.Clone(given)
	for _, t := range f.config.Tensors {
		inputs[t.Name] = ort.Floats(t.Values, t.Shape...)
	}
	return f.session.Run(ctx, inputs)
}

func (f *forward) open() error {
	if f.closed {
		return ort.ErrClosed
	}
	if f.session != nil {
		return nil
	}
	g, err := f.graph()
	if err != nil {
		return err
	}
	var own []Tensor
	for _, t := range f.config.Tensors {
		if valueOf(g, t.Name) != nil {
			own = append(own, t)
		}
	}
	f.config.Tensors, f.config.Graph = own, g
	p := &Program{config: f.config, runtime: f.runtime}
	cpu, err := f.config.dialect()
	if err != nil {
		return fmt.Errorf("%s: %w", f.config.Name, err)
	}
	encoded, err := f.config.encode(cpu)
	if err != nil {
		return fmt.Errorf("%s: %w", f.config.Name, err)
	}
	f.session, err = p.session(encoded, ort.SessionConfig{Name: f.config.Name, Arena: true})
	return err
}

func (f *forward) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.session == nil {
		return nil
	}
	return f.session.Close()
}
