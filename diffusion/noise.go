package diffusion

import "math"

// Source gives standard normal values. A stochastic sampler draws from the
// source that drew the initial latents, in diffusers' order.
type Source interface {
	// Normal fills dst, row-major, with the next values.
	Normal(dst []float32)
}

const (
	mtSize  = 624
	mtShift = 397
)

// Noise is torch's CPU generator as torch.randn sees it: consecutive calls of
// Normal give, bit for bit, what consecutive torch.randn calls of those sizes
// give on a CPU with AVX2 or AVX-512. The zero value is not ready: use NewNoise.
// It is not safe for use by several goroutines at once; a copy of the struct
// continues on its own.
type Noise struct {
	state [mtSize]uint32
	next  int

	// The small path makes values in pairs and keeps the second one, even
	// across calls that take the large path.
	spare    float64
	hasSpare bool
}

// NewNoise seeds a generator as torch.Generator().manual_seed(seed) does: the
// Mersenne twister takes the low 32 bits.
func NewNoise(seed uint64) *Noise {
	n := &Noise{next: mtSize}
	n.state[0] = uint32(seed)
	for i := 1; i < mtSize; i++ {
		prev := n.state[i-1]
		n.state[i] = 1812433253*(prev^prev>>30) + uint32(i)
	}
	return n
}

// Normal fills dst, as torch.randn fills a contiguous float32 tensor of
// len(dst) elements. How values are made depends on the length, so two calls
// of 8 values differ from one call of 16.
func (n *Noise) Normal(dst []float32) {
	if len(dst) < blockSize {
		for i := range dst {
			dst[i] = float32(n.normal64())
		}
		return
	}
	// Torch draws all uniform values before it transforms the first block; the
	// order of draws is the same.
	rest := dst
	for len(rest) >= blockSize {
		block := (*[blockSize]float32)(rest)
		n.uniform(block)
		boxMuller(block)
		rest = rest[blockSize:]
	}
	if len(rest) == 0 {
		return
	}
	// The values of a tail shorter than a block are drawn and dropped: torch
	// draws the last sixteen anew.
	for range rest {
		n.uint32()
	}
	block := (*[blockSize]float32)(dst[len(dst)-blockSize:])
	n.uniform(block)
	boxMuller(block)
}

// normal64 is ATen's normal_distribution<double>.
func (n *Noise) normal64() float64 {
	if n.hasSpare {
		n.hasSpare = false
		return n.spare
	}
	u1, u2 := n.uniform64(), n.uniform64()
	radius := math.Sqrt(-2 * math.Log1p(-u2))
	sin, cos := math.Sincos(2 * math.Pi * u1)
	// Adding the mean, 0, makes a negative zero positive.
	n.spare, n.hasSpare = radius*sin+0, true
	return radius*cos + 0
}

// uniform64 returns a value of [0, 1) with 53 random bits.
func (n *Noise) uniform64() float64 {
	high, low := uint64(n.uint32()), uint64(n.uint32())
	return float64((high<<32|low)&(1<<53-1)) * 0x1p-53
}

// uniform fills block with values of [0, 1), 24 random bits each.
func (n *Noise) uniform(block *[blockSize]float32) {
	if n.next+blockSize <= mtSize {
		s := (*[blockSize]uint32)(n.state[n.next:])
		for i, y := range s {
			block[i] = float32(int32(temper(y)&(1<<24-1))) * 0x1p-24
		}
		n.next += blockSize
		return
	}
	for i := range block {
		block[i] = float32(int32(n.uint32()&(1<<24-1))) * 0x1p-24
	}
}

func (n *Noise) uint32() uint32 {
	if n.next == mtSize {
		n.twist()
	}
	y := n.state[n.next]
	n.next++
	return temper(y)
}

func temper(y uint32) uint32 {
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// twist makes the next 624 words of the Mersenne twister MT19937.
func (n *Noise) twist() {
	s := &n.state
	for i := range mtSize - mtShift {
		s[i] = s[i+mtShift] ^ mix(s[i], s[i+1])
	}
	for i := mtSize - mtShift; i < mtSize-1; i++ {
		s[i] = s[i+mtShift-mtSize] ^ mix(s[i], s[i+1])
	}
	s[mtSize-1] = s[mtShift-1] ^ mix(s[mtSize-1], s[0])
	n.next = 0
}

func mix(u, v uint32) uint32 {
	return (u&0x80000000|v&0x7fffffff)>>1 ^ -(v&1)&0x9908b0df
}
