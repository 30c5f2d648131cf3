package ort

/*
#include "capi.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"cosmicman/tensor"
)

// Tensor is a dense array in host memory, row-major.
type Tensor struct {
	Shape tensor.Shape
	// Data is []float32, []float64, []int64, []int32, []int16, []int8, []uint8 or
	// []bool, or []uint16 with the bits of a float16 or bfloat16.
	Data any
	// DType is needed with []uint16 only, to say which of the two it is.
	DType tensor.DType
}

// Floats makes a float32 tensor.
func Floats(data []float32, shape ...int64) Tensor { return Tensor{Shape: shape, Data: data} }

// Ints makes an int64 tensor.
func Ints(data []int64, shape ...int64) Tensor { return Tensor{Shape: shape, Data: data} }

// Float32 returns the elements, nil where they are of another type.
func (t Tensor) Float32() []float32 {
	f, _ := t.Data.([]float32)
	return f
}

// element relates our element types to ONNX's.
var element = map[tensor.DType]C.int{
	tensor.Float32:  C.ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
	tensor.Float16:  C.ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
	tensor.BFloat16: C.ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
	tensor.Float64:  C.ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
	tensor.Int64:    C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
	tensor.Int32:    C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
	tensor.Int16:    C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
	tensor.Int8:     C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
	tensor.Uint8:    C.ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
	tensor.Bool:     C.ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
}

func dtypeOf(onnx C.ONNXTensorElementDataType) (tensor.DType, error) {
	for d, e := range element {
		if e == C.int(onnx) {
			return d, nil
		}
	}
	return tensor.Invalid, fmt.Errorf("ONNX element type %d is not supported", onnx)
}

// array is a tensor as the library sees it. data is nil where there are no
// elements.
type array struct {
	dtype tensor.DType
	shape tensor.Shape
	data  unsafe.Pointer
	bytes int64
}

// array checks that the elements fill the shape and are of the type that is claimed.
func (t Tensor) array() (array, error) {
	dtype, data, have := tensor.Invalid, unsafe.Pointer(nil), 0
	switch d := t.Data.(type) {
	case []float32:
		dtype, data, have = tensor.Float32, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []float64:
		dtype, data, have = tensor.Float64, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []int64:
		dtype, data, have = tensor.Int64, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []int32:
		dtype, data, have = tensor.Int32, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []int16:
		dtype, data, have = tensor.Int16, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []int8:
		dtype, data, have = tensor.Int8, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []uint8:
		dtype, data, have = tensor.Uint8, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []bool:
		dtype, data, have = tensor.Bool, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	case []uint16:
		if t.DType != tensor.Float16 && t.DType != tensor.BFloat16 {
			return array{}, fmt.Errorf("elements of type []uint16 need dtype float16 or bfloat16, not %s", t.DType)
		}
		dtype, data, have = t.DType, unsafe.Pointer(unsafe.SliceData(d)), len(d)
	default:
		return array{}, fmt.Errorf("elements of type %T are not supported", t.Data)
	}
	if t.DType != tensor.Invalid && t.DType != dtype {
		return array{}, fmt.Errorf("elements of type %T are not %s", t.Data, t.DType)
	}
	want, err := t.Shape.Elements()
	if err != nil {
		return array{}, err
	}
	if int64(have) != want {
		return array{}, fmt.Errorf("%d elements do not fill shape %v", have, t.Shape)
	}
	if have == 0 {
		data = nil
	}
	return array{dtype, t.Shape, data, int64(have) * int64(dtype.Size())}, nil
}

// tensor copies the elements into Go's memory.
func (a array) tensor() Tensor {
	n := int(a.bytes) / a.dtype.Size()
	t := Tensor{Shape: a.shape}
	switch a.dtype {
	case tensor.Float32:
		t.Data = copied[float32](a.data, n)
	case tensor.Float64:
		t.Data = copied[float64](a.data, n)
	case tensor.Int64:
		t.Data = copied[int64](a.data, n)
	case tensor.Int32:
		t.Data = copied[int32](a.data, n)
	case tensor.Int16:
		t.Data = copied[int16](a.data, n)
	case tensor.Int8:
		t.Data = copied[int8](a.data, n)
	case tensor.Uint8:
		t.Data = copied[uint8](a.data, n)
	case tensor.Bool:
		t.Data = copied[bool](a.data, n)
	case tensor.Float16, tensor.BFloat16:
		t.Data, t.DType = copied[uint16](a.data, n), a.dtype
	}
	return t
}

func copied[T any](data unsafe.Pointer, n int) []T {
	out := make([]T, n)
	if n > 0 {
		copy(out, unsafe.Slice((*T)(data), n))
	}
	return out
}
