// Package fill gives the weights of a new model their random values. The same
// rule stands in oracle/zoo.py, so that reference outputs need no weights
// beside them.
package fill

import (
	"fmt"
	"hash/crc32"
	"math"
	"strings"

	"cosmicman/diffusion"
	"cosmicman/tensor"
)

// Key says which tensor of which model.
type Key struct {
	Seed uint64
	Part string // the pipeline's folder, such as "unet"
	Name string // canonical checkpoint key
}

// Tensor gives one tensor its random values: normal noise from a generator whose
// seed is the CRC-32 of "seed/part/name". Norm scales are 1 + 0.1 r, biases
// 0.05 r, embeddings 0.5 r, and all other weights r over the square root of the
// number of inputs of one output, so that signals keep their size through the
// network and images have contrast.
func Tensor(dst []float32, k Key, shape tensor.Shape) {
	name := k.Name
	key := fmt.Sprintf("%d/%s/%s", k.Seed, k.Part, name)
	diffusion.NewNoise(uint64(crc32.ChecksumIEEE([]byte(key)))).Normal(dst)
	scale, shift := float32(1), float32(0)
	switch {
	case strings.HasSuffix(name, ".weight") && len(shape) == 1:
		scale, shift = 0.1, 1
	case strings.HasSuffix(name, ".bias"):
		scale = 0.05
	case strings.Contains(name, "_embedding.weight"):
		scale = 0.5
	default:
		inputs := int64(1)
		for _, d := range shape[min(1, len(shape)):] {
			inputs *= d
		}
		scale = float32(1 / math.Sqrt(float64(inputs)))
	}
	for i, r := range dst {
		w := float32(r * scale) // rounded before the shift is added
		if shift != 0 {
			w += shift
		}
		dst[i] = w
	}
}
