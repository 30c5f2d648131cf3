package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cosmicman/diffusion"
	"cosmicman/prompt"
	"cosmicman/train"
	"cosmicman/train/dataset"
	"cosmicman/train/encode"
	"cosmicman/weights/lora"
)

// unetTask teaches a UNet, or low-rank changes of it.
type unetTask struct {
	run     *Run
	config  *Config
	set     *dataset.Set
	texts   *encode.Texts
	vae     *encode.VAE
	noising diffusion.Noising
	hola    bool
	learner *train.UNetLearner
	taught  train.Texts // text encoders that learn as well; nil: they are frozen
	parts   []part      // of the tensors
}

// part is the tensors of one component.
type part struct {
	component string
	tensors   []train.Tensor
	layers    []lora.Layer                                                           // of LoRA
	whole     func(dst []float32, name string, values []float32, r train.Rest) error // nil: values are whole
}

// unetBatch is what the learner is given, with what people want to know of it.
type unetBatch struct {
	train.UNetBatch
	ids     [][]int64 // of the captions, by text encoder, where these learn
	missing []string
}

func (b *unetBatch) Images() int { return len(b.Timesteps) }

func (b *unetBatch) Missing() []string { return b.missing }

// Tensors are what is trained. Where several components are, names begin with theirs.
func (t *unetTask) Tensors() []train.Tensor { return tensorsOf(t.parts) }

func tensorsOf(parts []part) (all []train.Tensor) {
	for _, p := range parts {
		for _, x := range p.tensors {
			if len(parts) > 1 {
				x.Name = p.component + "." + x.Name
			}
			all = append(all, x)
		}
	}
	return all
}

// Prepare makes batch number of the run. All chance in it follows from the numbers of
// its visits.
func (t *unetTask) Prepare(ctx context.Context, number int64) (train.Batch, error) {
	visits := t.set.Batch(number)
	dropped := make([]bool, len(visits))
	for i, v := range visits {
		if t.config.Dropout.Per == "batch" {
			dropped[i] = train.Chance(t.config.Seed, "text dropout of a batch", number).Float64() < t.config.Dropout.Share
		} else {
			dropped[i] = train.Chance(t.config.Seed, "text dropout", v.Number).Float64() < t.config.Dropout.Share
		}
	}
	steps := train.Timesteps{Share: t.config.Loss.NoisyShare, Noisiest: t.config.Loss.Noisiest}
	return t.batch(ctx, visits, dropped, func(v dataset.Visit) int {
		return steps.Draw(train.Chance(t.config.Seed, "timestep", v.Number), len(t.noising.Alphas))
	})
}

// Held is how many batches are held out.
func (t *unetTask) Held() int { return t.set.HeldBatches() }

// PrepareHeld makes one of them. Their timesteps are spread evenly over the images, so
// that a few of these judge as many would.
func (t *unetTask) PrepareHeld(ctx context.Context, number int) (train.Batch, error) {
	visits := t.set.HeldBatch(number)
	return t.batch(ctx, visits, make([]bool, len(visits)), func(v dataset.Visit) int {
		// Multiples of the golden section fill an interval without a pattern.
		at := math.Mod(float64(-v.Number)*(math.Phi-1), 1)
		return min(int(at*float64(len(t.noising.Alphas))), len(t.noising.Alphas)-1)
	})
}

