package diffusion

// Predict needs no sampler's memory: the network's input is signal * image +
// noise * epsilon with the factors of its call, whether a sampler keeps its latents
// at that scale or divides them first.
func (r *run) Predict(dst, input, output []float32, call int) {
	signal, noise := r.mix(call)
	if r.divisors != nil {
		signal, noise = signal/r.divisors[call], noise/r.divisors[call]
	}
	predictImage(dst, input, output, signal, noise, noise, r.prediction)
}

// predictImage sets dst to the clean image that the network's output predicts for
// latents of signal times the image and noise times epsilon; level is the noise level
// of a flow's latents.
func predictImage(dst, latents, output []float32, signal, noise, level float32, prediction string) {
	switch prediction {
	case "epsilon":
		for i, x := range latents {
			dst[i] = (x - float32(noise*output[i])) / signal
		}
	case "v_prediction":
		for i, x := range latents {
			dst[i] = float32(signal*x) - float32(noise*output[i])
		}
	case "flow_prediction":
		for i, x := range latents {
			dst[i] = x - float32(level*output[i])
		}
	default: // the image itself
		copy(dst, output)
	}
}
