package ort

import "fmt"

// Kind names what executes a session.
type Kind string

// The kinds of devices. A plug-in is an execution provider in a library of its
// own.
const (
	CPU    Kind = "cpu"
	CUDA   Kind = "cuda"
	Plugin Kind = "plugin"
)

// Device says where a session runs. The zero value is ONNX Runtime's own CPU
// provider.
type Device struct {
	Kind    Kind
	Index   int               // which one, where there are several
	Library string            // a plug-in's library
	Options map[string]string // the provider's own options
}

func (d Device) check() error {
	switch d.Kind {
	case "", CPU:
		if d.Index != 0 || d.Library != "" || len(d.Options) > 0 {
			return fmt.Errorf("device cpu takes no index, library or options")
		}
		return nil
	}
	return fmt.Errorf("%w: %q, expected %q", ErrUnavailable, d.Kind, CPU)
}
