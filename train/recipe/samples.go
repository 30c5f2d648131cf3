package recipe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"cosmicman/train/dataset"
	"cosmicman/train/journal"
	"cosmicman/train/loop"
)

// openJournal is where the run tells of itself.
func (r *Run) openJournal() (*journal.Journal, error) {
	c, f := &r.config, r.facts
	o := journal.Options{Folder: c.Output, Title: lastName(c.Output), Terminal: r.env.Out, IsTerminal: r.env.Terminal, Columns: r.env.Columns}
	for _, s := range c.Settings() {
		if s.Applies(c.Teach) {
			o.Settings = append(o.Settings, journal.Fact{Name: s.Key, Value: strings.Join(s.Values(), "; ")})
		}
	}
	for _, s := range f.Sources {
		text := fmt.Sprintf("%s, %d images, %d with parsing maps, %d of them with parts that captions name", s.Format, s.Images+s.Held, s.Maps, s.Masked)
		if s.Prior {
			text += ", what the model is to keep"
		}
		o.Data = append(o.Data, journal.Fact{Name: s.Path, Value: text})
	}
	o.Data = append(o.Data, journal.Fact{Name: "images", Value: fmt.Sprintf("%d to learn from, %d held out, %d left out", f.Images, f.Held, f.LeftOut)})
	for _, s := range f.Sizes {
		o.Data = append(o.Data, journal.Fact{Name: s.Size.String(), Value: fmt.Sprintf("%d images, %d batches an epoch", s.Images, s.Batches)})
	}
	o.Machine = []journal.Fact{
		{Name: "program", Value: "cosmicman " + r.env.Version},
		{Name: "processors", Value: fmt.Sprintf("%d, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)},
		{Name: "ONNX Runtime", Value: r.env.Runtime.Version()},
	}
	return journal.Open(o)
}

// sampling says when samples are drawn.
func (r *Run) sampling(t task, j *journal.Journal) loop.Sample {
	s := loop.Sample{Every: int64(r.config.Samples.Every)}
	if r.config.Samples.Count == 0 && len(r.config.Samples.Prompts) == 0 {
		return s
	}
	s.Draw = func(ctx context.Context, w loop.Weights) error {
		drawn, err := t.samples(ctx, w.Best())
		if err != nil || len(drawn) == 0 {
			return err
		}
		return j.Samples(w.Step, drawn)
	}
	return s
}

// prompts are what samples are drawn from: those of the settings, or captions of held-out
// images, or of those that are learned from.
func (r *Run) prompts() (all []string) {
	if len(r.config.Samples.Prompts) > 0 {
		return r.config.Samples.Prompts
	}
	seen := map[string]bool{}
	for _, v := range r.some(r.config.Samples.Count) {
		if text := r.set.Caption(v).Text; !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	return all
}

// some are visits to look at: of held-out images, or where there are none of a few of
// the others, whole and in order.
func (r *Run) some(n int) (visits []dataset.Visit) {
	for b := range r.set.HeldBatches() {
		visits = append(visits, r.set.HeldBatch(b)...)
	}
	if len(visits) == 0 {
		for b := int64(0); b < int64(r.facts.Batches) && len(visits) < n; b++ {
			for _, v := range r.set.Batch(b) {
				v.Number, v.Flip = -1, false // as those that are held out
				visits = append(visits, v)
			}
		}
	}
	return visits[:min(n, len(visits))]
}

// samples draws with the UNet as it is.
func (t *unetTask) samples(ctx context.Context, v [][]float32) (drawn []journal.Sample, err error) {
	r, c := t.run, t.config
	if r.env.Sampler == nil {
		return nil, nil
	}
	aside, err := os.MkdirTemp(c.Output, asidePattern)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	q := SampleRequest{
		Model: c.Model, UNet: c.UNet, Variant: c.Variant, Prompts: r.prompts(), Negative: c.Samples.Negative,
		Sampler: c.Samples.Sampler, Steps: c.Samples.Steps, Guidance: c.Samples.Guidance, Seed: c.Samples.Seed,
	}
	q.Width, q.Height = r.sampleSize()
	if c.Teach == TeachLoRA {
		q.LoRA = filepath.Join(aside, "lora.safetensors")
		err = t.writeLoRA(ctx, q.LoRA, v, "diffusers")
	} else {
		q.Model, q.UNet = aside, ""
		err = t.writeModel(ctx, aside, v, true)
	}
	if err != nil {
		return nil, err
	}
	images, err := r.env.Sampler.Draw(ctx, q)
	if err != nil {
		return nil, err
	}
	for i, img := range images {
		drawn = append(drawn, journal.Sample{Prompt: q.Prompts[i], Title: fmt.Sprintf("seed %d", q.Seed+uint64(i)), Image: img})
	}
	return drawn, nil
}

// sampleSize is that of samples: the settings', or that of the images.
func (r *Run) sampleSize() (width, height int) {
	c := &r.config
	switch {
	case c.Samples.Width != 0:
		return c.Samples.Width, c.Samples.Height
	case c.Images.Width != 0:
		return c.Images.Width, c.Images.Height
	}
	return r.base.NativeSize()
}

// shellWord is a text as a word of a shell's line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// lastName is the last element of a path, however it is written.
func lastName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Base(path)
}
