package ort

/*
#include "capi.h"
*/
import "C"

import (
	"fmt"
	"strings"

	"cosmicman/tensor"
)

// Info is what a model declares of an input or output.
type Info struct {
	Name  string
	DType tensor.DType
	Dims  []Dim
}

// Dim is a declared dimension: a size, or a name (empty if it has none) that
// stands for one size within a run.
type Dim struct {
	Size   int64 // -1 where Symbol stands
	Symbol string
}

// String prints the declaration as float32 [rows, 4, height, width].
func (i Info) String() string {
	parts := make([]string, len(i.Dims))
	for k, d := range i.Dims {
		switch {
		case d.Size >= 0:
			parts[k] = fmt.Sprint(d.Size)
		case d.Symbol != "":
			parts[k] = d.Symbol
		default:
			parts[k] = "?"
		}
	}
	return i.DType.String() + " [" + strings.Join(parts, ", ") + "]"
}

// check holds an array to the declaration. sizes collects what the names stand for.
func (i Info) check(a array, sizes map[string]int64) error {
	if a.dtype != i.DType {
		return fmt.Errorf("is %s %v, expected %v", a.dtype, a.shape, i)
	}
	if len(a.shape) != len(i.Dims) {
		return fmt.Errorf("has shape %v, expected %v", a.shape, i)
	}
	for k, d := range i.Dims {
		have := a.shape[k]
		if d.Size >= 0 && have != d.Size {
			return fmt.Errorf("has shape %v, expected %v", a.shape, i)
		}
		if d.Size >= 0 || d.Symbol == "" {
			continue
		}
		if size, known := sizes[d.Symbol]; known && have != size {
			return fmt.Errorf("has shape %v, expected %v with %s = %d as in another input", a.shape, i, d.Symbol, size)
		}
		sizes[d.Symbol] = have
	}
	return nil
}

// describe asks a session for its inputs or outputs.
func describe(a capi, s *C.OrtSession, outputs bool) ([]Info, error) {
	which := C.int(0)
	if outputs {
		which = 1
	}
	var n C.size_t
	if err := a.check("describe", C.capi_count(a.table, s, which, &n)); err != nil {
		return nil, err
	}
	infos := make([]Info, n)
	for i := range infos {
		var name *C.char
		if err := a.check("describe", C.capi_name(a.table, s, which, C.size_t(i), &name)); err != nil {
			return nil, err
		}
		infos[i].Name = C.GoString(name)
		if err := a.check("describe", C.capi_free(a.table, name)); err != nil {
			return nil, err
		}
		if err := infos[i].declared(a, s, which, C.size_t(i)); err != nil {
			return nil, fmt.Errorf("%q: %w", infos[i].Name, err)
		}
	}
	return infos, nil
}

func (i *Info) declared(a capi, s *C.OrtSession, which C.int, at C.size_t) error {
	var info *C.OrtTypeInfo
	if err := a.check("describe", C.capi_type(a.table, s, which, at, &info)); err != nil {
		return err
	}
	defer C.capi_release_type(a.table, info)
	var t *C.OrtTensorTypeAndShapeInfo // belongs to info
	if err := a.check("describe", C.capi_tensor_type(a.table, info, &t)); err != nil {
		return err
	}
	if t == nil {
		return fmt.Errorf("is not a tensor")
	}
	dtype, shape, err := typeAndShape(a, t)
	if err != nil {
		return err
	}
	i.DType, i.Dims = dtype, make([]Dim, len(shape))
	symbols := make([]*C.char, len(shape))
	if len(shape) > 0 {
		if err := a.check("describe", C.capi_symbols(a.table, t, &symbols[0], C.size_t(len(symbols)))); err != nil {
			return err
		}
	}
	for k, size := range shape {
		i.Dims[k] = Dim{Size: size, Symbol: C.GoString(symbols[k])}
	}
	return nil
}

func typeAndShape(a capi, t *C.OrtTensorTypeAndShapeInfo) (tensor.DType, tensor.Shape, error) {
	var e C.ONNXTensorElementDataType
	if err := a.check("describe", C.capi_element(a.table, t, &e)); err != nil {
		return 0, nil, err
	}
	dtype, err := dtypeOf(e)
	if err != nil {
		return 0, nil, err
	}
	var rank C.size_t
	if err := a.check("describe", C.capi_rank(a.table, t, &rank)); err != nil {
		return 0, nil, err
	}
	shape := make(tensor.Shape, rank)
	if rank > 0 {
		if err := a.check("describe", C.capi_dims(a.table, t, (*C.int64_t)(&shape[0]), rank)); err != nil {
			return 0, nil, err
		}
	}
	return dtype, shape, nil
}
