package journal

import "math"

// history is what the page shows of a run, from its lines.
type history struct {
	curves      map[string]*curve
	names       []string // of the curves, in the order in which they came
	begin, last Line     // the latest of their kind
	steps       int64    // that were made
	skipped     int64
	checkpoints []Line
	notes       []Line
	prompts     []string
	end         *Line
}

// curve is a value over steps. Floats of 32 bits are enough for drawing, and a million
// steps of eight curves take 64 MB.
type curve struct {
	steps  []int32
	values []float32
}

func (h *history) curve(name string) *curve {
	if h.curves == nil {
		h.curves = map[string]*curve{}
	}
	c := h.curves[name]
	if c == nil {
		c = &curve{}
		h.curves[name] = c
		h.names = append(h.names, name)
	}
	return c
}

func (h *history) point(name string, step int64, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) || step > math.MaxInt32 {
		return
	}
	c := h.curve(name)
	c.steps, c.values = append(c.steps, int32(step)), append(c.values, float32(v))
}

// maxNotes bounds the notes and checkpoints of the page; the file has all.
const maxNotes = 200

func (h *history) add(l Line) {
	switch l.Kind {
	case kindBegin:
		h.begin, h.end = l, nil
	case kindStep:
		h.last = l
		h.steps = l.Step
		if l.Skipped != "" {
			h.skipped++
		}
		if l.Losses() != nil {
			h.point("loss", l.Step, float64(*l.Loss))
			for _, p := range l.Parts {
				h.point("loss/"+p.Name, l.Step, p.Value)
			}
		}
		if l.LearningRate != nil {
			h.point("rate", l.Step, float64(*l.LearningRate))
		}
		if l.GradientNorm != nil && l.Skipped == "" {
			h.point("norm", l.Step, float64(*l.GradientNorm))
		}
		h.point("speed", l.Step, float64(l.ImagesPerSecond))
	case kindHeld:
		if l.Loss != nil {
			h.point("held", l.Step, float64(*l.Loss))
			for _, p := range l.Parts {
				h.point("held/"+p.Name, l.Step, p.Value)
			}
		}
		if l.AverageLoss != nil {
			h.point("average", l.Step, float64(*l.AverageLoss))
			for _, p := range l.AverageParts {
				h.point("average/"+p.Name, l.Step, p.Value)
			}
		}
	case kindCheckpoint:
		h.checkpoints = lastOf(append(h.checkpoints, l))
	case kindNote:
		h.notes = lastOf(append(h.notes, l))
	case kindSamples:
		h.prompts = l.Prompts
	case kindEnd:
		h.end = &l
	}
}

func lastOf(lines []Line) []Line {
	if len(lines) > maxNotes {
		return lines[len(lines)-maxNotes:]
	}
	return lines
}
