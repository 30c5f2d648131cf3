package recipe

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"

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
	c := &r.config
	l, err := train.NewVAELearner(r.env.Runtime, train.VAEOptions{
		Config: r.base.vae, Weights: r.base.VAE.Index, Distance: train.Distance(c.VAE.Loss), KL: c.VAE.KLWeight,
		Recompute: c.Recompute, Threads: c.Threads,
	})
	return &vaeTask{r, l}, err
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
	config := t.run.base.vae
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

// write writes the autoencoder's folder, or the whole model.
func (t *vaeTask) write(ctx context.Context, v [][]float32, suffix string) ([]string, error) {
	trained := values{}
	for i, x := range t.Tensors() {
		trained.set(t.run.base.VAE.Name, x.Name, v[i])
	}
	return t.run.writePart(ctx, t.run.base.VAE, trained, suffix)
}

func (t *vaeTask) draw() string { return t.run.drawModel() }
