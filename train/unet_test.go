package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// zooOptions are a small UNet's, its weights in a file of an element type.
func zooOptions(t *testing.T, name string, dtype tensor.DType) UNetOptions {
	t.Helper()
	var parts [2][]byte
	for i, path := range []string{"unet/config.json", "scheduler/scheduler_config.json"} {
		data, err := os.ReadFile(filepath.Join("../testdata/zoo", name, path))
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = data
	}
	o := UNetOptions{Pixels: 8, Threads: 1, Seed: 7}
	scheduler, err := diffusion.ParseConfig(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if o.Noising, err = scheduler.Noising(); err != nil {
		t.Fatal(err)
	}
	if o.Config, err = model.ParseUNet(parts[0]); err != nil {
		t.Fatal(err)
	}
	out := weights.Output{DType: dtype, Values: func(int, []float32) error { return nil }}
	for _, p := range unet(t, name).Params {
		shape, _ := p.Shape.Const()
		out.Tensors = append(out.Tensors, weights.Param{Name: p.Name, Shape: shape})
	}
	out.Values = func(i int, dst []float32) error {
		fill.Tensor(dst, fill.Key{Part: "unet", Name: out.Tensors[i].Name}, out.Tensors[i].Shape)
		return nil
	}
	path := filepath.Join(t.TempDir(), "unet.safetensors")
	if err := weights.WriteFile(t.Context(), path, out); err != nil {
		t.Fatal(err)
	}
	file, err := weights.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if o.Weights, err = weights.NewIndex("unet", weights.UNet, file); err != nil {
		t.Fatal(err)
	}
	return o
}

func learner(t *testing.T, rt *ort.Runtime, o UNetOptions) *UNetLearner {
	t.Helper()
	l, err := NewUNetLearner(rt, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// zooBatch is a batch of noise, of which the first row has groups of words.
func zooBatch(o UNetOptions, rows, height, width, tokens int) *UNetBatch {
	b := &UNetBatch{Height: 8 * height, Width: 8 * width}
	draw := func(what string, n int64) []float32 {
		values := make([]float32, n)
		diffusion.NewNoise(SeedOf(1, what)).Normal(values)
		return values
	}
	n, size := int64(rows), o.Config.InChannels*int64(height*width)
	b.Latents, b.Noise = draw("latents", n*size), draw("noise", n*size)
	b.States = draw("states", n*int64(tokens)*o.Config.CrossAttentionDim[0])
	if o.Config.TextTime {
		b.TextEmbeds = draw("embeds", n*o.Config.TextEmbedDim())
		for range rows {
			b.TimeIDs = append(b.TimeIDs, 512, 384, 0, 8, 512, 384)
		}
	}
	for i := range rows {
		b.Timesteps = append(b.Timesteps, (37+411*i)%1000)
		sample := Sample{}
		if i == 0 {
			sample = Sample{Map: rings(b.Width, b.Height), Groups: []Group{{Tokens: [2]int{1, 3}, Labels: []uint8{1, 2}}, {Tokens: [2]int{4, 6}, Foreground: true}}}
		}
		b.Samples = append(b.Samples, sample)
	}
	return b
}

func teach(t *testing.T, l *UNetLearner, b *UNetBatch) Losses {
	t.Helper()
	losses, err := l.Gradients(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return losses
}

// gradientOf copies all gradients and sets them to zero.
func gradientOf(l *UNetLearner) []float32 {
	var all []float32
	for _, x := range l.Tensors() {
		all = append(all, x.Gradient...)
		clear(x.Gradient)
	}
	return all
}

// TestGradientsAddUp: a second batch's gradients are added to the first one's, and a
// batch of two rows has the mean of theirs, at any size; the loss is what Evaluate says.
func TestGradientsAddUp(t *testing.T) {
	rt := openRuntime(t)
	o := zooOptions(t, "tiny-sd", tensor.Float32)
	hola := DefaultHOLA()
	o.HOLA = &hola
	o.MinSNR = 5
	l := learner(t, rt, o)
	for _, size := range [][2]int{{5, 7}, {8, 6}} {
		both := zooBatch(o, 2, size[0], size[1], 9)
		both.Samples[1] = both.Samples[0]
		losses := teach(t, l, both)
		want := gradientOf(l)
		judged, err := l.Evaluate(t.Context(), both)
		if err != nil || fmt.Sprint(judged) != fmt.Sprint(losses) {
			t.Errorf("%v with gradients, %v without: %v", losses, judged, err)
		}
		sum := 0.0
		for i := range 2 {
			one := *both
			half := func(x []float32) []float32 { return x[i*len(x)/2 : (i+1)*len(x)/2] }
			one.Latents, one.Noise, one.States = half(both.Latents), half(both.Noise), half(both.States)
			one.Timesteps, one.Samples = both.Timesteps[i:i+1], both.Samples[i:i+1]
			sum += teach(t, l, &one).Total
		}
		if off := math.Abs(sum/2-losses.Total) / losses.Total; !(off < 1e-5) {
			t.Errorf("rows have losses of %g, together %g", sum/2, losses.Total)
		}
		compareSums(t, gradientOf(l), want, 2)
	}
}

// compareSums holds a sum of gradients to another one, times a factor. A small network
// whose middle has few positions loses digits.
func compareSums(t *testing.T, got, want []float32, factor float64) {
	t.Helper()
	var off, norm float64
	for i, w := range want {
		d := float64(got[i]) - factor*float64(w)
		off += d * d
		norm += factor * factor * float64(w) * float64(w)
	}
	if off = math.Sqrt(off / norm); !(off < 1e-4) || norm == 0 {
		t.Errorf("gradients are %.2g from those that were expected", off)
	}
}

// TestWeightsOfRows: a row of weight 0 is as if it were not there, and areas count as
// they say.
func TestWeightsOfRows(t *testing.T) {
	rt := openRuntime(t)
	o := zooOptions(t, "tiny-sd", tensor.Float32)
	o.Tensors = []string{"conv_out.*", "*.attn2.to_k.weight"}
	l := learner(t, rt, o)
	b := zooBatch(o, 2, 4, 6, 9)
	b.Weights = []float64{2, 0}
	weighed := teach(t, l, b)
	got := gradientOf(l)
	one := *b
	one.Latents, one.Noise, one.States = b.Latents[:len(b.Latents)/2], b.Noise[:len(b.Noise)/2], b.States[:len(b.States)/2]
	one.Timesteps, one.Samples, one.Weights = b.Timesteps[:1], b.Samples[:1], nil
	alone := teach(t, l, &one)
	compareSums(t, got, gradientOf(l), 1)
	if off := math.Abs(weighed.Total-alone.Total) / alone.Total; !(off < 1e-6) {
		t.Errorf("the loss is %g with a row of no weight, %g without the row", weighed.Total, alone.Total)
	}
	// The halves of the areas, counted apart, are the whole.
	sum := 0.0
	for half := range 2 {
		one.Areas = make([]float32, 4*6)
		for i := range one.Areas {
			if i%2 == half {
				one.Areas[i] = 1
			}
		}
		sum += teach(t, l, &one).Total
	}
	if off := math.Abs(sum-alone.Total) / alone.Total; !(off < 1e-6) {
		t.Errorf("parts have losses of %g together, the whole %g", sum, alone.Total)
	}
}

// TestRecompute: computing blocks anew changes no gradient but by rounding, takes more
// nodes, and all of them are run.
func TestRecompute(t *testing.T) {
	rt := openRuntime(t)
	o := zooOptions(t, "tiny-sdxl", tensor.Float32)
	hola := DefaultHOLA()
	o.HOLA = &hola
	b := zooBatch(o, 1, 6, 4, 9)
	kept := learner(t, rt, o)
	teach(t, kept, b)
	want := gradientOf(kept)
	o.Recompute, o.Heads = true, 1
	o.Profile = filepath.Join(t.TempDir(), "profile")
	anew := learner(t, rt, o)
	teach(t, anew, b)
	compareSums(t, gradientOf(anew), want, 1)
	if a, k := anew.program.Nodes(), kept.program.Nodes(); float64(a) < 1.2*float64(k) {
		t.Errorf("%d nodes with recomputation, %d without", a, k)
	}
	if err := anew.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(o.Profile + "*")
	if err != nil || len(files) != 1 {
		t.Fatalf("profiles %v: %v", files, err)
	}
	profile, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if ran := strings.Count(string(profile), "_kernel_time"); ran < anew.program.Nodes() {
		t.Errorf("%d operators were run of %d", ran, anew.program.Nodes())
	}
}

// TestLoRALearner: at first nothing is changed, only B has a gradient, half-precision
// weights stay as they are, and the gradients by the text come out.
func TestLoRALearner(t *testing.T) {
	rt := openRuntime(t)
	full := zooOptions(t, "tiny-sdxl", tensor.Float16)
	b := zooBatch(full, 2, 4, 4, 9)
	plain := learner(t, rt, full)
	want, err := plain.Evaluate(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	o := full
	o.LoRA = &LoRA{Rank: 3, Alpha: 1.5, Targets: []string{"attention", "*.resnets.0.conv1", "*.downsamplers.0.conv"}}
	o.Through = true
	l := learner(t, rt, o)
	b.ByStates, b.ByTextEmbeds = make([]float32, len(b.States)), make([]float32, len(b.TextEmbeds))
	got := teach(t, l, b)
	if off := math.Abs(got.Total-want.Total) / want.Total; !(off < 1e-6) {
		t.Errorf("the loss is %g with low-rank terms of zero, %g without", got.Total, want.Total)
	}
	for _, x := range l.Tensors() {
		zero := !slices.ContainsFunc(x.Gradient, func(v float32) bool { return v != 0 })
		if isA := strings.HasSuffix(x.Name, "lora_A.weight"); zero != isA {
			t.Errorf("the gradient of %s is zero: %t", x.Name, zero)
		}
		for i, g := range x.Gradient {
			x.Values[i] -= 0.01 * g
		}
	}
	after, err := l.Evaluate(t.Context(), b)
	if err != nil || !(after.Total < got.Total) {
		t.Errorf("the loss goes from %g to %g against the gradient: %v", got.Total, after.Total, err)
	}
	adapter := l.Adapter()
	if len(adapter) != len(l.Tensors())/2 || adapter[0].Scale != 0.5 || &adapter[0].B[0] != &l.Tensors()[1].Values[0] {
		t.Errorf("%d layers of %d tensors, scale %g", len(adapter), len(l.Tensors()), adapter[0].Scale)
	}
	// The gradient by the states foretells what a small step does.
	const step = 1e-3
	var slope float64
	for i, g := range b.ByStates {
		b.States[i] += step * g
		slope += float64(g) * float64(g)
	}
	for _, x := range l.Tensors() {
		if strings.HasSuffix(x.Name, "lora_B.weight") {
			clear(x.Values)
		}
	}
	moved, err := l.Evaluate(t.Context(), b)
	if d := (moved.Total - got.Total) / (step * slope); err != nil || !(math.Abs(d-1) < 0.05) || slices.Max(b.ByTextEmbeds) == 0 {
		t.Errorf("a step along the states' gradient has %.3g of the foretold effect: %v", d, err)
	}
}

// TestLearnerRefuses: every fault of a batch and of the options is named.
func TestLearnerRefuses(t *testing.T) {
	rt := openRuntime(t)
	o := zooOptions(t, "zero-snr", tensor.Float32)
	refused := func(what string, err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v, want one with %q", what, err, w)
			}
		}
	}
	_, err := NewUNetLearner(rt, UNetOptions{MinSNR: -1, LoRA: &LoRA{Alpha: -1, Targets: []string{"["}}})
	refused("options", err, "no weights", "min_snr is -1", "lora.rank is 0", "lora.alpha is -1", `lora.targets has "["`, "noise schedule", "pixels")
	bad := o
	bad.LoRA = &LoRA{Rank: 1, Targets: []string{"attention", "to_x"}}
	_, err = NewUNetLearner(rt, bad)
	refused("targets", err, `"to_x"`)
	bad = o
	bad.Tensors = []string{"nothing.*", "["}
	_, err = NewUNetLearner(rt, bad)
	refused("tensors", err, "nothing.*", `"["`)
	bad = o
	bad.Config.InChannels = 9
	_, err = NewUNetLearner(rt, bad)
	refused("channels", err, "9 channels go in and 4 come out")

	o.LoRA = &LoRA{Rank: 1}
	l := learner(t, rt, o)
	_, err = l.Gradients(t.Context(), &UNetBatch{
		Height: 32, Width: 32, Timesteps: []int{1000}, Latents: make([]float32, 3), States: make([]float32, 33),
		Weights: []float64{math.NaN()}, Areas: make([]float32, 1), TimeIDs: make([]float32, 6), ByStates: make([]float32, 1),
	})
	refused("batch", err, "Latents has 3 values, expected 64", "Noise", "States has 33", "Areas", "row 0 is 1000", "row 0 is NaN", "SDXL", "made without them")
	_, err = l.Gradients(t.Context(), &UNetBatch{})
	refused("no rows", err, "no rows")
	b := zooBatch(o, 1, 4, 4, 9)
	b.Samples = nil
	b.States[3] = float32(math.Inf(1))
	_, err = l.Gradients(t.Context(), b)
	if refused("infinite", err, "encoder_hidden_states"); !errors.Is(err, ErrNotFinite) {
		t.Errorf("%v is not ErrNotFinite", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Gradients(ended, zooBatch(o, 1, 4, 4, 9)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the end", err)
	}
}
