package ort

/*
#include <stdlib.h>
#include "capi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"
)

// Level is how far ONNX Runtime rewrites a graph before it runs it.
type Level uint8

// The levels. Extended, the zero value, is the measured best on a CPU (see the
// package's documentation).
const (
	Extended Level = iota
	None
	Basic
	All
)

func (l Level) value() (C.int, error) {
	switch l {
	case Extended:
		return C.ORT_ENABLE_EXTENDED, nil
	case None:
		return C.ORT_DISABLE_ALL, nil
	case Basic:
		return C.ORT_ENABLE_BASIC, nil
	case All:
		return C.ORT_ENABLE_ALL, nil
	}
	return 0, fmt.Errorf("graph optimization level %d is unknown", l)
}

// SessionConfig is what a session is made from. Zero values of the options are
// the measured defaults.
type SessionConfig struct {
	Name        string   // for errors
	Model       []byte   // ONNX ModelProto
	ExternalDir string   // folder that external data is relative to; "/" is allowed
	Inputs      []string // nil: all that the model declares
	Outputs     []string // nil: all that the model declares
	Device      Device
	Threads     int // 0: one a core
	Level       Level
	Arena       bool   // keep freed memory for the next run instead of giving it back
	Lean        bool   // run on the mapped weights alone, without packed copies; see the package's documentation
	Profile     string // path prefix of a profile, written when the session is closed; "" for none
}

// Session is a network made ready on a device.
type Session struct {
	name            string
	inputs, outputs []Info
	names           map[string]*C.char // every input's and output's, in C's memory

	mu      sync.RWMutex // held shared by runs, exclusively by Close
	session *C.OrtSession
}

// NewSession makes a session. The model's external data is mapped, not read:
// its files must not be rewritten in place while the session is open (replacing
// them by rename is safe).
func (r *Runtime) NewSession(c SessionConfig) (*Session, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := r.join(); err != nil {
		return nil, err
	}
	s := &Session{name: c.Name, names: map[string]*C.char{}}
	if err := s.create(c); err != nil {
		return nil, errors.Join(err, s.free(), release())
	}
	return s, nil
}

func (c SessionConfig) check() error {
	if err := c.Device.check(); err != nil {
		return err
	}
	if _, err := c.Level.value(); err != nil {
		return err
	}
	switch {
	case len(c.Model) == 0:
		return errors.New("the model is empty")
	case c.Threads < 0:
		return fmt.Errorf("%d threads, expected 0 or more", c.Threads)
	case strings.ContainsRune(c.ExternalDir+c.Profile, 0):
		return errors.New("a path holds a NUL byte")
	}
	return nil
}

func (s *Session) create(c SessionConfig) error {
	a, op := environment.api, "make a session of "+c.Name
	options, err := c.options(a, op)
	if err != nil {
		return err
	}
	defer C.capi_release_options(a.table, options)
	model := unsafe.Pointer(unsafe.SliceData(c.Model))
	if err := a.check(op, C.capi_session(a.table, environment.env, model, C.size_t(len(c.Model)), options, &s.session)); err != nil {
		return err
	}
	for _, part := range []struct {
		what    string
		outputs bool
		wanted  []string
		into    *[]Info
	}{
		{"input", false, c.Inputs, &s.inputs},
		{"output", true, c.Outputs, &s.outputs},
	} {
		declared, err := describe(a, s.session, part.outputs)
		if err != nil {
			return fmt.Errorf("%s: %s %w", c.Name, part.what, err)
		}
		if *part.into, err = choose(declared, part.wanted); err != nil {
			return fmt.Errorf("%s: %s %w", c.Name, part.what, err)
		}
		for _, info := range *part.into {
			if s.names[info.Name] == nil { // a graph may hand an input through under its name
				s.names[info.Name] = C.CString(info.Name)
			}
		}
	}
	return nil
}

// choose returns the declarations that are wanted, in that order.
func choose(declared []Info, wanted []string) ([]Info, error) {
	if wanted == nil {
		return declared, nil
	}
	chosen := make([]Info, 0, len(wanted))
next:
	for _, name := range wanted {
		for _, info := range declared {
			if info.Name == name {
				chosen = append(chosen, info)
				continue next
			}
		}
		return nil, fmt.Errorf("%q is not declared by the model, which has %s", name, namesOf(declared))
	}
	return chosen, nil
}

func namesOf(infos []Info) string {
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return strings.Join(names, ", ")
}

// options are for the caller to release.
func (c SessionConfig) options(a capi, op string) (*C.OrtSessionOptions, error) {
	var o *C.OrtSessionOptions
	if err := a.check(op, C.capi_options(a.table, &o)); err != nil {
		return nil, err
	}
	level, err := c.Level.value()
	arena := C.int(0)
	if c.Arena {
		arena = 1
	}
	for _, set := range []func() *C.OrtStatus{
		func() *C.OrtStatus { return C.capi_level(a.table, o, level) },
		func() *C.OrtStatus { return C.capi_threads(a.table, o, C.int(c.Threads)) },
		func() *C.OrtStatus { return C.capi_arena(a.table, o, arena) },
		func() *C.OrtStatus { return C.capi_no_pattern(a.table, o) }, // patterns are for shapes that recur; ours vary
		// Failures come back as a status; the log would only say it twice.
		func() *C.OrtStatus { return C.capi_severity(a.table, o, C.ORT_LOGGING_LEVEL_FATAL) },
	} {
		if err == nil {
			err = a.check(op, set())
		}
	}
	entries := map[string]string{}
	if c.Lean {
		entries["session.disable_prepacking"] = "1"
	}
	if c.ExternalDir != "" {
		entries["session.model_external_initializers_file_folder_path"] = filepath.Clean(c.ExternalDir)
	}
	for key, value := range entries {
		k, v := C.CString(key), C.CString(value)
		if err == nil {
			err = a.check(op, C.capi_entry(a.table, o, k, v))
		}
		C.free(unsafe.Pointer(k))
		C.free(unsafe.Pointer(v))
	}
	if c.Profile != "" && err == nil {
		prefix := C.CString(c.Profile)
		err = a.check(op, C.capi_profile(a.table, o, prefix))
		C.free(unsafe.Pointer(prefix))
	}
	if err != nil {
		C.capi_release_options(a.table, o)
		return nil, err
	}
	return o, nil
}

// Inputs returns what the session takes.
func (s *Session) Inputs() []Info { return append([]Info(nil), s.inputs...) }

// Outputs returns what the session gives.
func (s *Session) Outputs() []Info { return append([]Info(nil), s.outputs...) }

// Close waits for runs under way and frees the session. Closing twice is allowed.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	return errors.Join(s.free(), release())
}

func (s *Session) free() error {
	if s.session != nil {
		C.capi_release_session(environment.api.table, s.session)
		s.session = nil
	}
	for _, name := range s.names {
		C.free(unsafe.Pointer(name))
	}
	s.names = nil
	return nil
}
