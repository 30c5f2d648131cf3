package sim

import (
	"time"

	"cosmicman/job"
)

// Costs of a device, in seconds. Rows, decodes and texts are at 512x512, and in
// proportion to pixels at other sizes (texts have none).
type Costs struct {
	Fixed    float64 // of a UNet call
	PerRow   float64 // of a UNet call, for each row
	Decode   float64
	Begin    float64 // of a call of the text encoders
	PerBegin float64 // of it, for each image
	Load     float64 // of a model
	Record   float64 // from the decode to the record, beside the device
}

// CPU returns costs like those of Stable Diffusion 1.5 in fp32 on two cores, where a
// step of two rows takes 4.8 s: linear in rows.
func CPU() Costs {
	return Costs{PerRow: 2.4, Decode: 9, Begin: 0.05, PerBegin: 0.1, Load: 15, Record: 0.15}
}

// GPU returns costs whose fixed part is worth 16 rows.
func GPU() Costs {
	return Costs{Fixed: 0.08, PerRow: 0.005, Decode: 0.03, Begin: 0.005, PerBegin: 0.001, Load: 10, Record: 0.1}
}

// Step returns the seconds of a UNet call.
func (c Costs) Step(g job.Group, rows int) float64 {
	return c.Fixed + c.PerRow*float64(rows)*scale(g)
}

// Image returns the device seconds of one image in calls of so many rows.
func (c Costs) Image(d job.Drawing, rows int) float64 {
	g := groupOf("", d)
	share := float64(rowsOf(d)) / float64(rows)
	return c.PerBegin + float64(d.Steps)*c.Step(g, rows)*share + c.Decode*scale(g)
}

func scale(g job.Group) float64 { return float64(g.Height*g.Width) / (64 * 64) }

func groupOf(model string, d job.Drawing) job.Group {
	return job.Group{Model: model, Height: d.Height / 8, Width: d.Width / 8, Tokens: 77}
}

func rowsOf(d job.Drawing) int {
	if d.GuidanceScale > 1 {
		return 2
	}
	return 1
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
