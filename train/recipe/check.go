package recipe

import (
	"errors"
	"path"
	"slices"
	"strings"

	"cosmicman/weights/lora"
)

// maxRank is how large the ranks of LoRAs are together that are drawn with.
const maxRank = 2048

// Check returns every fault of the settings together, joined; it looks at no file.
func (c *Config) Check() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, faultf(format, args...)) }
	within := func(key string, value, least, most float64) {
		if !(value >= least && value <= most) {
			fault("%s is %v, expected %v to %v", key, value, least, most)
		}
	}
	between := func(key string, value, smallest, largest int) {
		if value < smallest || value > largest {
			fault("%s is %d, expected %d to %d", key, value, smallest, largest)
		}
	}
	least := func(key string, value, smallest int) {
		if value < smallest {
			fault("%s is %d, expected %d or more", key, value, smallest)
		}
	}
	notBelow := func(key string, value float64) {
		if !(value >= 0) {
			fault("%s is %v, expected 0 or more", key, value)
		}
	}

	if c.Model == "" {
		fault("model is missing: a diffusers folder, org/name in the Hugging Face cache, cosmicman-sd or cosmicman-sdxl")
	}
	if c.Output == "" {
		fault("output is missing: the folder of what the run writes")
	}
	c.checkData(fault, least)
	notBelow("held-out", c.HeldOut)
	if c.HeldOut >= 1 && c.HeldOut != float64(int(c.HeldOut)) {
		fault("held-out is %v, expected a share below 1, or a whole number of images", c.HeldOut)
	}

	if i := c.Images; (i.Width == 0) != (i.Height == 0) {
		fault("images.size is %dx%d, expected both sides, or 0 for the model's own", i.Width, i.Height)
	}
	least("images.step", c.Images.Step, 0)
	least("images.min-side", c.Images.MinSide, 0)
	least("images.max-side", c.Images.MaxSide, 0)
	if c.Images.MaxSide != 0 && c.Images.MaxSide < c.Images.MinSide {
		fault("images.max-side is %d, expected no less than images.min-side, %d", c.Images.MaxSide, c.Images.MinSide)
	}
	if !(c.Images.MaxRatio >= 1) {
		fault("images.max-ratio is %v, expected 1 or more", c.Images.MaxRatio)
	} else if i := c.Images; i.Buckets && i.Width*i.Height > 0 && float64(max(i.Width, i.Height)) > i.MaxRatio*float64(min(i.Width, i.Height)) {
		// Of such a size only the area would count.
		fault("images.size is %dx%d, longer than images.max-ratio, %v, allows: no image would have it; images.buckets: false gives it to all", i.Width, i.Height, i.MaxRatio)
	}
	if i := c.Images; i.Buckets && i.MinSide == 0 && i.Width*i.Height > 0 && min(i.Width, i.Height) < 16 {
		fault("images.size is %dx%d, and buckets' sides may be half of it: expected 16 or more, or images.buckets: false", i.Width, i.Height)
	}
	within("images.flip", c.Images.Flip, 0, 1)
	least("captions.keep", c.Captions.Keep, 0)
	within("captions.group-dropout", c.Captions.GroupDropout, 0, 1)
	within("captions.outfit-dropout", c.Captions.OutfitDropout, 0, 1)
	if c.Maps.Suffix != "" && c.Maps.Folder != "" {
		fault("maps.suffix and maps.folder exclude each other")
	}
	within("dropout.share", c.Dropout.Share, 0, 1)
	within("loss.noise-offset", c.Loss.NoiseOffset, 0, 1)
	within("loss.min-snr-gamma", c.Loss.MinSNRGamma, 0, 1e6)
	within("loss.part-weight", c.Loss.PartWeight, 0, 1)
	within("loss.noisy-share", c.Loss.NoisyShare, 0, 1)
	within("loss.noisiest", c.Loss.Noisiest, 0, 1)
	if c.HOLA.Use != "off" {
		h := c.HOLA.HOLA
		if len(h.Strides) == 0 {
			h.Strides = []int64{16} // or what the model has
		}
		if err := h.Check(); err != nil {
			for _, e := range flatten(err) {
				fault("%v", e)
			}
		}
		within("hola.alpha", h.Alpha, 0, 1e6)
		within("hola.beta", h.Beta, 0, 1e6)
	}
	notBelow("vae.kl-weight", c.VAE.KLWeight)
	notBelow("text.end-weight", c.Text.EndWeight)

	between("lora.rank", c.LoRA.Rank, 1, maxRank)
	within("lora.alpha", c.LoRA.Alpha, 0, 1e6)
	if c.Teach == TeachLoRA {
		c.checkTargets(fault)
	}

	least("steps", c.Steps, 1)
	between("epochs", c.Epochs, 0, 1_000_000)
	between("batch", c.Batch, 1, 4096)
	between("accumulate", c.Accumulate, 1, 1<<20)
	if !(c.LearningRate > 0 && c.LearningRate <= 1) {
		fault("learning-rate is %v, expected a number above 0, up to 1", c.LearningRate)
	}
	if err := c.Optimizer.Check(); err != nil {
		for _, e := range flatten(err) {
			fault("%s", optimizerNames.Replace(e.Error()))
		}
	}
	if d := c.Optimizer.WeightDecay; d*c.LearningRate > 1 {
		fault("optimizer.weight-decay is %v: times the learning rate of %v, a step would take more from a weight than there is", d, c.LearningRate)
	}
	if e := c.Optimizer.Epsilon; e > 0 && e < 1e-30 { // 0 in float32, by which a gradient of 0 would be divided
		fault("optimizer.epsilon is %v, expected 1e-30 or more", e)
	}
	least("schedule.warmup", c.Schedule.Warmup, 0)
	if c.Epochs == 0 && c.Steps > 0 && c.Schedule.Warmup > c.Steps {
		fault("schedule.warmup is %d, expected at most the %d steps of the run", c.Schedule.Warmup, c.Steps)
	}
	least("schedule.cycles", c.Schedule.Cycles, 1)
	if !(c.Schedule.Power > 0 && c.Schedule.Power <= 1000) {
		fault("schedule.power is %v, expected a number above 0, up to 1000", c.Schedule.Power)
	}
	if !(c.EMA >= 0 && c.EMA < 1) {
		fault("ema is %v, expected 0 for no average, or a share below 1 such as 0.9999", c.EMA)
	}
	least("checkpoint.every", c.Checkpoint.Every, 0)
	least("checkpoint.minutes", c.Checkpoint.Minutes, 0)
	least("checkpoint.keep", c.Checkpoint.Keep, 1)
	least("validate", c.Validate, 0)
	least("samples.every", c.Samples.Every, 0)
	within("samples.count", float64(c.Samples.Count), 0, 64)
	within("samples.steps", float64(c.Samples.Steps), 1, 1000)
	notBelow("samples.guidance", c.Samples.Guidance)
	if s := c.Samples; (s.Width == 0) != (s.Height == 0) {
		fault("samples.size is %dx%d, expected both sides, or 0 for the size of the images", s.Width, s.Height)
	}
	if len(c.Samples.Prompts) > 64 {
		fault("samples.prompts are %d, expected 64 at most", len(c.Samples.Prompts))
	}
	between("threads", c.Threads, 0, 1024)
	within("ahead", float64(c.Ahead), 1, 1024)
	return errors.Join(errs...)
}

