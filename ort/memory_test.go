package ort

import (
	"errors"
	"fmt"
	"testing"

	"cosmicman/onnx"
	"cosmicman/tensor"
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

// TestRealOutOfMemory asks for 256 TiB, more than there are addresses: an error that is known as such, and the
// session goes on.
func TestRealOutOfMemory(t *testing.T) {
	g := onnx.NewGraph("outer")
	x, y := g.Input("x", tensor.Float32, onnx.Sym("n"), onnx.N(1)), g.Input("y", tensor.Float32, onnx.N(1), onnx.Sym("m"))
	g.Result("z", g.MatMul(x, y))
	s := session(t, open(t), g)
	big := make([]float32, 1<<23)
	in := map[string]Tensor{"x": Floats(big, 1<<23, 1), "y": Floats(big, 1, 1<<23)}
	if _, err := s.Run(t.Context(), in); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("256 TiB: %v", err)
	}
	in = map[string]Tensor{"x": Floats([]float32{2}, 1, 1), "y": Floats([]float32{3}, 1, 1)}
	if out, err := s.Run(t.Context(), in); err != nil || out["z"].Float32()[0] != 6 {
		t.Errorf("afterwards: %v, %v", out, err)
	}
}
