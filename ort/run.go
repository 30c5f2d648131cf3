package ort

/*
#include "capi.h"
*/
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"unsafe"
)

// nothing stands for the data of tensors without elements: the library wants an
// address.
var nothing [1]byte

// Run evaluates the network once. Every input must be given; all outputs are
// returned, in memory of their own. When ctx ends, the run stops at the next
// operator and ctx's error is returned.
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	results := make(map[string]Tensor, len(s.outputs))
	err := s.run(ctx, inputs, s.outputs, nil, func(c *call) error {
		for i, info := range s.outputs {
			a, err := c.result(i)
			if err != nil {
				return fmt.Errorf("%s: output %q: %w", s.name, info.Name, err)
			}
			results[info.Name] = a.tensor()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// RunInto is Run with the outputs written where the caller wants them: only
// those that are given are computed, and each must have the shape that comes out.
// After an error what they hold is undefined.
func (s *Session) RunInto(ctx context.Context, inputs, outputs map[string]Tensor) error {
	var wanted []Info
	for _, info := range s.outputs {
		if _, ok := outputs[info.Name]; ok {
			wanted = append(wanted, info)
		}
	}
	if len(wanted) != len(outputs) || len(wanted) == 0 {
		return fmt.Errorf("%s gives %s; was asked for %s", s.name, namesOf(s.outputs), keysOf(outputs))
	}
	return s.run(ctx, inputs, wanted, outputs, func(*call) error { return nil })
}

func keysOf(m map[string]Tensor) string {
	infos := make([]Info, 0, len(m))
	for name := range m {
		infos = append(infos, Info{Name: name})
	}
	if len(infos) == 0 {
		return "nothing"
	}
	return namesOf(infos)
}

// run checks the arguments, calls the library and hands its results to use
// before they are freed.
func (s *Session) run(ctx context.Context, inputs map[string]Tensor, wanted []Info, into map[string]Tensor, use func(*call) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return ErrClosed
	}
	c := newCall(len(s.inputs), len(wanted))
	defer c.free()
	if len(inputs) != len(s.inputs) {
		return fmt.Errorf("%s takes %d inputs (%s), was given %d", s.name, len(s.inputs), namesOf(s.inputs), len(inputs))
	}
	sizes := map[string]int64{}
	for i, info := range s.inputs {
		t, ok := inputs[info.Name]
		if !ok {
			return fmt.Errorf("%s needs input %q", s.name, info.Name)
		}
		if err := c.bind(&c.inNames[i], &c.ins[i], s.names[info.Name], info, t, sizes); err != nil {
			return fmt.Errorf("%s: input %q %w", s.name, info.Name, err)
		}
	}
	for i, info := range wanted {
		c.outNames[i] = s.names[info.Name]
		t, ok := into[info.Name]
		if !ok {
			continue // the library allocates it
		}
		if err := c.bind(&c.outNames[i], &c.outs[i], s.names[info.Name], info, t, sizes); err != nil {
			return fmt.Errorf("%s: output %q %w", s.name, info.Name, err)
		}
	}
	if err := c.invoke(ctx, "run "+s.name, s.session); err != nil {
		return err
	}
	return use(c)
}

// call holds what one run hands to C.
type call struct {
	api               capi
	pins              runtime.Pinner // of Go's memory that values point into
	inNames, outNames []*C.char
	ins, outs         []*C.OrtValue
}

func newCall(ins, outs int) *call {
	return &call{
		api:     environment.api,
		inNames: make([]*C.char, ins), ins: make([]*C.OrtValue, ins),
		outNames: make([]*C.char, outs), outs: make([]*C.OrtValue, outs),
	}
}

// bind checks a tensor against its declaration and makes a value that shares
// its memory.
func (c *call) bind(name **C.char, value **C.OrtValue, text *C.char, info Info, t Tensor, sizes map[string]int64) error {
	a, err := t.array()
	if err != nil {
		return err
	}
	if err := info.check(a, sizes); err != nil {
		return err
	}
	if a.data == nil {
		a.data = unsafe.Pointer(&nothing)
	}
	c.pins.Pin(a.data)
	var dims *C.int64_t
	if len(a.shape) > 0 {
		dims = (*C.int64_t)(unsafe.SliceData(a.shape))
	}
	*name = text
	return c.api.check("bind", C.capi_value(c.api.table, environment.host, a.data, C.size_t(a.bytes), dims, C.size_t(len(a.shape)), element[a.dtype], value))
}

// invoke runs the session, until ctx ends.
func (c *call) invoke(ctx context.Context, op string, s *C.OrtSession) error {
	var options *C.OrtRunOptions
	if err := c.api.check(op, C.capi_run_options(c.api.table, &options)); err != nil {
		return err
	}
	defer C.capi_release_run_options(c.api.table, options)
	terminated := make(chan error, 1)
	release := context.AfterFunc(ctx, func() {
		terminated <- c.api.check(op, C.capi_terminate(c.api.table, options))
	})
	err := c.api.check(op, C.capi_run(c.api.table, s, options,
		unsafe.SliceData(c.inNames), unsafe.SliceData(c.ins), C.size_t(len(c.ins)),
		unsafe.SliceData(c.outNames), C.size_t(len(c.outs)), unsafe.SliceData(c.outs)))
	if !release() {
		<-terminated // options must outlive the call; if it failed, the run went on to its end
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// result is an output in the library's memory.
func (c *call) result(i int) (array, error) {
	var info *C.OrtTensorTypeAndShapeInfo
	if err := c.api.check("read", C.capi_value_type(c.api.table, c.outs[i], &info)); err != nil {
		return array{}, err
	}
	defer C.capi_release_value_type(c.api.table, info)
	dtype, shape, err := typeAndShape(c.api, info)
	if err != nil {
		return array{}, err
	}
	n, err := shape.Elements()
	if err != nil {
		return array{}, err
	}
	a := array{dtype: dtype, shape: shape, bytes: n * int64(dtype.Size())}
	return a, c.api.check("read", C.capi_data(c.api.table, c.outs[i], &a.data))
}

func (c *call) free() {
	for _, values := range [][]*C.OrtValue{c.ins, c.outs} {
		for _, v := range values {
			if v != nil {
				C.capi_release_value(c.api.table, v)
			}
		}
	}
	c.pins.Unpin()
}
