package recipe

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"slices"

	"cosmicman/diffusion"
	"cosmicman/train"
	"cosmicman/train/dataset"
	"cosmicman/train/journal"
)

// vaeTask teaches an autoencoder.
type vaeTask struct {
	run     *Run
	learner *train.VAELearner
}

type vaeBatch struct {
	train.VAEBatch
	images  int
	missing []string
}

func (b *vaeBatch) Images() int { return b.images }

func (b *vaeBatch) Missing() []string { return b.missing }

func (r *Run) vaeTask() (task, error) {
	if err := r.foldable(); err != nil {
		return nil, err
	}
	l, err := train.NewVAELearner(r.env.Runtime, r.vaeOptions())
	return &vaeTask{r, l}, err
}

func (r *Run) vaeOptions() train.VAEOptions {
	c := &r.config
	return train.VAEOptions{
		Config: r.base.VAE.Config, Weights: r.base.VAE.Component.Index, Distance: train.Distance(c.VAE.Loss), KL: c.VAE.KLWeight,
		Recompute: c.Recompute, Threads: c.Threads,
	}
}

func (t *vaeTask) Tensors() []train.Tensor { return t.learner.Tensors() }

// Prepare reads the pictures of a batch, and makes the noise of its latents.
func (t *vaeTask) Prepare(ctx context.Context, number int64) (train.Batch, error) {
	return t.batch(ctx, t.run.set.Batch(number), true)
}

func (t *vaeTask) Held() int { return t.run.set.HeldBatches() }

// PrepareHeld is without noise: what is judged is the best that is decoded.
func (t *vaeTask) PrepareHeld(ctx context.Context, number int) (train.Batch, error) {
	return t.batch(ctx, t.run.set.HeldBatch(number), false)
}

