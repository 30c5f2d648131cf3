package artifact

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// NPY encodes float32 values as NumPy's .npy file, version 1.0, C order.
func NPY(data []float32, shape ...int) []byte {
	dims := make([]string, len(shape))
	for i, n := range shape {
		dims[i] = fmt.Sprint(n)
	}
	tuple := strings.Join(dims, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	const prefix = 10
	pad := 64 - (prefix+len(header)+1)%64
	header += strings.Repeat(" ", pad%64) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	out = append(out, header...)
	for _, f := range data {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
	}
	return out
}
