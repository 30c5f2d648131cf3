package train

import (
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/ort"
	"cosmicman/tensor"
)

// trainCase is a training run of oracle/train30.py.
type trainCase struct {
	Name, Model  string
	Size         [2]int // of the latents
	Rows, Tokens int
	Steps, Added int
	Rate, EMA    float64
	HOLA         *optionsCase
	Alpha, Beta  float64
	MinSNR       float64 `json:"min_snr"`
	Offset       float64
	Weights      []float64
	Areas        bool
	LoRA         *struct {
		Rank    int64
		Alpha   float64
		Targets []string
	}
	Samples []struct {
		Height, Width int
		Map           [][2]int // labels and how often each comes
		Groups        []struct {
			Tokens     [2]int
			Labels     []int
			Foreground bool
		}
	}
	Still   []string // tensors without a gradient but for rounding
	Batches []struct {
		Timesteps          []int
		Samples            []int
		Noise, HOLA, Total float64
	}
	Norms             []float64
	Changes, Averages map[string][]float64 // norm, then products with directions
}

// TestThirtySteps trains as PyTorch did, on the same data: losses within 1e-4, and
// every tensor's change within 1e-2.
func TestThirtySteps(t *testing.T) {
	rt := openRuntime(t)
	for _, c := range cases[trainCase](t, "testdata/train30.json") {
		t.Run(c.Name, func(t *testing.T) { c.compare(t, rt) })
	}
}

func (c trainCase) compare(t *testing.T, rt *ort.Runtime) {
	o := zooOptions(t, c.Model, tensor.Float32)
	o.MinSNR, o.Recompute = c.MinSNR, c.LoRA != nil
	if c.HOLA != nil {
		h := c.HOLA.hola(c.Alpha, c.Beta)
		o.HOLA = &h
	}
	if c.LoRA != nil {
		o.LoRA = &LoRA{Rank: c.LoRA.Rank, Alpha: c.LoRA.Alpha}
		for _, end := range c.LoRA.Targets {
			o.LoRA.Targets = append(o.LoRA.Targets, "*."+end)
		}
	}
	l := learner(t, rt, o)
	var weights []Weights
	var before, values, averages [][]float32
	for _, x := range l.Tensors() {
		if c.LoRA != nil && strings.HasSuffix(x.Name, ".lora_A.weight") {
			diffusion.NewNoise(uint64(crc32.ChecksumIEEE([]byte("train30/" + strings.TrimSuffix(x.Name, ".weight"))))).Normal(x.Values)
			for i := range x.Values {
				x.Values[i] /= float32(math.Sqrt(float64(int64(len(x.Values)) / x.Shape[0])))
			}
		}
		n := len(x.Values)
		weights = append(weights, Weights{x.Name, x.Values, x.Gradient, make([]float32, n), make([]float32, n)})
		before, values, averages = append(before, slices.Clone(x.Values)), append(values, x.Values), append(averages, slices.Clone(x.Values))
	}
	adamw, ema := DefaultAdamW(), EMA{c.EMA}
	worst := 0.0
	near := func(what string, got, want float64) {
		t.Helper()
		off := math.Abs(got-want) / want
		if worst = max(worst, off); !(off <= 1e-4) {
			t.Errorf("%s is %.8g, PyTorch's %.8g", what, got, want)
		}
	}
	for step := range c.Steps {
		for i := range c.Added {
			n := step*c.Added + i
			losses := teach(t, l, c.batch(n, o))
			want := c.Batches[n]
			near(fmt.Sprintf("the loss of batch %d", n), losses.Total, want.Total)
			near(fmt.Sprintf("the noise loss of batch %d", n), losses.Parts[0].Value, want.Noise)
			if c.HOLA != nil && want.HOLA > 0 {
				near(fmt.Sprintf("HOLA of batch %d", n), losses.Parts[1].Value, want.HOLA)
			}
		}
		norm, err := adamw.Step(Step{Number: step + 1, LearningRate: c.Rate, Scale: 1 / float64(c.Added)}, weights)
		if err != nil {
			t.Fatal(err)
		}
		near(fmt.Sprintf("the gradients' norm at step %d", step+1), norm, c.Norms[step])
		if err := ema.Update(step+1, averages, values); err != nil {
			t.Fatal(err)
		}
		for _, x := range l.Tensors() {
			clear(x.Gradient)
		}
	}
	off := 0.0
	for i, x := range l.Tensors() {
		ref, moves := c.Changes[x.Name]
		if still := slices.Contains(c.Still, x.Name); still == moves {
			t.Errorf("%s moves: %t, stands still: %t", x.Name, moves, still)
		}
		if moves {
			d := c.distance(x.Name, values[i], before[i], ref)
			off = max(off, d)
			if !(d < 1e-2) {
				t.Errorf("the change of %s is %.2g from PyTorch's", x.Name, d)
			}
		}
		if ref, ok := c.Averages[x.Name]; ok {
			if d := c.distance("average of "+x.Name, averages[i], before[i], ref); !(d < 1e-2) {
				t.Errorf("the change of the average of %s is %.2g from PyTorch's", x.Name, d)
			}
		}
	}
	if len(c.Changes)+len(c.Still) != len(l.Tensors()) {
		t.Errorf("%d tensors, PyTorch has %d", len(l.Tensors()), len(c.Changes)+len(c.Still))
	}
	if testing.Verbose() {
		t.Logf("losses within %.2g, changes within %.2g", worst, off)
	}
}

