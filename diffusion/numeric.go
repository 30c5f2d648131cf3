package diffusion

import "math"

// The functions of this file return what torch's and NumPy's of the same name
// return, to the last bit where a rounding further on could show it.

// linspace32 is torch.linspace for float32: counted from the nearer end.
func linspace32(start, end float64, n int) []float32 {
	out := make([]float32, n)
	if n == 1 {
		out[0] = float32(start)
		return out
	}
	first, last := float32(start), float32(end)
	step := float64((last - first) / float32(n-1))
	for i := range out {
		if i < n/2 {
			out[i] = sum(step*float64(i), float64(first))
		} else {
			out[i] = sum(-step*float64(n-1-i), float64(last))
		}
	}
	return out
}

// linspace is numpy.linspace with both ends.
func linspace(start, stop float64, n int) []float64 {
	out := make([]float64, n)
	if n == 1 {
		out[0] = start
		return out
	}
	step := (stop - start) / float64(n-1)
	for i := range out {
		out[i] = float64(float64(i)*step) + start
	}
	out[n-1] = stop
	return out
}

// countDown is numpy.arange(start, 0, -step). Rounding may make it one longer
// than start/step.
func countDown(start, step float64) []float64 {
	n := int(math.Ceil(-start / -step))
	if n <= 0 {
		return nil
	}
	out := make([]float64, n)
	delta := start - step - start
	for i := range out {
		out[i] = start + float64(float64(i)*delta)
	}
	return out
}

// interpolate is numpy.interp over the table's indices: between the neighbours
// of x, and the ends' values outside.
func interpolate(table []float32, x float64) float64 {
	last := len(table) - 1
	switch {
	case x >= float64(last):
		return float64(table[last])
	case x < 0:
		return float64(table[0])
	}
	i := int(x)
	low := float64(table[i])
	return float64((float64(table[i+1])-low)*(x-float64(i))) + low
}

// log32 is numpy.log for positive normal float32 values: a rational
// approximation of log(1 + y) that is off by a unit in the last place now and
// then. Timesteps that are rounded or cut to integers depend on it.
func log32(x float32) float32 {
	fraction, exponent := math.Frexp(float64(x))
	e := float64(exponent - 1)
	m := float32(2 * fraction)
	if m > math.Sqrt2 {
		m /= 2
		e++
	}
	y := float64(m - 1)
	p := float32(2.589979117907922693523e-02)
	for _, c := range [...]float32{3.808837741388407920751e-01, 1.480000633576506585156e+00, 2.112677543073053063722e+00, 9.999999999999998702752e-01, 0} {
		p = sum(float64(p)*y, float64(c))
	}
	q := float32(5.875095403124574342950e-03)
	for _, c := range [...]float32{1.546476374983906719538e-01, 9.864942958519418960339e-01, 2.453006071784736363091e+00, 2.612677543073109236779e+00, 1} {
		q = sum(float64(q)*y, float64(c))
	}
	return sum(e*float64(float32(math.Ln2)), float64(p/q))
}

// sqrt32, exp32, expm132 and ln32 are torch's functions of a float32 scalar.
func sqrt32(x float32) float32  { return float32(math.Sqrt(float64(x))) }
func exp32(x float32) float32   { return float32(math.Exp(float64(x))) }
func expm132(x float32) float32 { return float32(math.Expm1(float64(x))) }
func ln32(x float32) float32    { return float32(math.Log(float64(x))) }

// solve returns the x of a x = b by elimination with pivoting. It overwrites
// both; a is row-major, len(b) by len(b).
func solve(a, b []float64) []float64 {
	n := len(b)
	for col := range n {
		pivot := col
		for row := col + 1; row < n; row++ {
			if math.Abs(a[row*n+col]) > math.Abs(a[pivot*n+col]) {
				pivot = row
			}
		}
		for k := range n {
			a[col*n+k], a[pivot*n+k] = a[pivot*n+k], a[col*n+k]
		}
		b[col], b[pivot] = b[pivot], b[col]
		for row := col + 1; row < n; row++ {
			factor := a[row*n+col] / a[col*n+col]
			for k := col; k < n; k++ {
				a[row*n+k] -= factor * a[col*n+k]
			}
			b[row] -= factor * b[col]
		}
	}
	for row := n - 1; row >= 0; row-- {
		for k := row + 1; k < n; k++ {
			b[row] -= a[row*n+k] * b[k]
		}
		b[row] /= a[row*n+row]
	}
	return b
}

// kronrod are the points, from the middle outwards, and the weights of the
// 21-point Gauss-Kronrod rule on [-1, 1] (QUADPACK's qk21).
var kronrod = [...]struct{ at, weight float64 }{
	{0, 0.149445554002916905664936468389821},
	{0.148874338981631210884826001129720, 0.147739104901338491374841515972068},
	{0.294392862701460198131126603103866, 0.142775938577060080797094273138717},
	{0.433395394129247190799265943165784, 0.134709217311473325928054001771707},
	{0.562757134668604683339000099272694, 0.123491976262065851077958109585166},
	{0.679409568299024406234327365114874, 0.109387158802297641899210590325805},
	{0.780817726586416897063717578345042, 0.093125454583697605535065465083366},
	{0.865063366688984510732096688423493, 0.075039674810919952767043140916190},
	{0.930157491355708226001207180059508, 0.054755896574351996031381300244580},
	{0.973906528517171720077964012084452, 0.032558162307964727478818972459390},
	{0.995657163025808080735527280689003, 0.011694638867371874278064396062192},
}

// integrate is the first round of scipy.integrate.quad, exact for polynomials.
func integrate(f func(float64) float64, from, to float64) float64 {
	middle, half := 0.5*(from+to), 0.5*(to-from)
	total := kronrod[0].weight * f(middle)
	for _, k := range kronrod[1:] {
		total += k.weight * (f(middle-half*k.at) + f(middle+half*k.at))
	}
	return total * half
}

// betaQuantile returns the x of [0, 1] below which a share p of the symmetric
// beta distribution with both parameters s lies.
func betaQuantile(p, s float64) float64 {
	switch {
	case p <= 0:
		return 0
	case p >= 1:
		return 1
	case p > 0.5:
		return 1 - betaQuantile(1-p, s)
	}
	// The density is positive, so halving an interval in x^s, in which the
	// distribution is close to a straight line, finds it.
	low, high := 0.0, math.Pow(0.5, s)
	for range 200 {
		mid := (low + high) / 2
		if mid <= low || mid >= high {
			break
		}
		if betaShare(math.Pow(mid, 1/s), s) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Pow((low+high)/2, 1/s)
}

// betaShare returns the regularized incomplete beta function I_x(s, s) for
// x of (0, 1/2], by the power series of x^s / (s B(s, s)).
func betaShare(x, s float64) float64 {
	term, total := 1.0, 1/s
	for n := 1; n < 10000; n++ {
		term *= (float64(n) - s) / float64(n) * x
		add := term / (s + float64(n))
		total += add
		if math.Abs(add) < 1e-18*total {
			break
		}
	}
	one, _ := math.Lgamma(s)
	both, _ := math.Lgamma(2 * s)
	return total * math.Exp(s*math.Log(x)+both-2*one)
}
