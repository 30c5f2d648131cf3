package ort

import (
	"errors"
	"fmt"
	"sync"

	binding "github.com/yalue/onnxruntime_go"
)

// Runtime is a use of the process-wide environment of ONNX Runtime.
type Runtime struct {
	once sync.Once
}

// environment is shared by every Runtime: the library allows one a process.
var environment struct {
	sync.Mutex
	users   int
	library string
}

// Open loads the library found by [FindLibrary] and starts the environment, or
// joins the one that runs. Every Runtime must be closed.
func Open(library string) (*Runtime, error) {
	path, err := FindLibrary(library)
	if err != nil {
		return nil, err
	}
	environment.Lock()
	defer environment.Unlock()
	if environment.users > 0 && environment.library != path {
		return nil, fmt.Errorf("onnx runtime: %s is loaded already, %s cannot be", environment.library, path)
	}
	if environment.users == 0 {
		binding.SetSharedLibraryPath(path)
		if err := binding.InitializeEnvironment(binding.WithLogLevelError()); err != nil {
			return nil, &Error{Op: "load " + path, Cause: err}
		}
		environment.library = path
	}
	environment.users++
	return &Runtime{}, nil
}

// Version is the library's own, such as 1.32.0.
func (r *Runtime) Version() string { return binding.GetVersion() }

// Close gives the environment up; sessions must be closed before. Closing twice
// is allowed.
func (r *Runtime) Close() error {
	var err error
	r.once.Do(func() {
		environment.Lock()
		defer environment.Unlock()
		if environment.users--; environment.users == 0 {
			if e := binding.DestroyEnvironment(); e != nil {
				err = &Error{Op: "close", Cause: e}
			}
		}
	})
	return err
}

// Error is a failure inside ONNX Runtime.
type Error struct {
	Op    string // what was asked of it
	Cause error
}

func (e *Error) Error() string { return "onnx runtime: " + e.Op + ": " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrClosed is returned for a session that has been closed.
var ErrClosed = errors.New("onnx runtime: the session is closed")
