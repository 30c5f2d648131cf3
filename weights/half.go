package weights

import "math"

// float16 returns f in IEEE binary16, rounded to nearest, ties to even; what is
// too large becomes infinity.
func float16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: keep it one, quiet, with the payload's top bits
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x47800000: // 65536 and up
		return sign | 0x7c00
	case b >= 0x38800000: // normal: from 2^-14; the carry of rounding may reach infinity
		b -= 112 << 23
		return sign | uint16((b+0xfff+b>>13&1)>>13)
	case b < 0x33000000: // under half of the smallest subnormal, 2^-25
		return sign
	}
	// Subnormal: count units of 2^-24.
	shift := 126 - b>>23
	m := b&0x7fffff | 0x800000
	half := uint32(1)<<(shift-1) - 1
	return sign | uint16((m+half+m>>shift&1)>>shift)
}

// float32From16 returns the value of an IEEE binary16.
func float32From16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, m := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: m units of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(m)*(1.0/(1<<24))))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | m<<13)
}

// bfloat16 returns f in bfloat16, rounded to nearest, ties to even.
func bfloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// float32FromB16 returns the value of a bfloat16.
func float32FromB16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
