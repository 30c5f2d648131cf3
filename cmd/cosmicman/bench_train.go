package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel"
	newweights "cosmicman/newmodel/fill"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/train"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

// trainCase is a step of training to be measured.
type trainCase struct {
	arch      string // built in, or a JSON file of configs by part
	rank      int64  // of low-rank terms on the attentions; 0 trains the weights themselves
	size      int    // pixels of a side of the images
	batch     int
	half      bool // frozen weights are float16 in their file
	recompute bool
	heads     int64
	hola      bool
}

// trainCases are what PyTorch is compared with (oracle/bench_train.py).
var trainCases = map[string]trainCase{
	"doll":      {arch: "doll", size: 64, batch: 16},
	"sd15-lora": {arch: "sd15", rank: 16, size: 512, batch: 1, recompute: true, heads: 2},
	"sdxl-lora": {arch: "sdxl", rank: 16, size: 512, batch: 1, half: true, recompute: true, heads: 2},
}

// trainStage is one line. Seconds is the median of the repeats; CPU is the
// processors' time, which other programs on the machine change less.
type trainStage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Min     float64 `json:"min_seconds"`
	CPU     float64 `json:"min_cpu_seconds"`
	Repeats int     `json:"repeats"`
}

type trainReport struct {
	CPU       string       `json:"cpu"`
	Threads   int          `json:"threads"`
	Runtime   string       `json:"runtime"`
	Arch      string       `json:"arch"`
	Rank      int64        `json:"rank"`
	Size      int          `json:"size"`
	Batch     int          `json:"batch"`
	Params    int64        `json:"params"`
	Trained   int64        `json:"trained"`
	Nodes     int          `json:"nodes"`
	Stages    []trainStage `json:"stages"`
	Images    float64      `json:"images_per_second"` // of gradients and optimizer
	Peak      int64        `json:"peak_rss_bytes"`    // of both, files that are mapped counted
	Anonymous int64        `json:"rss_anon_bytes"`    // own memory after them
}

func benchTrain(ctx context.Context, e *environment, args []string) error {
	fs := flag.NewFlagSet("bench train", flag.ContinueOnError)
	name := fs.String("case", "doll", strings.Join(slices.Sorted(maps.Keys(trainCases)), ", ")+": what the flags below change")
	var set trainCase
	fs.StringVar(&set.arch, "arch", "", strings.Join(newmodel.Names(), ", ")+", or a JSON file of configs by part")
	fs.Int64Var(&set.rank, "rank", 0, "rank of LoRA on the attentions; 0 trains every weight")
	fs.IntVar(&set.size, "size", 0, "pixels of a side of the images")
	fs.IntVar(&set.batch, "batch", 0, "images a step")
	fs.BoolVar(&set.half, "half", false, "keep frozen weights as float16")
	fs.BoolVar(&set.recompute, "recompute", false, "compute each block's inside anew for the backward pass")
	fs.Int64Var(&set.heads, "heads", 0, "heads of an attention that are derived at a time, 0 for all")
	fs.BoolVar(&set.hola, "hola", false, "supervise attention, too")
	threads := fs.Int("threads", 0, "threads (default: one a core)")
	repeat := fs.Int("repeat", 3, "times each stage is run after a first one that is not counted")
	forward := fs.Bool("forward", true, "time the losses without gradients, too")
	library := fs.String("library", "", "ONNX Runtime's library or its folder")
	profile := fs.String("profile", "", "path prefix of a profile by operator")
	data := fs.String("data", "", "folder for the weights, which are made up and removed at the end (default: the system's temporary folder)")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	c, ok := trainCases[*name]
	if !ok {
		return usagef("bench train: --case is %q, expected %s", *name, strings.Join(slices.Sorted(maps.Keys(trainCases)), ", "))
	}
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "arch":
			c.arch = set.arch
		case "rank":
			c.rank = set.rank
		case "size":
			c.size = set.size
		case "batch":
			c.batch = set.batch
		case "half":
			c.half = set.half
		case "recompute":
			c.recompute = set.recompute
		case "heads":
			c.heads = set.heads
		case "hola":
			c.hola = set.hola
		}
	})
	var faults []error
	for _, n := range []struct {
		flag  string
		value int64
		least int64
		most  int64
	}{
		{"rank", c.rank, 0, 1 << 16}, {"size", int64(c.size), 8, 8192}, {"batch", int64(c.batch), 1, 4096},
		{"heads", c.heads, 0, 1 << 16}, {"threads", int64(*threads), 0, 1 << 12}, {"repeat", int64(*repeat), 1, 1 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			faults = append(faults, usagef("bench train: --%s is %d, expected %d to %d", n.flag, n.value, n.least, n.most))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	b := &trainBench{c: c, report: trainReport{CPU: cpuName(), Threads: *threads, Arch: c.arch, Rank: c.rank, Size: c.size, Batch: c.batch}, repeat: *repeat, forward: *forward, profile: *profile}
	if *threads == 0 {
		b.report.Threads = runtime.NumCPU()
	}
	if err := b.run(ctx, *library, *data); err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(e.stdout).Encode(b.report)
	}
	b.print(e)
	return nil
}

