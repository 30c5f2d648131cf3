package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"cosmicman/tensor"
)

// chunk is the size in bytes of the buffers between files and float32 slices.
const chunk = 256 << 10

// ReadFloat32 reads a tensor of float32, float16 or bfloat16 into dst, which
// must have the tensor's number of elements.
func ReadFloat32(dst []float32, e Entry) error {
	fail := func(err error) error { return fmt.Errorf("%s: tensor %s: %w", e.File, show(e.Key), err) }
	if err := weightType(e); err != nil {
		return fail(err)
	}
	size := e.DType.Size()
	if int64(len(dst)) != e.Length/int64(size) {
		return fail(fmt.Errorf("%d elements do not fit a slice of %d", e.Length/int64(size), len(dst)))
	}
	f, err := os.Open(e.File)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	buf := make([]byte, min(e.Length, chunk))
	for at := 0; at < len(dst); {
		n := min(len(dst)-at, len(buf)/size)
		if err := readAt(f, buf[:n*size], e.Offset+int64(at*size)); err != nil {
			return fail(err)
		}
		decode(dst[at:at+n], buf, e.DType)
		at += n
	}
	return nil
}

// weightType refuses element types that weights do not come in.
func weightType(e Entry) error {
	switch e.DType {
	case tensor.Float32, tensor.Float16, tensor.BFloat16:
		return nil
	}
	return fmt.Errorf("%s elements; weights are float32, float16 or bfloat16", e.DType)
}

// Decode reads len(dst) values of a weights' type, little-endian, from b.
func Decode(dst []float32, b []byte, t tensor.DType) { decode(dst, b, t) }

// Encode writes all of src to b as values of a weights' type, little-endian and rounded
// to the nearest.
func Encode(b []byte, src []float32, t tensor.DType) { encode(b, src, t) }

func decode(dst []float32, b []byte, t tensor.DType) {
	switch t {
	case tensor.Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case tensor.Float16:
		for i := range dst {
			dst[i] = float32From16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case tensor.BFloat16:
		for i := range dst {
			dst[i] = float32FromB16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	}
}

func encode(b []byte, src []float32, t tensor.DType) {
	switch t {
	case tensor.Float32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
		}
	case tensor.Float16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(b[2*i:], float16(v))
		}
	case tensor.BFloat16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(b[2*i:], bfloat16(v))
		}
	}
}
