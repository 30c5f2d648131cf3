// Package tensor holds the two words that every layer shares about arrays: the
// element type and the shape. It holds no data and imports nothing of ours.
package tensor

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// DType is the element type of a tensor.
type DType uint8

// The element types that occur in checkpoints and graphs.
const (
	Invalid DType = iota
	Float32
	Float16
	BFloat16
	Float64
	Int64
	Int32
	Int16
	Int8
	Uint8
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid:  {"invalid", 0},
	Float32:  {"float32", 4},
	Float16:  {"float16", 2},
	BFloat16: {"bfloat16", 2},
	Float64:  {"float64", 8},
	Int64:    {"int64", 8},
	Int32:    {"int32", 4},
	Int16:    {"int16", 2},
	Int8:     {"int8", 1},
	Uint8:    {"uint8", 1},
	Bool:     {"bool", 1},
}

// String returns NumPy's name of the type, such as "float32".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size returns the bytes one element takes, 0 for an invalid type.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// IsFloat reports whether d is a floating-point type.
func (d DType) IsFloat() bool {
	return d == Float32 || d == Float16 || d == BFloat16 || d == Float64
}

// Shape is a tensor's extent along each axis, outermost first. A nil or empty
// shape is a scalar's.
type Shape []int64

// Elements returns the product of the dimensions. It fails on a negative
// dimension and where the product overflows int64, so that a number read from
// a file can be trusted before anything is allocated from it.
func (s Shape) Elements() (int64, error) {
	n := int64(1)
	for i, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: dimension %d is negative", s, i)
		}
		if d != 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %v: more elements than fit 63 bits", s)
		}
		n *= d
	}
	return n, nil
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(o Shape) bool { return slices.Equal(s, o) }

// String prints the shape as [2, 4, 64, 64].
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = fmt.Sprint(d)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
