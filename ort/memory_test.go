package ort

import (
	"errors"
	"fmt"
	"testing"
)

// TestOutOfMemoryIsKnown: the words of ONNX Runtime's allocators are told from
// other failures, also through wrapping.
func TestOutOfMemoryIsKnown(t *testing.T) {
	for message, want := range map[string]bool{
		"std::bad_alloc": true,
		"Non-zero status code returned while running MatMul node. Status Message: std::bad_alloc":                                true,
		"Available memory of 0 is smaller than requested bytes of 1048576":                                                       true,
		"onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1048576":              true,
		"CUDA failure 2: out of memory ; GPU=0 ; file=cuda_allocator.cc ; expr=cudaMalloc((void**)&p, size);":                    true,
		"Non-zero status code returned while running Conv node. Status Message: CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GP": true,
		"Got invalid dimensions for input: x": false,
	} {
		err := fmt.Errorf("a step: %w", &Error{Code: RuntimeException, Op: "run unet", Message: message})
		if got := errors.Is(err, ErrOutOfMemory); got != want {
			t.Errorf("%s: out of memory %t, want %t", message, got, want)
		}
	}
}
