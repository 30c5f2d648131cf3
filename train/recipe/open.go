package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/ort"
	"cosmicman/train"
	"cosmicman/train/checkpoint"
	"cosmicman/train/dataset"
	"cosmicman/train/encode"
	"cosmicman/weights"
)

// Environment is what a run is given besides its settings.
type Environment struct {
	Runtime  *ort.Runtime
	HubCache string // see [weights.Options]
	// Known resolves a model's known name, such as cosmicman-sd, to references; nil knows none.
	Known   func(model, unet string) (string, string)
	Version string
	Sampler Sampler // nil draws no samples

	Out      io.Writer  // for its user
	Terminal bool       // Out is one
	Columns  func() int // how wide it is; nil: 80

	// Resume is the checkpoint to go on from; "latest" is the newest whole one of the
	// output, "" begins a run.
	Resume string
	// CheckFiles reads all of every image and map before anything else.
	CheckFiles bool
}

// Run is a run that is ready to begin: its settings, model and data fit each other.
type Run struct {
	config  Config
	env     Environment
	base    *base
	set     *dataset.Set
	facts   dataset.Facts
	noising diffusion.Noising
	whole   dataset.CaptionOptions // of captions that are not shortened
	texts   *encode.Texts
	vae     *encode.VAE
	cache   *encode.Cache
	hola    *train.HOLA // nil: the noise loss alone
	layers  []train.Layer
	notes   []string  // for its user, before the run
	said    time.Time // when progress was last said where there is no terminal
}

// Open checks settings, model and data, and that they fit each other. An error lists
// all that is wrong as far as it can be known: what depends on a model that cannot be
// opened is not.
func Open(ctx context.Context, c Config, env Environment) (*Run, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &Run{config: c, env: env, said: time.Now()}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Run) open(ctx context.Context) error {
	c := &r.config
	ref, unet := c.Model, c.UNet
	if r.env.Known != nil {
		ref, unet = r.env.Known(ref, unet)
	}
	var err error
	if r.base, err = openBase(ref, weights.Options{UNet: unet, Variant: c.Variant, HubCache: r.env.HubCache}); err != nil {
		return err
	}
	if err := errors.Join(r.fresh(), r.apart()); err != nil {
		return err
	}
	r.texts = encode.NewTexts(r.env.Runtime, r.base.Set, r.textOptions())
	width, height := r.base.NativeSize()
	options, err := c.dataOptions(width, height, r.base.VAE.Config.Factor(), r.texts.Tokenizer())
	if err != nil {
		return err
	}
	options.CheckFiles = r.env.CheckFiles
	r.whole = options.Captions
	r.whole.Tokens = nil
	options.Progress = func(done, all int) { r.progress("looked at %d of %d images", done, all) }
	r.set, err = dataset.Open(ctx, options)
	r.progressEnd()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Fault{err.Error()} // which has a line for each file
	}
	r.facts = r.set.Facts()
	for _, s := range r.facts.Sources {
		if s.Format == dataset.ImageFolder && holds(s.Path, c.Output) {
			return faultf("output: %s is in %s, whose images are learned from: its samples would be taken for some of them; choose a folder outside of it", c.Output, s.Path)
		}
	}
	r.notes = append(r.notes, r.facts.Notes...)
	for _, f := range r.set.LeftOut() {
		r.notes = append(r.notes, fmt.Sprintf("left out: %v", f))
	}
	if err := r.predict(); err != nil {
		return err
	}
	return r.supervise()
}

// predict finds out what the UNet learns to predict.
func (r *Run) predict() (err error) {
	c := &r.config
	if r.noising, err = r.base.Schedule.Noising(); err != nil {
		return fmt.Errorf("%s: %w", r.base.Scheduler.Path, err)
	}
	if c.Loss.Prediction == "auto" || c.Loss.Prediction == r.noising.Prediction || c.Teach != TeachLoRA && c.Teach != TeachUNet {
		return nil
	}
	if c.Teach == TeachLoRA || !c.Write.Pipeline && !c.TextEncoders {
		r.notes = append(r.notes, fmt.Sprintf("the UNet learns to predict %s, but the model's scheduler says %s, which whoever draws has to change; write.pipeline writes a model that says it", c.Loss.Prediction, r.noising.Prediction))
	}
	r.noising.Prediction = c.Loss.Prediction
	return nil
}

// fresh refuses a folder that holds another run already.
func (r *Run) fresh() error {
	found, err := checkpoint.List(r.config.Output)
	if err != nil {
		return faultf("output is %s, expected a folder, or a path where one can be made: %v", r.config.Output, err)
	}
	if r.env.Resume == "" && len(found) > 0 {
		return faultf("output: %s holds a run already, whose newest checkpoint is of step %d: --resume goes on with it, or choose another folder", r.config.Output, found[0].Step)
	}
	return nil
}

// apart refuses a folder that holds the model: what is written might take the place of
// what is learned from.
func (r *Run) apart() error {
	for _, part := range r.base.Components() {
		if holds(r.config.Output, part.Dir) {
			return faultf("output: %s holds %s, a part of the model, which a run could write over: choose another folder", r.config.Output, part.Dir)
		}
	}
	return nil
}

// holds reports whether a folder is another one or lies in it, as far as they are there.
func holds(folder, other string) bool {
	real := func(path string) string {
		path, err := filepath.Abs(path)
		if err != nil {
			return ""
		}
		for at, rest := path, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
			if found, err := filepath.EvalSymlinks(at); err == nil {
				return filepath.Join(found, rest)
			}
			if at == filepath.Dir(at) {
				return path
			}
		}
	}
	rel, err := filepath.Rel(real(folder), real(other))
	return err == nil && filepath.IsLocal(rel)
}