// batch makes batch n of a run.
func (c trainCase) batch(n int, o UNetOptions) *UNetBatch {
	draw := func(what string, shape ...int64) []float32 {
		return noise(uint64(crc32.ChecksumIEEE(fmt.Appendf(nil, "train30/%s/%s/%d", c.Name, what, n))), shape...).Float32()
	}
	said := c.Batches[n]
	rows, channels, height, width := int64(c.Rows), o.Config.InChannels, int64(c.Size[0]), int64(c.Size[1])
	b := &UNetBatch{Height: 8 * c.Size[0], Width: 8 * c.Size[1], Timesteps: said.Timesteps, Weights: c.Weights}
	b.Latents, b.Noise = draw("latents", rows, channels, height, width), draw("noise", rows, channels, height, width)
	b.States = draw("states", rows, int64(c.Tokens), o.Config.CrossAttentionDim[0])
	if o.Config.TextTime {
		b.TextEmbeds = draw("text_embeds", rows, o.Config.TextEmbedDim())
		ids := [][]float32{{1024, 768, 0, 0, 1024, 768}, {64, 72, 8, 3, 104, 72}}
		b.TimeIDs = slices.Concat(ids[:rows]...)
	}
	if c.Areas {
		b.Areas = draw("areas", rows, height, width)
		for i, v := range b.Areas {
			b.Areas[i] = float32(math.Abs(float64(v)))
		}
	}
	for i := range c.Rows {
		row := b.Noise[i*len(b.Noise)/c.Rows : (i+1)*len(b.Noise)/c.Rows]
		OffsetNoise(row, int(channels), c.Offset, uint64(crc32.ChecksumIEEE(fmt.Appendf(nil, "train30/%s/offset/%d/%d", c.Name, n, i))))
	}
	var samples samplesCase
	for _, i := range said.Samples {
		s := c.Samples[i]
		var labels []int
		for _, run := range s.Map {
			labels = append(labels, slices.Repeat(run[:1], run[1])...)
		}
		samples = append(samples, samplesCase{{s.Height, s.Width, labels, s.Groups}}...)
	}
	b.Samples = samples.batch()
	return b
}

// distance estimates norm(d - ref) / norm(ref) of a tensor's change d from its products
// with random directions.
func (c trainCase) distance(name string, now, before []float32, ref []float64) float64 {
	if len(ref) < 2 {
		return math.NaN()
	}
	direction := make([]float32, len(now))
	var norm, off float64
	for i, v := range now {
		d := float64(v) - float64(before[i])
		norm += d * d
	}
	for i, want := range ref[1:] {
		diffusion.NewNoise(uint64(crc32.ChecksumIEEE(fmt.Appendf(nil, "train30/%s/%s/%d", c.Name, name, i)))).Normal(direction)
		var dot float64
		for j, v := range now {
			dot += (float64(v) - float64(before[j])) * float64(direction[j])
		}
		off += (dot - want) * (dot - want) / float64(len(ref)-1)
	}
	return max(math.Sqrt(off), math.Abs(math.Sqrt(norm)-ref[0])) / ref[0]
}
