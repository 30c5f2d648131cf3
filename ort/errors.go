package ort

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Code is ONNX Runtime's classification of a failure (OrtErrorCode).
type Code int

// The codes of ONNX Runtime's C API, version 24.
const (
	OK Code = iota
	Fail
	InvalidArgument
	NoSuchFile
	NoModel
	EngineError
	RuntimeException
	InvalidProtobuf
	ModelLoaded
	NotImplemented
	InvalidGraph
	ProviderFail
	ModelLoadCanceled
	ModelRequiresCompilation
	NotFound
)

var codes = [...]string{"OK", "FAIL", "INVALID_ARGUMENT", "NO_SUCHFILE", "NO_MODEL", "ENGINE_ERROR", "RUNTIME_EXCEPTION", "INVALID_PROTOBUF",
	"MODEL_LOADED", "NOT_IMPLEMENTED", "INVALID_GRAPH", "EP_FAIL", "MODEL_LOAD_CANCELED", "MODEL_REQUIRES_COMPILATION", "NOT_FOUND"}

// String returns ONNX Runtime's name of the code, such as "INVALID_GRAPH".
func (c Code) String() string {
	if c < 0 || int(c) >= len(codes) {
		return "code " + strconv.Itoa(int(c))
	}
	return codes[c]
}

// Error is a failure that ONNX Runtime reports.
type Error struct {
	Code    Code
	Op      string // what was asked of it, such as "run unet"
	Message string // in its own words
}

func (e *Error) Error() string {
	return "onnx runtime: " + e.Op + ": " + e.Message + " (" + e.Code.String() + ")"
}

// outOfMemory are the library's words where memory ran out: C++'s own, and those
// of its arenas, of CUDA and of the CPU allocator. It has no code for that.
var outOfMemory = []string{
	"std::bad_alloc", "bad allocation", "Failed to allocate memory", "BFCArena", "smaller than requested bytes", "out of memory",
	"CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
}

// Is makes errors.Is(err, ErrOutOfMemory) true where memory ran out.
func (e *Error) Is(target error) bool {
	return target == ErrOutOfMemory && slices.ContainsFunc(outOfMemory, func(words string) bool { return strings.Contains(e.Message, words) })
}

var (
	// ErrOutOfMemory is what an [*Error] is when the device or the machine had too
	// little memory for a session or a run. A smaller run may work.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrNoLibrary is wrapped by the error for a library that is not there.
	ErrNoLibrary = errors.New("ONNX Runtime's library was not found")
	// ErrOldLibrary is wrapped by the error for a library older than this program needs.
	ErrOldLibrary = errors.New("ONNX Runtime's library is too old")
	// ErrClosed is returned for a runtime or a session that has been closed.
	ErrClosed = errors.New("onnx runtime: closed")
	// ErrUnavailable is wrapped by the error for a device that this program or machine lacks.
	ErrUnavailable = errors.New("device is not available")
)