// supervise finds out whether HOLA is used, and on which layers.
func (r *Run) supervise() error {
	c := &r.config
	if c.Teach != TeachLoRA && c.Teach != TeachUNet || c.HOLA.Use == "off" {
		return nil
	}
	maps, masked := 0, 0
	for _, s := range r.facts.Sources {
		maps, masked = maps+s.Maps, masked+s.Masked
	}
	if masked == 0 {
		why := "no image has a parsing map"
		if maps > 0 {
			why = fmt.Sprintf("none of the %d parsing maps shows a part that its caption names", maps)
		}
		if c.HOLA.Use == "on" {
			return faultf("hola.use is on, but %s", why)
		}
		r.notes = append(r.notes, "HOLA is off: "+why)
		return nil
	}
	h := c.HOLA.HOLA
	g, err := model.UNet(r.base.UNet.Config)
	if err != nil {
		return err
	}
	if len(h.Layers) == 0 && len(h.Strides) == 0 {
		all := h
		all.Layers = []string{"*"}
		_, layers, err := all.Supervise(g, int64(r.base.VAE.Config.Factor()))
		if err != nil {
			return asFaults(err)
		}
		h.Strides = []int64{strideOf(layers)}
		if h.Strides[0] != publishedStride {
			r.notes = append(r.notes, fmt.Sprintf("HOLA looks at attentions of %d pixels a position: the model has none of %d", h.Strides[0], publishedStride))
		}
		if g, err = model.UNet(r.base.UNet.Config); err != nil {
			return err
		}
	}
	if _, r.layers, err = h.Supervise(g, int64(r.base.VAE.Config.Factor())); err != nil {
		return asFaults(err)
	}
	if h.Reduction == train.ByPaper {
		w, he := r.base.NativeSize()
		stride := int(r.layers[0].Stride)
		positions := max(1, w/stride*(he/stride))
		r.notes = append(r.notes, fmt.Sprintf("hola.reduction is paper, whose sums are larger than means: a hola.beta of %.3g would be about as strong as it is with authors",
			train.HOLA{Beta: h.Beta, Reduction: train.ByAuthors}.EquivalentBeta(train.ByPaper, positions, typicalTokens)))
	}
	r.hola = &h
	return nil
}

const (
	publishedStride = 16 // pixels that a position of the attentions stands for that the published code looks at
	typicalTokens   = 4  // of a group of words
)

// strideOf is the published stride where a layer has it, otherwise the finest.
func strideOf(layers []train.Layer) int64 {
	finest := layers[0].Stride
	for _, l := range layers {
		if l.Stride == publishedStride {
			return publishedStride
		}
		finest = min(finest, l.Stride)
	}
	return finest
}

func (r *Run) textOptions() encode.Options {
	return encode.Options{Threads: r.config.Threads, Memory: 256 << 20}
}

// Notes are what its user should know before the run.
func (r *Run) Notes() []string { return slices.Clone(r.notes) }

// Close frees what the run holds.
func (r *Run) Close() error {
	var errs []error
	if r.texts != nil {
		errs = append(errs, r.texts.Free())
	}
	if r.vae != nil {
		errs = append(errs, r.vae.Free())
	}
	if r.cache != nil {
		errs = append(errs, r.cache.Close())
	}
	return errors.Join(errs...)
}

// say tells its user a line.
func (r *Run) say(format string, args ...any) {
	fmt.Fprintf(r.env.Out, format+"\n", args...)
}

// progress shows a line on a terminal that the next one takes the place of; elsewhere it
// says one now and then.
func (r *Run) progress(format string, args ...any) {
	if r.env.Terminal {
		fmt.Fprintf(r.env.Out, "\r\x1b[K"+format, args...)
	} else if now := time.Now(); now.Sub(r.said) > sayEvery {
		r.say(format, args...)
		r.said = now
	}
}

const sayEvery = 30 * time.Second

// progressEnd leaves the terminal's line.
func (r *Run) progressEnd() {
	if r.env.Terminal {
		fmt.Fprint(r.env.Out, "\r\x1b[K")
	}
}

// path is a file of the output.
func (r *Run) path(parts ...string) string {
	return filepath.Join(slices.Concat([]string{r.config.Output}, parts)...)
}

// Summary is what the run is about to do, for its user.
func (r *Run) Summary() string {
	var b strings.Builder
	c, f := &r.config, r.facts
	fmt.Fprintf(&b, "%s: %d images", map[Teach]string{TeachLoRA: "a LoRA", TeachUNet: "the UNet", TeachVAE: "the autoencoder", TeachText: "the text encoders"}[c.Teach], f.Images)
	if f.Held > 0 {
		fmt.Fprintf(&b, ", %d held out", f.Held)
	}
	if f.LeftOut > 0 {
		fmt.Fprintf(&b, ", %d left out", f.LeftOut)
	}
	sizes := make([]string, 0, len(f.Sizes))
	for _, s := range f.Sizes {
		sizes = append(sizes, fmt.Sprintf("%d of %s", s.Entries, s.Size))
	}
	fmt.Fprintf(&b, "; %d batches of %d an epoch: %s", f.Batches, c.Batch, strings.Join(sizes, ", "))
	return b.String()
}