func (c *Config) checkData(fault func(string, ...any), least func(string, int, int)) {
	if len(c.Data) == 0 {
		fault("data is missing: a folder of images with metadata.jsonl or a .txt beside each, or a data set such as `data dolls` writes")
	}
	learned := false
	seen := map[string]bool{}
	for _, s := range c.Data {
		clean := path.Clean(s.Path)
		if seen[clean] {
			fault("data: %s is given twice; repeats: 2 goes through it twice an epoch", s.Path)
		}
		seen[clean] = true
		if s.Path == "" {
			fault("data holds a source without a path")
		}
		if s.Repeats < 1 {
			fault("data: %s has repeats %d, expected 1 or more", s.Path, s.Repeats)
		}
		if !(s.Weight > 0) {
			fault("data: %s has weight %v, expected a number above 0", s.Path, s.Weight)
		}
		learned = learned || !s.Prior
	}
	if len(c.Data) > 0 && !learned {
		fault("data: all sources are prior, expected one to learn")
	}
}

// checkTargets refuses patterns that cannot match; whether they match is for the model.
func (c *Config) checkTargets(fault func(string, ...any)) {
	if len(c.LoRA.Targets) == 0 {
		fault("lora.targets is empty, expected attention, transformer, all or patterns of modules' names")
	}
	for _, t := range c.LoRA.Targets {
		_, err := path.Match(t, "")
		switch {
		case err != nil:
			fault("lora.targets holds %q, which is no pattern: a bracket is not closed", t)
		case isSet(t) && len(c.LoRA.Targets) > 1:
			fault("lora.targets holds %s, expected it alone, or patterns", t)
		case !isSet(t) && !strings.ContainsAny(t, ".*?["):
			fault("lora.targets holds %.100q, expected attention, transformer, all or patterns of modules' names such as *.attn2.*%s", t, didYouMean(t, sets))
		}
	}
}

// optimizerNames makes keys of the names in AdamW's faults.
var optimizerNames = strings.NewReplacer("adamw.", "optimizer.", "weight_decay", "weight-decay", "max_norm", "max-norm")

// sets are the targets that are no patterns.
var sets = []string{string(lora.Attention), string(lora.Transformer), string(lora.All)}

func isSet(target string) bool { return slices.Contains(sets, target) }

// flatten takes joined errors apart.
func flatten(err error) (all []error) {
	joined, is := err.(interface{ Unwrap() []error })
	if !is {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}
