package ort

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	binding "github.com/yalue/onnxruntime_go"
)

// Device says where a session runs. Kinds beside the CPU are added with their
// providers.
type Device string

// CPU is ONNX Runtime's own CPU provider.
const CPU Device = "cpu"

// SessionConfig is what a session is made from. Zero values of the options are
// the measured defaults.
type SessionConfig struct {
	Name        string // for errors
	Model       []byte // ONNX ModelProto
	ExternalDir string // folder that external data is relative to
	Inputs      []string
	Outputs     []string
	Device      Device // "" is CPU
	Threads     int    // 0: one a core
	Arena       bool   // keep freed memory for the next run instead of giving it back
	Lean        bool   // run on the mapped weights alone: kernels keep no packed copies, which costs a fifth of the speed
	Profile     string // path prefix of a profile, "" for none
}

// Session is a network made ready on a device.
type Session struct {
	name            string
	inputs, outputs []string

	mu      sync.RWMutex // held shared by runs, exclusively by Close
	session *binding.DynamicAdvancedSession
}

// NewSession makes a session. The model's external data is mapped, not read.
func (r *Runtime) NewSession(c SessionConfig) (*Session, error) {
	fail := func(err error) (*Session, error) {
		return nil, &Error{Op: "make a session of " + c.Name, Cause: err}
	}
	if c.Device != "" && c.Device != CPU {
		return fail(fmt.Errorf("device %q is not available, only cpu", c.Device))
	}
	o, err := binding.NewSessionOptions()
	if err != nil {
		return fail(err)
	}
	defer o.Destroy()
	set := []func() error{
		// ENABLE_ALL lays convolution weights out anew: eight times the start-up, no faster step.
		func() error { return o.SetGraphOptimizationLevel(binding.GraphOptimizationLevelEnableExtended) },
		func() error { return o.SetIntraOpNumThreads(c.Threads) },
		func() error { return o.SetCpuMemArena(c.Arena) },
		func() error { return o.SetMemPattern(false) }, // shapes vary
		func() error { return o.SetLogSeverityLevel(binding.LoggingLevelError) },
		func() error {
			return o.AddSessionConfigEntry("session.disable_prepacking", strconv.Itoa(map[bool]int{true: 1}[c.Lean]))
		},
	}
	if c.ExternalDir != "" {
		set = append(set, func() error {
			return o.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", c.ExternalDir)
		})
	}
	if c.Profile != "" {
		set = append(set, func() error { return o.EnableProfiling(c.Profile) })
	}
	for _, f := range set {
		if err := f(); err != nil {
			return fail(err)
		}
	}
	s, err := binding.NewDynamicAdvancedSessionWithONNXData(c.Model, c.Inputs, c.Outputs, o)
	if err != nil {
		return fail(err)
	}
	return &Session{name: c.Name, inputs: c.Inputs, outputs: c.Outputs, session: s}, nil
}

// Run evaluates the network once. Every input must be given; all outputs are
// returned, in memory of their own. When ctx ends, the run stops at the next
// operator and ctx's error is returned.
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return nil, ErrClosed
	}
	if len(inputs) != len(s.inputs) {
		return nil, fmt.Errorf("%s takes %d inputs, was given %d", s.name, len(s.inputs), len(inputs))
	}
	ins := make([]binding.Value, len(s.inputs))
	outs := make([]binding.Value, len(s.outputs))
	defer func() {
		for _, v := range append(ins, outs...) {
			if v != nil {
				v.Destroy()
			}
		}
	}()
	for i, name := range s.inputs {
		t, ok := inputs[name]
		if !ok {
			return nil, fmt.Errorf("%s needs input %q", s.name, name)
		}
		v, err := t.value()
		if err != nil {
			return nil, fmt.Errorf("%s: input %q: %w", s.name, name, err)
		}
		ins[i] = v
	}
	if err := s.run(ctx, ins, outs); err != nil {
		return nil, err
	}
	results := make(map[string]Tensor, len(outs))
	for i, v := range outs {
		t, err := take(v)
		if err != nil {
			return nil, fmt.Errorf("%s: output %q: %w", s.name, s.outputs[i], err)
		}
		results[s.outputs[i]] = t
	}
	return results, nil
}

func (s *Session) run(ctx context.Context, ins, outs []binding.Value) error {
	opts, err := binding.NewRunOptions()
	if err != nil {
		return &Error{Op: "run " + s.name, Cause: err}
	}
	defer opts.Destroy()
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		opts.Terminate() // a failure here only means that the run goes on to its end
	})
	err = s.session.RunWithOptions(ins, outs, opts)
	if !release() {
		<-stopped // opts must outlive the call above
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &Error{Op: "run " + s.name, Cause: err}
	}
	return nil
}

// Close waits for runs under way and frees the session. Closing twice is allowed.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}
