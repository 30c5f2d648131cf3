package ort

/*
#include <stdlib.h>
#include "capi.h"
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"
)

// environment is shared by every Runtime and Session: the library allows one a
// process. It lasts from the first Open until the last of them is closed.
var environment struct {
	sync.Mutex
	users   int // open Runtimes and Sessions
	library string
	api     capi
	env     *C.OrtEnv
	host    *C.OrtMemoryInfo // describes Go's memory to the library
}

// Runtime is a use of the process-wide environment of ONNX Runtime. Its zero
// value is closed.
type Runtime struct {
	mu   sync.Mutex
	open bool
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
		if err := start(path); err != nil {
			return nil, err
		}
	}
	environment.users++
	return &Runtime{open: true}, nil
}

// start loads the library and makes the environment: the binding's, for what it
// offers, and our own reference to the same one.
func start(path string) error {
	api, err := loadAPI(path)
	if err != nil {
		return err
	}
	binding.SetSharedLibraryPath(path)
	// Every failure comes back as a status; the log would only say it twice.
	if err := binding.InitializeEnvironment(binding.WithLogLevelFatal()); err != nil {
		return &Error{Code: Fail, Op: "load " + path, Message: oneLine(err.Error())}
	}
	id := C.CString("cosmicman")
	defer C.free(unsafe.Pointer(id))
	var env *C.OrtEnv
	if err := api.check("make an environment", C.capi_env(api.table, id, &env)); err != nil {
		binding.DestroyEnvironment()
		return err
	}
	var host *C.OrtMemoryInfo
	if err := api.check("describe memory", C.capi_host_memory(api.table, &host)); err != nil {
		C.capi_release_env(api.table, env)
		binding.DestroyEnvironment()
		return err
	}
	environment.library, environment.api, environment.env, environment.host = path, api, env, host
	return nil
}

// release gives up one use of the environment, and with the last one it ends.
func release() error {
	environment.Lock()
	defer environment.Unlock()
	if environment.users--; environment.users > 0 {
		return nil
	}
	C.capi_release_memory(environment.api.table, environment.host)
	C.capi_release_env(environment.api.table, environment.env)
	environment.env, environment.host = nil, nil
	if err := binding.DestroyEnvironment(); err != nil {
		return &Error{Code: Fail, Op: "close", Message: oneLine(err.Error())}
	}
	return nil
}

// join takes another use of the environment, for a session.
func (r *Runtime) join() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return ErrClosed
	}
	environment.Lock()
	defer environment.Unlock()
	environment.users++
	return nil
}

// Version is the library's own, such as 1.32.0.
func (r *Runtime) Version() string { return binding.GetVersion() }

// Close gives the runtime up: it makes no more sessions. Those that are open
// keep the environment until they are closed. Closing twice is allowed.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return nil
	}
	r.open = false
	return release()
}