type trainBench struct {
	c       trainCase
	report  trainReport
	repeat  int
	forward bool
	profile string
}

func (b *trainBench) run(ctx context.Context, library, data string) (err error) {
	dir, err := os.MkdirTemp(data, "cosmicman-bench-")
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o, err := b.options(ctx, filepath.Join(dir, "unet.safetensors"))
	if err != nil {
		return err
	}
	rt, err := ort.Open(library)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	b.report.Runtime = "onnxruntime " + rt.Version() + " cpu fp32"
	begin, before := time.Now(), processorTime()
	l, err := train.NewUNetLearner(rt, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	b.add("load", []float64{time.Since(begin).Seconds()}, []float64{processorTime() - before})
	b.report.Nodes = l.Nodes()
	return b.steps(ctx, l, b.batch(o))
}

// options writes the UNet's weights to a file and says how they are taught.
func (b *trainBench) options(ctx context.Context, path string) (o train.UNetOptions, err error) {
	a, err := newmodel.LoadArch(b.c.arch)
	if err != nil {
		return o, err
	}
	vae, err := model.ParseVAE(a["vae"])
	if err != nil {
		return o, err
	}
	scheduler, err := diffusion.ParseConfig(a["scheduler"])
	if err != nil {
		return o, err
	}
	o = train.UNetOptions{Pixels: int64(vae.Factor()), Recompute: b.c.recompute, Heads: b.c.heads, Threads: b.report.Threads, Profile: b.profile}
	if b.c.size%vae.Factor() != 0 {
		return o, usagef("bench train: --size is %d, expected a multiple of %d", b.c.size, vae.Factor())
	}
	if o.Noising, err = scheduler.Noising(); err != nil {
		return o, err
	}
	if o.Config, err = model.ParseUNet(a["unet"]); err != nil {
		return o, err
	}
	if b.c.rank > 0 {
		o.LoRA = &train.LoRA{Rank: b.c.rank}
	}
	if b.c.hola {
		h := train.DefaultHOLA()
		o.HOLA = &h
	}
	g, err := model.UNet(o.Config)
	if err != nil {
		return o, err
	}
	out := weights.Output{DType: tensor.Float32}
	if b.c.half {
		out.DType = tensor.Float16
	}
	out.Tensors = bind.Params(g)
	for _, p := range out.Tensors {
		n, _ := p.Shape.Elements()
		b.report.Params += n
	}
	out.Values = func(i int, dst []float32) error {
		newweights.Tensor(dst, newweights.Key{Part: "unet", Name: out.Tensors[i].Name}, out.Tensors[i].Shape)
		return ctx.Err()
	}
	if err := weights.WriteFile(ctx, path, out); err != nil {
		return o, err
	}
	file, err := weights.OpenFile(path)
	if err != nil {
		return o, err
	}
	o.Weights, err = weights.NewIndex("unet", weights.UNet, file)
	return o, err
}

// batch is images, noise and texts that are noise all three.
func (b *trainBench) batch(o train.UNetOptions) *train.UNetBatch {
	const tokens = 77
	draw := func(what string, n int64) []float32 {
		values := make([]float32, n)
		diffusion.NewNoise(train.SeedOf(1, what)).Normal(values)
		return values
	}
	rows, side := int64(b.c.batch), int64(b.c.size)/o.Pixels
	size := rows * o.Config.InChannels * side * side
	out := &train.UNetBatch{
		Height: b.c.size, Width: b.c.size, Latents: draw("latents", size), Noise: draw("noise", size),
		States: draw("states", rows*tokens*o.Config.CrossAttentionDim[0]),
	}
	if o.Config.TextTime {
		out.TextEmbeds = draw("embeds", rows*o.Config.TextEmbedDim())
	}
	whole := train.ParsingMap{Width: b.c.size, Height: b.c.size, Labels: make([]uint8, b.c.size*b.c.size)}
	for i := range whole.Labels {
		whole.Labels[i] = uint8(i / b.c.size * 5 / b.c.size)
	}
	for i := range b.c.batch {
		out.Timesteps = append(out.Timesteps, (37+411*i)%len(o.Noising.Alphas))
		if o.Config.TextTime {
			side := float32(b.c.size)
			out.TimeIDs = append(out.TimeIDs, side, side, 0, 0, side, side)
		}
		sample := train.Sample{Map: whole}
		for j := range 4 {
			sample.Groups = append(sample.Groups, train.Group{Tokens: [2]int{1 + 4*j, 4 + 4*j}, Labels: []uint8{uint8(1 + j)}})
		}
		out.Samples = append(out.Samples, sample)
	}
	return out
}

// steps times whole steps: gradients, then the optimizer.
func (b *trainBench) steps(ctx context.Context, l *train.UNetLearner, batch *train.UNetBatch) error {
	var all []train.Weights
	for _, t := range l.Tensors() {
		n := len(t.Values)
		b.report.Trained += int64(n)
		all = append(all, train.Weights{Name: t.Name, Values: t.Values, Gradient: t.Gradient, First: make([]float32, n), Second: make([]float32, n)})
	}
	optimizer := train.DefaultAdamW()
	step := 0
	gradients := func() error {
		for _, w := range all {
			clear(w.Gradient)
		}
		_, err := l.Gradients(ctx, batch)
		return err
	}
	var times [3]stageTimes
	for range b.repeat + 1 {
		step++
		if err := errors.Join(times[0].time(gradients), times[1].time(func() error {
			_, err := optimizer.Step(train.Step{Number: step, LearningRate: 1e-6}, all)
			return err
		})); err != nil {
			return err
		}
	}
	b.report.Anonymous, _, b.report.Peak = memory()
	b.add("gradients", times[0].wall[1:], times[0].cpu[1:])
	b.add("optimizer", times[1].wall[1:], times[1].cpu[1:])
	b.report.Images = float64(b.c.batch) / (b.report.Stages[1].Seconds + b.report.Stages[2].Seconds)
	if !b.forward {
		return nil
	}
	for range b.repeat + 1 {
		if err := times[2].time(func() error {
			_, err := l.Evaluate(ctx, batch)
			return err
		}); err != nil {
			return err
		}
	}
	b.add("forward", times[2].wall[1:], times[2].cpu[1:])
	return nil
}

// stageTimes are the seconds that something took each time.
type stageTimes struct{ wall, cpu []float64 }

func (r *stageTimes) time(run func() error) error {
	begin, before := time.Now(), processorTime()
	err := run()
	r.wall, r.cpu = append(r.wall, time.Since(begin).Seconds()), append(r.cpu, processorTime()-before)
	return err
}

func (b *trainBench) add(name string, wall, cpu []float64) {
	wall = slices.Sorted(slices.Values(wall))
	b.report.Stages = append(b.report.Stages, trainStage{Name: name, Seconds: wall[len(wall)/2], Min: wall[0], CPU: slices.Min(cpu), Repeats: len(wall)})
}

func (b *trainBench) print(e *environment) {
	r := b.report
	what := "every weight"
	if r.Rank > 0 {
		what = fmt.Sprintf("LoRA of rank %d", r.Rank)
	}
	fmt.Fprintf(e.stdout, "%s, %d threads, %s\n%s, %s parameters, %s trained (%s), %d of %dx%d pixels a step, %d nodes\n",
		r.CPU, r.Threads, r.Runtime, r.Arch, millions(r.Params), millions(r.Trained), what, r.Batch, r.Size, r.Size, r.Nodes)
	for _, s := range r.Stages {
		fmt.Fprintf(e.stdout, "%-10s %9.3f s  (least %.3f of %d, processors %.3f)\n", s.Name, s.Seconds, s.Min, s.Repeats, s.CPU)
	}
	fmt.Fprintf(e.stdout, "%.3f images a second; peak memory %s, own memory %s\n", r.Images, size9(r.Peak), size9(r.Anonymous))
}

// processorTime is the seconds of all processors that this process has taken.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime)
}
