package ort

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include "capi.h"
*/
import "C"

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

// capi is ONNX Runtime's table of functions.
type capi struct{ table *C.OrtApi }

// loadAPI opens the library and takes its table. The library is never unloaded:
// threads of it may outlive the environment, and opening it again finds it.
func loadAPI(path string) (capi, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	handle := C.dlopen(name, C.RTLD_LAZY|C.RTLD_LOCAL)
	if handle == nil {
		return capi{}, fmt.Errorf("cannot load ONNX Runtime: %s", C.GoString(C.dlerror()))
	}
	symbol := C.CString("OrtGetApiBase")
	defer C.free(unsafe.Pointer(symbol))
	base := C.dlsym(handle, symbol)
	if base == nil {
		return capi{}, fmt.Errorf("%s is not ONNX Runtime: it has no OrtGetApiBase", path)
	}
	// An API version is the minor version of the release that brought it.
	// GetApi prints to stderr when it lacks one, so look first.
	version := C.GoString(C.capi_version(base))
	if !provides(version) {
		return capi{}, fmt.Errorf("%w: %s is version %s, expected 1.%d or later; `make build` fetches one", ErrOldLibrary, path, version, C.ORT_API_VERSION)
	}
	table := C.capi_table(base, C.ORT_API_VERSION)
	if table == nil {
		return capi{}, fmt.Errorf("%w: %s, version %s, has no API %d", ErrOldLibrary, path, version, C.ORT_API_VERSION)
	}
	return capi{table}, nil
}

// provides reports whether a release has the API that this package is built on.
func provides(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && (major > 1 || major == 1 && minor >= C.ORT_API_VERSION)
}

// check turns a status into an error and frees it.
func (a capi) check(op string, status *C.OrtStatus) error {
	if status == nil {
		return nil
	}
	defer C.capi_release_status(a.table, status)
	return &Error{
		Code:    Code(C.capi_code(a.table, status)),
		Op:      op,
		Message: oneLine(C.GoString(C.capi_message(a.table, status))),
	}
}

// oneLine joins the lines of a message: errors are shown as one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
