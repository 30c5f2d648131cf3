package recipe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cosmicman/artifact"
	"cosmicman/tensor"
	"cosmicman/train"
	"cosmicman/train/dataset"
	"cosmicman/train/encode"
	"cosmicman/train/journal"
	"cosmicman/train/loop"
	"cosmicman/weights/lora"
)

// SettingsFile is where a run's settings lie in its output.
const SettingsFile = "settings.yaml"

// Result is what a run has come to.
type Result struct {
	Step, Steps int64
	Stopped     bool     // before the last step: it can be gone on with
	Written     []string // files and folders with what was learned
	Next        string   // the command that uses it; "" for none
}

// task is a task of a run with what comes of it.
type task interface {
	train.Task
	// write leaves what was learned, as values of the tensors, in the output. suffix is
	// part of the names.
	write(ctx context.Context, values [][]float32, suffix string) ([]string, error)
	// next is the command that uses what write wrote.
	next() string
	// samples draws with values of the tensors; none where there is nothing to draw.
	samples(ctx context.Context, values [][]float32) ([]journal.Sample, error)
	close() error
}

// Learn runs the run, and writes what was learned. Once there is a step, the end of ctx
// is not the end of it: it is finished, and the run is saved to be gone on with.
func (r *Run) Learn(ctx context.Context) (result *Result, err error) {
	r.tell()
	if err := r.Room(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.config.Output, 0o755); err != nil {
		return nil, err
	}
	t, err := r.task(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	j, err := r.openJournal()
	if err != nil {
		return nil, err
	}
	l := r.loopConfig(t, j)
	l.Stop, ctx = ctx.Done(), context.WithoutCancel(ctx)
	done, err := loop.Run(ctx, l, t, reporter{j, r})
	closed := j.Close(err)
	if err != nil {
		if changed, is := errors.AsType[*loop.ChangedError](err); is {
			err = &Fault{changed.Error()}
		}
		return nil, errors.Join(err, closed)
	}
	result = &Result{Step: done.Step, Steps: done.Steps, Stopped: done.Stopped}
	if done.Unsaved != nil {
		r.say("the last state could not be saved: %v", done.Unsaved)
	}
	if done.Stopped {
		return result, closed
	}
	// What was learned is written even where what was told of it is lost.
	result.Written, err = r.write(ctx, t, done.Weights)
	result.Next = t.next()
	return result, errors.Join(err, closed)
}

// reporter is the run's journal.
type reporter struct {
	*journal.Journal
	run *Run
}

// Begin comes once the folder is this run's and no other's: what another process left
// half done goes, and the settings are what this one was told.
func (p reporter) Begin(b loop.BeginReport) {
	p.Journal.Begin(b)
	if err := p.run.settle(); err != nil {
		p.Note(err.Error())
	}
}

// settle makes the output the run's.
func (r *Run) settle() error {
	left, err := filepath.Glob(r.path(asidePattern))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(err, artifact.WriteFile(r.path(SettingsFile), []byte(r.config.File())))
}

// write writes the average, the live weights, or both.
func (r *Run) write(ctx context.Context, t task, w loop.Weights) (all []string, err error) {
	write := func(values [][]float32, suffix string) error {
		paths, err := t.write(ctx, values, suffix)
		if err == nil {
			all = append(all, paths...)
		}
		return err
	}
	live := loop.Weights{Tensors: w.Tensors}.Best()
	if w.Average == nil || r.config.Write.Weights == "live" {
		return all, write(live, "")
	}
	if err := write(w.Average, ""); err != nil || r.config.Write.Weights != "both" {
		return all, err
	}
	return all, write(live, "-live")
}

// openCache opens the folder of what frozen networks say.
func (r *Run) openCache() error {
	dir := r.config.Cache.Dir
	switch dir {
	case "off":
		return nil
	case "":
		dir = r.path("cache")
	}
	var err error
	r.cache, err = encode.OpenCache(dir, r.config.Cache.Bytes, func(text string) { r.say("%s", text) })
	return err
}

// loopConfig is the loop's part of the settings.
func (r *Run) loopConfig(t task, j *journal.Journal) loop.Config {
	c := &r.config
	fixed, free := c.Split()
	delete(fixed, "data")
	fixed["data"] = fmt.Sprintf("%d images, digest %.16s", r.facts.Images+r.facts.Held, r.set.Digest())
	defaults := Default(c.Teach)
	known, may := defaults.Split()
	maps.Copy(known, may)
	l := loop.Config{
		Folder: c.Output, Steps: int64(c.Steps), Accumulate: c.Accumulate, Optimizer: c.Optimizer,
		Schedule:   loop.Schedule{Name: c.Schedule.Name, Rate: c.LearningRate, Warmup: int64(c.Schedule.Warmup), Cycles: c.Schedule.Cycles, Power: c.Schedule.Power},
		MaxSkips:   50,
		Held:       loop.Held{Every: int64(c.Validate), First: true, Average: c.EMA > 0},
		Checkpoint: loop.Checkpoint{Every: int64(c.Checkpoint.Every), Period: time.Duration(c.Checkpoint.Minutes) * time.Minute, Keep: c.Checkpoint.Keep},
		Ahead:      loop.Ahead{Batches: c.Ahead},
		Resume:     r.env.Resume, Fixed: fixed, Free: free, Defaults: known, Version: r.env.Version,
	}
	if c.Schedule.Name == "constant" && c.Schedule.Warmup > 0 {
		l.Schedule.Name = "constant_with_warmup"
	}
	if c.Epochs > 0 {
		l.Steps, l.Epochs = 0, float64(c.Epochs)
	}
	if c.EMA > 0 {
		l.Average = &train.EMA{Decay: c.EMA}
	}
	l.Sample = r.sampling(t, j)
	return l
}

// task makes what is taught.
func (r *Run) task(ctx context.Context) (task, error) {
	switch r.config.Teach {
	case TeachVAE:
		return r.vaeTask()
	case TeachText:
		return r.textTask()
	}
	return r.unetTask(ctx)
}

// unetTask encodes what can be encoded once, and then makes the learners: the memory of
// the autoencoder is free for them.
func (r *Run) unetTask(ctx context.Context) (task, error) {
	t, err := r.unetBatches(ctx)
	if err != nil {
		return nil, err
	}
	if t.learner, err = train.NewUNetLearner(r.env.Runtime, r.unetOptions()); err != nil {
		return nil, err
	}
	t.parts = []part{{component: r.base.Pipeline.UNet.Name, tensors: t.learner.Tensors(), layers: t.learner.Adapter()}}
	if r.config.TextEncoders {
		if err := r.teachTexts(t); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// unetBatches is a task that can prepare batches and has no learner yet.
func (r *Run) unetBatches(ctx context.Context) (*unetTask, error) {
	c := &r.config
	if err := r.openCache(); err != nil {
		return nil, err
	}
	r.vae = encode.NewVAE(r.env.Runtime, r.base.Set, encode.Options{Threads: c.Threads, Cache: r.cache, Half: c.Cache.Half, Memory: 256 << 20})
	return &unetTask{run: r, config: c, set: r.set, texts: r.texts, vae: r.vae, noising: r.noising, hola: r.hola != nil}, r.prefill(ctx)
}

// unetOptions say what of the UNet is taught, and how.
func (r *Run) unetOptions() train.UNetOptions {
	c := &r.config
	o := train.UNetOptions{
		Config: r.base.UNet.Config, Weights: r.base.UNet.Component.Index, Noising: r.noising, Pixels: int64(r.base.VAE.Config.Factor()),
		Seed: train.SeedOf(c.Seed, "initial weights"), HOLA: r.hola, MinSNR: c.Loss.MinSNRGamma,
		Recompute: c.Recompute, Threads: c.Threads, Through: c.TextEncoders,
	}
	if c.Teach == TeachLoRA {
		o.LoRA = c.lora()
	}
	return o
}

// teachTexts has the text encoders learn beside the UNet.
func (r *Run) teachTexts(t *unetTask) error {
	c := &r.config
	occurring, err := r.occurring()
	if err != nil {
		return err
	}
	for i, e := range r.base.Texts {
		o := train.TextOptions{
			Component: e.Component.Name, Config: e.Config, Weights: e.Component.Index, Penultimate: len(r.base.Texts) == 2, Pooled: i == 1,
			Seed: train.SeedOf(c.Seed, "initial weights"), Occurring: occurring[i], Recompute: c.Recompute, Threads: c.Threads,
		}
		if c.Teach == TeachLoRA {
			o.LoRA = c.lora()
		}
		l, err := train.NewTextLearner(r.env.Runtime, o)
		if err != nil {
			return err
		}
		t.taught = append(t.taught, l)
		t.parts = append(t.parts, part{component: e.Component.Name, tensors: l.Tensors(), layers: l.Adapter(), whole: l.Whole})
	}
	return r.texts.Free()
}

// lora is what the low-rank terms are.
func (c *Config) lora() *train.LoRA {
	return &train.LoRA{Rank: int64(c.LoRA.Rank), Alpha: c.LoRA.Alpha, Targets: c.LoRA.Targets}
}

// prefill encodes pictures before the run where each is seen in one or two ways only,
// so that the encoder's memory is free then.
func (r *Run) prefill(ctx context.Context) error {
	c := &r.config
	if r.cache == nil || c.Images.Crop == "random" {
		return nil
	}
	var visits []dataset.Visit
	seen := map[*dataset.Item]bool{}
	for n := range int64(r.facts.Batches) {
		for _, v := range r.set.Batch(n) {
			if seen[v.Item] {
				continue
			}
			seen[v.Item] = true
			for _, flip := range []bool{false, true} {
				if v.Flip = flip; !flip && c.Images.Flip < 1 || flip && c.Images.Flip > 0 {
					visits = append(visits, v)
				}
			}
		}
	}
	for n := range r.set.HeldBatches() {
		visits = append(visits, r.set.HeldBatch(n)...)
	}
	begun := time.Now()
	made := 0
	var faults dataset.Faults
	known := map[string]bool{}
	skip := func(_ int, err error) {
		if f, is := errors.AsType[*dataset.Fault](err); is && !known[f.Error()] {
			known[f.Error()] = true // both views of an image have it
			faults = append(faults, f)
		}
	}
	err := r.vae.Prefill(ctx, len(visits), func(i int) (encode.Picture, error) { return pictureOf(r.set, visits[i]) }, skip, func(p encode.Progress) {
		made = p.Made
		r.progress("encoded %d of %d pictures", p.Done, p.Total)
	})
	r.progressEnd()
	if err != nil {
		return err
	}
	// Where such images are counted, that is done when their turn comes.
	if len(faults) > 0 && c.Unreadable == "refuse" {
		return &Fault{faults.Error()}
	}
	if made > 0 {
		r.say("%d pictures encoded in %.1f s", made, time.Since(begun).Seconds())
	}
	return r.vae.Free()
}

// close frees the sessions.
func (t *unetTask) close() error { return errors.Join(t.learner.Close(), t.taught.Close()) }

// write writes a LoRA file, the UNet's folder, or the whole model.
func (t *unetTask) write(ctx context.Context, v [][]float32, suffix string) ([]string, error) {
	c, b := t.config, t.run.base
	dtype := dtypeOf(c.Write.Precision)
	if c.Teach == TeachLoRA {
		path := t.run.path("lora" + suffix + ".safetensors")
		return []string{path}, t.writeLoRA(ctx, path, v, c.LoRA.Format)
	}
	if c.Write.Pipeline || c.TextEncoders { // text encoders without their UNet are of no use
		dir := t.run.path("model" + suffix)
		return []string{dir}, replaceFolder(dir, func(aside string) error { return t.writeModel(ctx, aside, v, false) })
	}
	trained, err := trainedOf(b, t.parts, v)
	if err != nil {
		return nil, err
	}
	dir := t.run.path("unet" + suffix)
	return []string{dir}, replaceFolder(dir, func(aside string) error {
		return b.writeComponent(ctx, aside, b.Pipeline.UNet, trained[b.Pipeline.UNet.Name], dtype)
	})
}

// trainedOf sorts values of all tensors by components, each as it stands in a file.
func trainedOf(b *base, parts []part, v [][]float32) (values, error) {
	all := values{}
	at := 0
	for _, p := range parts {
		for _, x := range p.tensors {
			value := v[at]
			at++
			if p.whole != nil {
				param, ok := b.param(p.component, x.Name)
				if !ok {
					continue // of what learned beside the network and is thrown away
				}
				n, err := param.Shape.Elements()
				if err != nil {
					return nil, err
				}
				whole := make([]float32, n)
				if err := p.whole(whole, x.Name, value, train.KeepRest); err != nil {
					return nil, err
				}
				value = whole
			}
			all.set(p.component, x.Name, value)
		}
	}
	return all, nil
}

// writeModel writes the whole model. For a folder that lives for a moment what is as it
// was is linked, and what is not stays exact.
func (t *unetTask) writeModel(ctx context.Context, dir string, v [][]float32, passing bool) error {
	dtype := dtypeOf(t.config.Write.Precision)
	if passing {
		dtype = tensor.Float32
	}
	trained, err := trainedOf(t.run.base, t.parts, v)
	if err != nil {
		return err
	}
	return t.run.base.writePipeline(ctx, dir, trained, dtype, t.noising.Prediction, passing)
}

// writeLoRA writes values of the low-rank factors.
func (t *unetTask) writeLoRA(ctx context.Context, path string, v [][]float32, format string) error {
	names, err := t.run.base.names()
	if err != nil {
		return err
	}
	c := t.config
	a := &lora.Adapter{}
	at := 0
	for _, p := range t.parts {
		for _, l := range p.layers {
			l.A, l.B = v[at], v[at+1] // in the order of [train.LoRA.Add]
			at += 2
			a.Layers = append(a.Layers, l)
		}
	}
	o := lora.Options{DType: dtypeOf(c.Write.Precision), Metadata: map[string]string{
		"ss_learning_rate": fmt.Sprint(c.LearningRate), "ss_seed": fmt.Sprint(c.Seed), "ss_num_train_images": fmt.Sprint(t.run.facts.Images),
		"ss_total_batch_size": fmt.Sprint(c.Batch * c.Accumulate), "ss_output_name": strings.TrimSuffix(lastName(c.Output), ".safetensors"),
	}}
	if format == "diffusers" {
		return lora.WriteDiffusers(ctx, path, names, a, o)
	}
	return lora.WriteKohya(ctx, path, names, a, o)
}

// next draws with what was written.
func (t *unetTask) next() string { return "cosmicman generate " + t.model() + " --prompt '...'" }

// model is generate's arguments for what was written.
func (t *unetTask) model() string {
	c := t.config
	base := "--model " + shellWord(c.Model)
	if c.UNet != "" {
		base += " --unet " + shellWord(c.UNet)
	}
	switch {
	case c.Teach == TeachLoRA:
		return base + " --lora " + shellWord(t.run.path("lora.safetensors"))
	case c.Write.Pipeline || c.TextEncoders:
		return "--model " + shellWord(t.run.path("model"))
	}
	return "--model " + shellWord(c.Model) + " --unet " + shellWord(t.run.path("unet"))
}
