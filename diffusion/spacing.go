package diffusion

import "math"

// spacing says how timesteps of inference are chosen among those of training
// ("Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2).
type spacing struct {
	rule   string
	offset int
}

func readSpacing(p *params, absent string) spacing {
	s := spacing{p.text("timestep_spacing", absent), p.integer("steps_offset", 0)}
	switch s.rule {
	case "leading", "linspace", "trailing":
	default:
		p.fail("timestep_spacing %q: expected leading, linspace or trailing", s.rule)
	}
	return s
}

// descending returns the timesteps of the schedulers that start at the last
// one. linspace leaves fractions.
func (s spacing) descending(trainSteps, steps int) []float64 {
	switch s.rule {
	case "linspace":
		return reversed(linspace(0, float64(trainSteps-1), steps))
	case "leading":
		ratio := trainSteps / steps
		out := make([]float64, steps)
		for i := range out {
			out[i] = float64((steps-1-i)*ratio + s.offset)
		}
		return out
	}
	return s.trailing(trainSteps, trainSteps, steps)
}

// multistep returns the timesteps of DPM-Solver and UniPC, which divide the
// range, up to last, into one part more and leave out the lowest.
func (s spacing) multistep(trainSteps, last, steps int) []float64 {
	switch s.rule {
	case "linspace":
		out := reversed(linspace(0, float64(last-1), steps+1))[:steps]
		return rounded(out)
	case "leading":
		ratio := last / (steps + 1)
		out := make([]float64, steps)
		for i := range out {
			out[i] = float64((steps-i)*ratio + s.offset)
		}
		return out
	}
	return s.trailing(trainSteps, last, steps)
}

func (s spacing) trailing(trainSteps, last, steps int) []float64 {
	out := rounded(countDown(float64(last), float64(trainSteps)/float64(steps)))
	for i := range out {
		out[i]--
	}
	return out
}

// rounded rounds in place, halves to even as NumPy does.
func rounded(x []float64) []float64 {
	for i := range x {
		x[i] = math.RoundToEven(x[i])
	}
	return x
}

func reversed(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[len(x)-1-i] = x[i]
	}
	return out
}

func toInts(x []float64) []int {
	out := make([]int, len(x))
	for i := range x {
		out[i] = int(x[i])
	}
	return out
}

func toFloat32(x []float64) []float32 {
	out := make([]float32, len(x))
	for i := range x {
		out[i] = float32(x[i])
	}
	return out
}
