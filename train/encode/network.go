package encode

import (
	"context"
	"sync"

	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

// Options say how networks run and what is kept of their results.
type Options struct {
	Threads int  // 0: one a core
	Lean    bool // see ort.SessionConfig
	// Rows bounds the texts of one call; 0: 2. More pay on devices whose time is not
	// linear in rows, and are used where they do not change the bits.
	Rows int
	// Memory bounds the bytes of results that are kept in memory; 0: 64 MiB, below 0:
	// none.
	Memory int64
	// Cache keeps results on disk; nil: none.
	Cache *Cache
	// Half keeps results on disk as float16, which halves their bytes and changes the
	// results by up to 1 in 2048, when they are read and when they are made alike.
	Half bool
}

func (o Options) memory() int64 {
	switch {
	case o.Memory < 0:
		return 0
	case o.Memory == 0:
		return 64 << 20
	}
	return o.Memory
}

// network is a graph with a component's weights. Its session is made when it is first
// needed, and again after it was freed.
type network struct {
	graph     *onnx.Graph
	component *weights.Component
	options   Options
	runtime   *ort.Runtime

	mu      sync.RWMutex // held for reading during a run
	session *ort.Session

	identifying sync.Mutex
	identity    *Key
}

func newNetwork(rt *ort.Runtime, c *weights.Component, o Options, g *onnx.Graph) *network {
	return &network{graph: g, component: c, options: o, runtime: rt}
}

// load makes the session if there is none.
func (n *network) load() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session != nil {
		return nil
	}
	dialect, err := onnx.CPU(n.graph)
	if err != nil {
		return err
	}
	encoded, err := onnx.Encode(dialect, bind.External(n.component.Index, false))
	if err != nil {
		return err
	}
	c := ort.SessionConfig{
		Name: n.component.Name + " (" + n.component.Dir + ")", Model: encoded, ExternalDir: n.component.Index.Folder(),
		Threads: n.options.Threads, Lean: n.options.Lean,
	}
	for _, v := range dialect.Inputs {
		c.Inputs = append(c.Inputs, v.Name)
	}
	for _, r := range dialect.Outputs {
		c.Outputs = append(c.Outputs, r.Name)
	}
	n.session, err = n.runtime.NewSession(c)
	return err
}

// run makes the session if there is none, and runs it.
func (n *network) run(ctx context.Context, inputs map[string]ort.Tensor) (map[string]ort.Tensor, error) {
	for {
		if err := n.load(); err != nil {
			return nil, err
		}
		n.mu.RLock()
		if n.session == nil { // freed between the two
			n.mu.RUnlock()
			continue
		}
		out, err := n.session.Run(ctx, inputs)
		n.mu.RUnlock()
		return out, err
	}
}

// free ends the session, and with it the memory that it takes, once no run needs it.
func (n *network) free() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil {
		return nil
	}
	err := n.session.Close()
	n.session = nil
	return err
}
