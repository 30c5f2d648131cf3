package encode

import (
	"encoding/binary"
	"math"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// store keeps results of one length in memory and, where there is a cache, on disk.
type store struct {
	memory *memory
	cache  *Cache
	half   bool
}

func newStore(o Options) store { return store{newMemory(o.memory()), o.Cache, o.Half} }

// The first byte of a result on disk.
const (
	asFloat32 = 1
	asFloat16 = 2
)

// get returns nil for a result that is not kept, or is not of n values.
func (s store) get(key Key, n int) []float32 {
	if values, ok := s.memory.Get(key); ok {
		return values
	}
	data, ok := s.cache.Get(key)
	if !ok {
		return nil
	}
	values, ok := valuesOf(data, n)
	if !ok { // whole and of another shape: another program's
		return nil
	}
	s.memory.Put(key, values)
	return values
}

// has reports whether a result is kept.
func (s store) has(key Key) bool {
	_, there := s.memory.Get(key)
	return there || s.cache.Has(key)
}

// put keeps a result and returns it as it will be read again.
func (s store) put(key Key, values []float32) []float32 {
	if s.half || s.cache != nil {
		data := bytesOf(values, s.half)
		s.cache.Put(key, data)
		if kept, ok := valuesOf(data, len(values)); ok {
			values = kept
		}
	}
	s.memory.Put(key, values)
	return values
}

// maxHalf is the largest number of float16.
const maxHalf = 65504

// bytesOf makes bytes of values: as float16 where that is asked for and all of them fit.
func bytesOf(values []float32, half bool) []byte {
	for _, v := range values {
		half = half && math.Abs(float64(v)) <= maxHalf
	}
	if half {
		data := make([]byte, 1+2*len(values))
		data[0] = asFloat16
		weights.Encode(data[1:], values, tensor.Float16)
		return data
	}
	data := make([]byte, 1, 1+4*len(values))
	data[0] = asFloat32
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

// valuesOf is the opposite of bytesOf, for n values.
func valuesOf(data []byte, n int) ([]float32, bool) {
	if len(data) == 0 {
		return nil, false
	}
	kind, rest := data[0], data[1:]
	var t tensor.DType
	switch {
	case kind == asFloat32 && len(rest) == 4*n:
		t = tensor.Float32
	case kind == asFloat16 && len(rest) == 2*n:
		t = tensor.Float16
	default:
		return nil, false
	}
	values := make([]float32, n)
	weights.Decode(values, rest, t)
	return values, true
}
