package diffusion

import "math"

// blockSize is how many values torch transforms at a time, and the length from
// which on it does.
const blockSize = 16

// The polynomials of torch's log256_ps and sincos256_ps (avx_mathfun.h, after
// Cephes), as float32 values. They are kept in float64 because the arithmetic
// below is float64 rounded to float32 after every operation.
const (
	logP0 = float64(float32(7.0376836292e-2))
	logP1 = float64(float32(-1.1514610310e-1))
	logP2 = float64(float32(1.1676998740e-1))
	logP3 = float64(float32(-1.2420140846e-1))
	logP4 = float64(float32(1.4249322787e-1))
	logP5 = float64(float32(-1.6668057665e-1))
	logP6 = float64(float32(2.0000714765e-1))
	logP7 = float64(float32(-2.4999993993e-1))
	logP8 = float64(float32(3.3333331174e-1))
	logQ1 = float64(float32(-2.12194440e-4))
	logQ2 = 0.693359375
	// The mantissa's bits of float32(sqrt(1/2)).
	sqrtHalf = 0x3504f3

	sinP0 = float64(float32(-1.9515295891e-4))
	sinP1 = float64(float32(8.3321608736e-3))
	sinP2 = float64(float32(-1.6666654611e-1))
	cosP0 = float64(float32(2.443315711809948e-5))
	cosP1 = float64(float32(-1.388731625493765e-3))
	cosP2 = float64(float32(4.166664568298827e-2))

	// Pi/4 in three parts, each short enough for exact products.
	dp1 = 0.78515625
	dp2 = 2.4187564849853515625e-4
	dp3 = float64(float32(3.77489497744594108e-8))

	fourOverPi = float64(float32(1.27323954473516))
	twoPi      = float64(float32(2 * math.Pi))
)

// lanes are the values of one block's half, worked on side by side so that the
// processor has eight chains of roundings to overlap. They are float32 values.
type lanes [blockSize / 2]float64

// boxMuller turns 8 pairs (i, i+8) of uniform values into normal ones with
// torch's own float32 arithmetic. The shipped binary fuses multiplications and
// additions as its compiler chose, and the calls of sum fuse the same ones.
func boxMuller(block *[blockSize]float32) {
	var r, sin, cos lanes
	for i := range r {
		r[i] = float64(block[i])
		sin[i] = float64(float32(twoPi * float64(block[i+8])))
	}
	radius(&r)
	sinCos(&sin, &cos)
	for i := range r {
		// The sum with the mean, 0, makes a negative zero positive.
		block[i] = float32(r[i]*cos[i]) + 0
		block[i+8] = float32(r[i]*sin[i]) + 0
	}
}

// radius turns each u of [0, 1) into sqrt(-2 log(1 - u)).
func radius(u *lanes) {
	var e, x, y, z lanes
	for i := range u {
		// 1 - u is exact: u has 24 bits after the point. It becomes 2^e times
		// 1 + x with 1 + x in [sqrt(1/2), sqrt(2)); low is 1 where the mantissa
		// has to be doubled for that.
		bits := math.Float32bits(float32(1 - u[i]))
		mantissa := bits & (1<<23 - 1)
		low := (mantissa - sqrtHalf) >> 31
		e[i] = float64(int32(bits>>23) - 126 - int32(low))
		x[i] = float64(math.Float32frombits(mantissa|(126+low)<<23)) - 1
		z[i] = float64(float32(x[i] * x[i]))
		y[i] = logP0
	}
	y.horner(&x, logP1)
	y.horner(&x, logP2)
	y.horner(&x, logP3)
	y.horner(&x, logP4)
	y.horner(&x, logP5)
	y.horner(&x, logP6)
	y.horner(&x, logP7)
	y.horner(&x, logP8)
	for i := range u {
		y := float64(float32(y[i] * x[i]))
		y = float64(sum(y*z[i], float64(float32(e[i]*logQ1))))
		y = float64(float32(y - 0.5*z[i]))
		x := float64(float32(x[i] + y))
		// e and logQ2 are so short that the sum is exact in float64.
		x = float64(float32(e[i]*logQ2 + x))
		u[i] = float64(float32(math.Sqrt(-2 * x)))
	}
}

// sinCos turns each theta of [0, 2 pi] into its sine and puts its cosine beside.
func sinCos(theta, cosine *lanes) {
	var octant [len(theta)]uint32
	var x, z, c, s lanes
	for i := range theta {
		octant[i] = (uint32(int32(float32(theta[i]*fourOverPi))) + 1) &^ 1
		y := float64(int32(octant[i]))
		// These sums, too, are exact in float64.
		x[i] = float64(float32(theta[i] - y*dp1))
		x[i] = float64(float32(x[i] - y*dp2))
		x[i] = float64(float32(x[i] - y*dp3))
		z[i] = float64(float32(x[i] * x[i]))
		c[i] = cosP0
		s[i] = sinP0
	}
	c.horner(&z, cosP1)
	c.horner(&z, cosP2)
	s.horner(&z, sinP1)
	s.horner(&z, sinP2)
	for i := range theta {
		cos := float64(float32(c[i] * z[i]))
		cos = float64(sum(cos*z[i], -0.5*z[i]))
		sin := float64(float32(s[i] * z[i]))
		theta[i], cosine[i] = turn(sum(sin*x[i], x[i]), float32(cos+1), octant[i])
	}
}

// turn gives the sine and the cosine of an angle their places and signs, from
// those of its remainder and the even number of eighths of a circle taken off.
// It has no branches: each would be mispredicted half of the time.
func turn(sin, cos float32, octant uint32) (float64, float64) {
	s, c := math.Float32bits(sin), math.Float32bits(cos)
	swap := (s ^ c) & -(octant >> 1 & 1)
	s ^= swap ^ octant&4<<29
	c ^= swap ^ (octant+2)&4<<29
	return float64(math.Float32frombits(s)), float64(math.Float32frombits(c))
}

// horner takes a step of a polynomial in x: y = y*x + c.
func (y *lanes) horner(x *lanes, c float64) {
	for i := range y {
		y[i] = float64(sum(y[i]*x[i], c))
	}
}

// sum rounds p + c to float32 once, where p is a product of two float32 values,
// which float64 holds exactly, and c is a float32 value: the fused
// multiply-add of float32. Rounding to float64 on the way goes wrong only where
// it ends half way between two float32 values.
func sum(p, c float64) float32 {
	if math.Float64bits(p+c)<<35 == 1<<63 {
		return sumTie(p, c)
	}
	return float32(p + c)
}

// sumTie is sum where p + c, rounded to float64, lies half way between two
// float32 values.
func sumTie(p, c float64) float32 {
	s := p + c
	// The rounding error of the sum, exactly (Knuth's two-sum).
	back := s - p
	rest := (p - (s - back)) + (c - back)
	switch {
	case rest > 0:
		s = math.Nextafter(s, math.Inf(1))
	case rest < 0:
		s = math.Nextafter(s, math.Inf(-1))
	}
	return float32(s)
}
