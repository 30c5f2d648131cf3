package recipe

import (
	"errors"
	"fmt"
	"strings"

	"cosmicman/tensor"
	"cosmicman/train/dataset"
	"cosmicman/train/loop"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// need is a part of what a run takes, in bytes.
type need struct {
	what  string
	bytes int64
}

func sum(needs []need) (n int64) {
	for _, x := range needs {
		n += x.bytes
	}
	return n
}

// Room says what the run takes of memory and disk, and refuses what there is too
// little of, with what would help.
func (r *Run) Room() error {
	memory, err := r.memoryNeeds()
	if err != nil {
		return err
	}
	var errs []error
	free, known := freeMemory("/")
	where := "free"
	if m := r.config.Memory; m > 0 {
		free, known, where = m, true, "allowed by memory"
	}
	r.say("memory: about %s: %s", bytesText(sum(memory)), list(memory))
	if known && sum(memory) > free {
		errs = append(errs, faultf("memory: the run takes about %s (%s), and %s are %s%s", bytesText(sum(memory)), list(memory), bytesText(free), where, r.memoryHelp()))
	}
	disk, err := r.diskNeeds()
	if err != nil {
		return err
	}
	room, err := freeDisk(r.config.Output)
	if err != nil {
		return err
	}
	r.say("disk: about %s: %s; %s are free", bytesText(sum(disk)), list(disk), bytesText(room))
	if sum(disk) > room {
		errs = append(errs, faultf("output: the run takes about %s in %s (%s), and %s are free there: fewer checkpoints (checkpoint.keep), cache.bytes or cache.half help", bytesText(sum(disk)), r.config.Output, list(disk), bytesText(room)))
	}
	return errors.Join(errs...)
}

func list(needs []need) string {
	var parts []string
	for _, n := range needs {
		if n.bytes > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", bytesText(n.bytes), n.what))
		}
	}
	return strings.Join(parts, ", ")
}

// memoryHelp is what makes a run smaller.
func (r *Run) memoryHelp() string {
	var help []string
	c := &r.config
	if c.Teach == TeachUNet {
		help = append(help, "teach: lora")
	}
	if !c.Recompute && c.Teach != TeachText {
		help = append(help, "recompute: true")
	}
	if c.Batch > 1 {
		help = append(help, "a smaller batch, with accumulate")
	}
	if c.Teach != TeachText {
		help = append(help, "smaller images (images.size)")
	}
	if c.EMA > 0 {
		help = append(help, "ema: 0")
	}
	return ": what helps is " + orList(help)
}

// trainedParameters is how many numbers are trained.
func (r *Run) trainedParameters() (int64, error) {
	b, c := r.base, &r.config
	all := func(parts ...*weights.Component) (n int64) {
		for _, p := range parts {
			if p != nil {
				for _, x := range b.params[p.Name] {
					e, _ := x.Shape.Elements()
					n += e
				}
			}
		}
		return n
	}
	switch c.Teach {
	case TeachVAE:
		return all(b.Pipeline.VAE), nil
	case TeachText:
		return all(b.TextEncoder, b.TextEncoder2), nil
	case TeachUNet:
		n := all(b.Pipeline.UNet)
		if c.TextEncoders {
			n += all(b.TextEncoder, b.TextEncoder2)
		}
		return n, nil
	}
	names, err := b.names()
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for _, m := range names.Modules() {
		if (m.Component == lora.UNet || c.TextEncoders) && c.lora().Picks(m) {
			n += int64(c.LoRA.Rank) * (m.In() + m.Out())
		}
	}
	return n, nil
}

// fileBytes is what a component takes in its files.
func fileBytes(c *weights.Component) (n int64) {
	if c == nil {
		return 0
	}
	for _, name := range c.Index.Names() {
		e, _ := c.Index.Lookup(name)
		n += e.Length
	}
	return n
}

func (r *Run) memoryNeeds() ([]need, error) {
	n, err := r.trainedParameters()
	if err != nil {
		return nil, err
	}
	b, c := r.base, &r.config
	needs := []need{{"weights that are trained, with gradients and moments", loop.StateBytes(n, c.EMA > 0)}}
	switch c.Teach {
	case TeachLoRA:
		needs = append(needs, need{"frozen weights", fileBytes(b.Pipeline.UNet)})
		fallthrough
	case TeachUNet:
		needs = append(needs, need{"text encoders", fileBytes(b.TextEncoder) + fileBytes(b.TextEncoder2)})
	}
	working, err := r.activations()
	if err != nil {
		return nil, err
	}
	return append(needs, need{"what a step works on", int64(holes * float64(working))}), nil
}

// holes is how much more the runtime's allocator takes than what lies in it: 1.1 to 1.6
// times were measured.
const holes = 1.4

// activations are what a step of the largest size computes, in bytes at once.
func (r *Run) activations() (int64, error) {
	c := &r.config
	var s dataset.Size
	for _, x := range r.facts.Sizes {
		if x.Size.Width*x.Size.Height > s.Width*s.Height {
			s = x.Size
		}
	}
	switch c.Teach {
	case TeachVAE:
		m, err := r.vaeOptions().Memory(c.Batch, s.Height, s.Width)
		return m.Activations, err
	case TeachText:
		return 0, nil // next to nothing beside the weights
	}
	m, err := r.unetOptions().Memory(c.Batch, s.Height, s.Width, r.texts.Tokens())
	return m.Activations, err
}

func (r *Run) diskNeeds() ([]need, error) {
	n, err := r.trainedParameters()
	if err != nil {
		return nil, err
	}
	b, c := r.base, &r.config
	state := 12 * n
	if c.EMA > 0 {
		state += 4 * n
	}
	needs := []need{{fmt.Sprintf("%d checkpoints", c.Checkpoint.Keep+1), state * int64(c.Checkpoint.Keep+1)}}
	of := int64(4)
	if dtypeOf(c.Write.Precision) != tensor.Float32 {
		of = 2
	}
	result := n * of
	if c.Write.Pipeline {
		result = 0
		for _, p := range b.Components() {
			for _, x := range b.params[p.Name] {
				e, _ := x.Shape.Elements()
				result += e * of
			}
		}
	}
	if c.Write.Weights == "both" && c.EMA > 0 {
		result *= 2
	}
	needs = append(needs, need{"what is written at the end", result})
	if c.Teach == TeachUNet && r.env.Sampler != nil {
		needs = append(needs, need{"samples on their way", 4 * n})
	}
	if c.Cache.Dir != "off" && (c.Teach == TeachLoRA || c.Teach == TeachUNet) {
		needs = append(needs, need{"the cache", r.cacheBytes()})
	}
	return needs, nil
}

// cacheBytes is about what the moments of all images take.
func (r *Run) cacheBytes() int64 {
	f, c := int64(r.base.VAE.Config.Factor()), &r.config
	bytes := int64(0)
	for _, s := range r.facts.Sizes {
		one := 2 * r.base.VAE.Config.LatentChannels * (int64(s.Size.Width) / f) * (int64(s.Size.Height) / f) * 4
		bytes += one * int64(s.Images)
	}
	if c.Images.Flip > 0 && c.Images.Flip < 1 {
		bytes *= 2
	}
	if c.Cache.Half {
		bytes /= 2
	}
	if c.Cache.Bytes > 0 {
		bytes = min(bytes, c.Cache.Bytes)
	}
	return bytes
}
