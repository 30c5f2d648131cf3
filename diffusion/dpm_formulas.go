package diffusion

// factors are one step of DPM-Solver as a sum: of the latents, of the newest
// prediction and its first and second differences, and of fresh noise.
type factors struct {
	sample, model, slope, curve, fresh float32
	// near and far divide the differences between the three last predictions;
	// order is how many predictions count.
	near, far float32
	order     int
}

// apply sets latents to the sum.
func (f factors) apply(latents []float32, models [][]float32, fresh []float32) {
	for i, x := range latents {
		total := float32(f.sample*x) + float32(f.model*models[0][i])
		switch f.order {
		case 2:
			total += float32(f.slope * float32(1/f.near*(models[0][i]-models[1][i])))
		case 3:
			d0 := float32(1 / f.near * (models[0][i] - models[1][i]))
			d1 := float32(1 / f.far * (models[1][i] - models[2][i]))
			slope := d0 + float32(f.near/(f.near+f.far)*(d0-d1))
			curve := float32(1 / (f.near + f.far) * (d0 - d1))
			total += float32(f.slope*slope) + float32(f.curve*curve)
		}
		if fresh != nil {
			total += float32(f.fresh * fresh[i])
		}
		latents[i] = total
	}
}

// first is the step of first order from s to t.
func (k solver) first(t, s point) factors {
	h := t.lambda - s.lambda
	f := factors{order: 1}
	switch k.algorithm {
	case "dpmsolver++":
		f.sample = t.sigma / s.sigma
		f.model = -(t.alpha * (exp32(-h) - 1))
	case "dpmsolver":
		f.sample = t.alpha / s.alpha
		f.model = -(t.sigma * (exp32(h) - 1))
	case "sde-dpmsolver++":
		f.sample = t.sigma / s.sigma * exp32(-h)
		f.model = t.alpha * (1 - exp32(-2*h))
		f.fresh = t.sigma * sqrt32(1-exp32(-2*h))
	case "sde-dpmsolver":
		f.sample = t.alpha / s.alpha
		f.model = -2 * (t.sigma * (exp32(h) - 1))
		f.fresh = t.sigma * sqrt32(exp32(2*h)-1)
	}
	return f
}

// second adds the difference to the prediction at an earlier point s1.
func (k solver) second(t, s, s1 point) factors {
	f := k.first(t, s)
	h := t.lambda - s.lambda
	f.order, f.near = 2, (s.lambda-s1.lambda)/h
	switch {
	case k.variant == "midpoint" && k.algorithm == "sde-dpmsolver":
		f.slope = -(t.sigma * (exp32(h) - 1))
	case k.variant == "midpoint":
		f.slope = 0.5 * f.model
	case k.algorithm == "dpmsolver++":
		f.slope = t.alpha * ((exp32(-h)-1)/h + 1)
	case k.algorithm == "dpmsolver":
		f.slope = -(t.sigma * ((exp32(h)-1)/h - 1))
	case k.algorithm == "sde-dpmsolver++":
		f.slope = t.alpha * ((1-exp32(-2*h))/(-2*h) + 1)
	case k.algorithm == "sde-dpmsolver":
		f.slope = -2 * (t.sigma * ((exp32(h)-1)/h - 1))
	}
	return f
}

// third adds the second difference as well.
func (k solver) third(t, s, s1, s2 point) factors {
	f := k.first(t, s)
	h := t.lambda - s.lambda
	f.order, f.near, f.far = 3, (s.lambda-s1.lambda)/h, (s1.lambda-s2.lambda)/h
	square := float32(h * h)
	switch k.algorithm {
	case "dpmsolver++":
		f.slope = t.alpha * ((exp32(-h)-1)/h + 1)
		f.curve = -(t.alpha * ((exp32(-h)-1+h)/square - 0.5))
	case "dpmsolver":
		f.slope = -(t.sigma * ((exp32(h)-1)/h - 1))
		f.curve = -(t.sigma * ((exp32(h)-1-h)/square - 0.5))
	case "sde-dpmsolver++":
		double := 2 * h
		f.slope = t.alpha * ((1-exp32(-2*h))/(-2*h) + 1)
		f.curve = t.alpha * ((1-exp32(-2*h)-double)/float32(double*double) - 0.5)
	}
	return f
}