// batch makes what the learner is given of visits. Images that cannot be read are left
// out and named.
func (t *unetTask) batch(ctx context.Context, visits []dataset.Visit, dropped []bool, timestep func(dataset.Visit) int) (*unetBatch, error) {
	b := &unetBatch{}
	var texts []string
	var maps []train.ParsingMap
	var captions []dataset.Caption
	plain := true // no row weighs more than another
	for i, v := range visits {
		moments, err := t.moments(ctx, v)
		m := train.ParsingMap{}
		if err == nil && (t.hola && !dropped[i] || t.config.Loss.PartWeight > 0) {
			m, err = t.set.Map(ctx, v)
		}
		if fault, is := errors.AsType[*dataset.Fault](err); is {
			b.missing = append(b.missing, fault.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		b.Height, b.Width = v.Size.Height, v.Size.Width
		latents := make([]float32, len(moments)/2)
		t.vae.Sample(latents, moments, diffusion.NewNoise(train.SeedOf(t.config.Seed, "latents", v.Number)))
		noise := make([]float32, len(latents))
		diffusion.NewNoise(train.SeedOf(t.config.Seed, "noise", v.Number)).Normal(noise)
		train.OffsetNoise(noise, t.vae.Channels(), t.config.Loss.NoiseOffset, train.SeedOf(t.config.Seed, "noise offset", v.Number))
		b.Latents, b.Noise = append(b.Latents, latents...), append(b.Noise, noise...)
		b.Timesteps = append(b.Timesteps, timestep(v))
		b.Weights = append(b.Weights, v.Weight)
		if s := t.config.Loss.PartWeight; s > 0 {
			b.Areas = append(b.Areas, areaWeights(m, v.Size.Width, v.Size.Height, t.vae.Factor(), s)...)
		}
		plain = plain && v.Weight == 1
		if t.texts.PooledWidth() > 0 {
			ids := v.TimeIDs()
			b.TimeIDs = append(b.TimeIDs, ids[:]...)
		}
		caption := dataset.Caption{}
		if !dropped[i] {
			caption = t.set.Caption(v)
		}
		texts, maps, captions = append(texts, caption.Text), append(maps, m), append(captions, caption)
	}
	if plain {
		b.Weights = nil
	}
	if len(texts) == 0 {
		return b, nil // nothing could be read
	}
	windows, err := t.encode(ctx, b, texts)
	if err != nil {
		return nil, err
	}
	for i, w := range windows {
		if t.hola {
			b.Samples = append(b.Samples, captions[i].Sample(w, maps[i]))
		}
	}
	return b, nil
}

// encode gives a batch its texts, as states, or as tokens where the text encoders learn,
// and returns their windows.
func (t *unetTask) encode(ctx context.Context, b *unetBatch, texts []string) (windows []prompt.Window, err error) {
	if t.taught == nil {
		encoded, err := t.texts.Encode(ctx, texts)
		for _, e := range encoded {
			b.States = append(b.States, e.States...)
			b.TextEmbeds = append(b.TextEmbeds, e.Pooled...)
			windows = append(windows, e.Window)
		}
		return windows, err
	}
	b.ids = make([][]int64, len(t.taught))
	for _, text := range texts {
		of, _, err := t.texts.Windows(text)
		if err != nil {
			return nil, err
		}
		for i := range b.ids {
			b.ids[i] = append(b.ids[i], of[i].IDs...)
		}
		windows = append(windows, of[0])
	}
	return windows, nil
}

// moments are those of a visit's picture.
func (t *unetTask) moments(ctx context.Context, v dataset.Visit) ([]float32, error) {
	p, err := pictureOf(t.set, v)
	if err != nil {
		return nil, err
	}
	return t.vae.Moments(ctx, p)
}

// pictureOf is a visit's picture for the autoencoder's cache, under all that its pixels
// are made from.
func pictureOf(set *dataset.Set, v dataset.Visit) (encode.Picture, error) {
	key, err := v.Item.Key()
	return encode.Picture{
		Content: fmt.Sprintf("%s lanczos %s from %d,%d mirrored %t", key, v.Scaled, v.Left, v.Top, v.Flip),
		Width:   v.Size.Width, Height: v.Size.Height,
		Pixels: func(ctx context.Context) ([]float32, error) {
			p, err := set.Picture(ctx, v)
			if err != nil {
				return nil, err
			}
			return p.Pixels, nil
		},
	}, err
}

// Learn adds the gradients of a batch's loss, also by the text encoders if they learn.
func (t *unetTask) Learn(ctx context.Context, x train.Batch) (train.Losses, error) {
	b := x.(*unetBatch)
	if t.taught == nil {
		return t.learner.Gradients(ctx, &b.UNetBatch)
	}
	if err := t.forward(ctx, b); err != nil {
		return train.Losses{}, err
	}
	b.ByStates = make([]float32, len(b.States))
	if b.TextEmbeds != nil {
		b.ByTextEmbeds = make([]float32, len(b.TextEmbeds))
	}
	losses, err := t.learner.Gradients(ctx, &b.UNetBatch)
	if err != nil {
		return losses, err
	}
	return losses, t.taught.Backward(ctx, b.ids, b.ByStates, b.ByTextEmbeds)
}

// forward encodes a batch's text by the encoders as they are now.
func (t *unetTask) forward(ctx context.Context, b *unetBatch) (err error) {
	b.States, b.TextEmbeds, err = t.taught.Forward(ctx, b.ids)
	return err
}

// Judge is the loss of a batch.
func (t *unetTask) Judge(ctx context.Context, x train.Batch) (train.Losses, error) {
	b := x.(*unetBatch)
	if t.taught != nil {
		if err := t.forward(ctx, b); err != nil {
			return train.Losses{}, err
		}
	}
	return t.learner.Evaluate(ctx, &b.UNetBatch)
}

// Epoch is how often the data was gone through.
func (t *unetTask) Epoch(number int64) float64 { return t.set.Epoch(number) }
