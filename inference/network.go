package inference

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

// network is one graph with its weights, made ready when it is first needed.
type network struct {
	graph     *onnx.Graph
	component *weights.Component
	settings  Settings
	runtime   *ort.Runtime

	fault func(inputs map[string]ort.Tensor) error // tests let calls fail with it; nil outside of them

	mu      sync.Mutex
	session *ort.Session
	key     string // what proofs are kept under, once there is a session
}

// load makes the session if there is none yet.
func (n *network) load() (*ort.Session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session != nil {
		return n.session, nil
	}
	dialect, err := onnx.CPU(n.graph)
	if err != nil {
		return nil, err
	}
	encoded, err := onnx.Encode(dialect, bind.External(n.component.Index, false))
	if err != nil {
		return nil, err
	}
	c := ort.SessionConfig{
		Name: n.component.Name + " (" + n.component.Dir + ")", Model: encoded, ExternalDir: n.component.Index.Folder(),
		Threads: n.settings.Threads, Arena: n.settings.Arena, Lean: n.settings.Lean, Profile: n.settings.Profile,
	}
	for _, v := range dialect.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	for _, r := range dialect.Outputs {
		c.Outputs = append(c.Outputs, r.Name)
	}
	n.key = fmt.Sprintf("%s, %s, graph %.8x", n.component.Name, Fingerprint(n.runtime, n.settings), sha256.Sum256(encoded))
	n.session, err = n.runtime.NewSession(c)
	return n.session, err
}

// proofKey is "" before there is a session.
func (n *network) proofKey() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.key
}

func (n *network) run(ctx context.Context, inputs map[string]ort.Tensor) (map[string]ort.Tensor, error) {
	s, err := n.load()
	if err != nil {
		return nil, err
	}
	if n.fault != nil {
		if err := n.fault(inputs); err != nil {
			return nil, err
		}
	}
	return s.Run(ctx, inputs)
}

// open reports whether there is a session.
func (n *network) open() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.session != nil
}

func (n *network) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil {
		return nil
	}
	err := n.session.Close()
	n.session = nil
	return err
}
