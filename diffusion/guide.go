package diffusion

import (
	"fmt"
	"math"
)

// Guide sets dst to the network output that classifier-free guidance makes of
// the outputs without and with the prompt: uncond + scale*(cond - uncond) in
// float32. dst may be one of them; all have one length.
func Guide(dst, uncond, cond []float32, scale float32) {
	for i, u := range uncond {
		dst[i] = u + float32(scale*(cond[i]-u))
	}
}

// CheckFinite fails on the first value that is not a finite number.
func CheckFinite(x []float32) error {
	for i, v := range x {
		if !finite(v) {
			return fmt.Errorf("value %d of %d is %v, expected a finite number", i, len(x), v)
		}
	}
	return nil
}

func finite(x float32) bool {
	return math.Float32bits(x)&0x7f800000 != 0x7f800000
}