func (t *vaeTask) batch(ctx context.Context, visits []dataset.Visit, noisy bool) (*vaeBatch, error) {
	b := &vaeBatch{}
	config := t.run.base.VAE.Config
	for _, v := range visits {
		p, err := t.run.set.Picture(ctx, v)
		if fault, is := errors.AsType[*dataset.Fault](err); is {
			b.missing = append(b.missing, fault.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		b.Height, b.Width = p.Height, p.Width
		b.VAEBatch.Images = append(b.VAEBatch.Images, p.Pixels...)
		if s := t.run.config.Loss.PartWeight; s > 0 {
			b.Areas = append(b.Areas, areaWeights(p.Map, p.Width, p.Height, 1, s)...)
		}
		b.images++
		if noisy {
			noise := make([]float32, int(config.LatentChannels)*(p.Height/config.Factor())*(p.Width/config.Factor()))
			diffusion.NewNoise(train.SeedOf(t.run.config.Seed, "latents", v.Number)).Normal(noise)
			b.Noise = append(b.Noise, noise...)
		}
	}
	return b, nil
}

func (t *vaeTask) Learn(ctx context.Context, b train.Batch) (train.Losses, error) {
	return t.learner.Gradients(ctx, &b.(*vaeBatch).VAEBatch)
}

func (t *vaeTask) Judge(ctx context.Context, b train.Batch) (train.Losses, error) {
	return t.learner.Evaluate(ctx, &b.(*vaeBatch).VAEBatch)
}

func (t *vaeTask) Epoch(number int64) float64 { return t.run.set.Epoch(number) }

func (t *vaeTask) close() error { return t.learner.Close() }

// with runs f while the tensors have other values.
func with(tensors []train.Tensor, v [][]float32, f func() error) error {
	before := make([][]float32, len(v))
	for i, x := range tensors {
		if &x.Values[0] != &v[i][0] {
			before[i] = append([]float32(nil), x.Values...)
			copy(x.Values, v[i])
		}
	}
	err := f()
	for i, x := range tensors {
		if before[i] != nil {
			copy(x.Values, before[i])
		}
	}
	return err
}

// samples are pictures beside what comes back of them.
func (t *vaeTask) samples(ctx context.Context, v [][]float32) (drawn []journal.Sample, err error) {
	err = with(t.Tensors(), v, func() error {
		for _, visit := range t.run.some(t.run.config.Samples.Count) {
			b, err := t.batch(ctx, []dataset.Visit{visit}, false)
			if err != nil {
				return err
			}
			if b.images == 0 {
				continue // it has become unreadable
			}
			back, err := t.learner.Reconstruct(ctx, &b.VAEBatch)
			if err != nil {
				return err
			}
			drawn = append(drawn, journal.Sample{
				Prompt: fmt.Sprintf("%s, and what comes back of it", visit.Item.Name),
				Image:  beside(imageOf(b.Width, b.Height, b.VAEBatch.Images), imageOf(b.Width, b.Height, back)),
			})
		}
		return nil
	})
	return drawn, err
}

// beside is two images of one height.
func beside(a, b *image.NRGBA) *image.NRGBA {
	both := image.NewNRGBA(image.Rect(0, 0, a.Rect.Dx()+b.Rect.Dx(), a.Rect.Dy()))
	draw.Draw(both, a.Rect, a, image.Point{}, draw.Src)
	draw.Draw(both, b.Rect.Add(image.Pt(a.Rect.Dx(), 0)), b, image.Point{}, draw.Src)
	return both
}

// foldable refuses at once what cannot be done to the latents at the end.
func (r *Run) foldable() error {
	v := r.base.VAE.Config
	switch r.config.VAE.Latents {
	case "none":
		return nil
	case "channels":
		if !v.QuantConv || !v.PostQuantConv {
			return faultf("vae.latents is channels, but the autoencoder has no convolutions beside its latents (use_quant_conv): expected scale or none")
		}
	}
	if v.LatentsMean != nil || v.LatentsStd != nil {
		return faultf("vae.latents is %s, but the autoencoder's config has latents_mean and latents_std: expected none", r.config.VAE.Latents)
	}
	return nil
}

// measured is how many images the latents are measured on at most.
const measured = 256

// write writes the autoencoder's folder, or the whole model, with latents of deviation 1.
func (t *vaeTask) write(ctx context.Context, v [][]float32, suffix string) ([]string, error) {
	trained := map[string][]float32{}
	for i, x := range t.Tensors() {
		trained[x.Name] = v[i]
	}
	c := *t.run.base.Pipeline.VAE
	factor, err := t.fold(ctx, v, trained)
	if err != nil {
		return nil, fmt.Errorf("the latents: %w; the run is saved, and --resume with --vae-latents none writes it as it is", err)
	}
	if factor != 0 {
		if c.Config.JSON, err = train.WithScaling(c.Config.JSON, factor); err != nil {
			return nil, err
		}
	}
	return t.run.writePart(ctx, &c, values{c.Name: trained}, suffix)
}

// fold changes what was trained as the settings say, and returns the scaling factor of
// the config, 0 for the one that it has.
func (t *vaeTask) fold(ctx context.Context, v [][]float32, trained map[string][]float32) (factor float64, err error) {
	how := t.run.config.VAE.Latents
	if how == "none" {
		return 0, nil
	}
	var l train.Latents
	err = with(t.Tensors(), v, func() error {
		for _, visit := range t.run.firstVisits(measured) {
			visit.Flip = false
			b, err := t.batch(ctx, []dataset.Visit{visit}, false)
			if err != nil {
				return err
			}
			if b.images == 0 {
				continue
			}
			moments, err := t.learner.Moments(ctx, &b.VAEBatch)
			if err != nil {
				return err
			}
			config := t.run.base.VAE.Config
			if err := l.Add(moments, int(config.LatentChannels), (b.Height/config.Factor())*(b.Width/config.Factor())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if how == "scale" {
		return l.ScalingFactor()
	}
	for _, name := range []string{"quant_conv.weight", "quant_conv.bias", "post_quant_conv.weight", "post_quant_conv.bias"} {
		trained[name] = slices.Clone(trained[name]) // the run's own stay
	}
	return 1, l.Fold(trained)
}

func (t *vaeTask) next() string { return t.run.nextPart("--teach text", "") }
