package ort

import (
	"fmt"

	binding "github.com/yalue/onnxruntime_go"

	"cosmicman/tensor"
)

// Tensor is a dense array in host memory, row-major.
type Tensor struct {
	Shape tensor.Shape
	Data  any // []float32 or []int64
}

// Floats makes a float32 tensor.
func Floats(data []float32, shape ...int64) Tensor { return Tensor{shape, data} }

// Ints makes an int64 tensor.
func Ints(data []int64, shape ...int64) Tensor { return Tensor{shape, data} }

// Float32 returns the elements, nil where they are of another type.
func (t Tensor) Float32() []float32 {
	f, _ := t.Data.([]float32)
	return f
}

func (t Tensor) value() (binding.Value, error) {
	want, err := t.Shape.Elements()
	if err != nil {
		return nil, err
	}
	var have int
	switch data := t.Data.(type) {
	case []float32:
		have = len(data)
	case []int64:
		have = len(data)
	default:
		return nil, fmt.Errorf("elements of type %T are not supported", t.Data)
	}
	if int64(have) != want || want == 0 {
		return nil, fmt.Errorf("%d elements do not fill shape %v", have, t.Shape)
	}
	shape := binding.NewShape(t.Shape...)
	if data, ok := t.Data.([]int64); ok {
		return binding.NewTensor(shape, data)
	}
	return binding.NewTensor(shape, t.Data.([]float32))
}

// take copies a value that ONNX Runtime made into Go's memory.
func take(v binding.Value) (Tensor, error) {
	shape := tensor.Shape(v.GetShape())
	switch v := v.(type) {
	case *binding.Tensor[float32]:
		return Tensor{shape, append([]float32(nil), v.GetData()...)}, nil
	case *binding.Tensor[int64]:
		return Tensor{shape, append([]int64(nil), v.GetData()...)}, nil
	}
	return Tensor{}, fmt.Errorf("an output of type %T is not supported", v)
}
