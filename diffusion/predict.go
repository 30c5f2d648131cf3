package diffusion

// Predict needs no sampler's memory: the network's input is signal * image +
// noise * epsilon with the factors of its call, whether a sampler keeps its latents
// at that scale or divides them first.
func (r *run) Predict(dst, input, output []float32, call int) {
	signal, noise := r.mix(call)
	if r.divisors != nil {
		signal, noise = signal/r.divisors[call], noise/r.divisors[call]
	}
	switch r.prediction {
	case "epsilon":
		for i, x := range input {
			dst[i] = (x - float32(noise*output[i])) / signal
		}
	case "v_prediction":
		for i, x := range input {
			dst[i] = float32(signal*x) - float32(noise*output[i])
		}
	case "flow_prediction":
		for i, x := range input {
			dst[i] = x - float32(noise*output[i])
		}
	default: // the image itself
		copy(dst, output)
	}
}
