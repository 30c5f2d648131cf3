package loop

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/newmodel/fill"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/train"
	"cosmicman/weights"
)

// unet is a real network of the zoo that learns noise and where to look.
type unet struct {
	*train.UNetLearner
	config model.UNetConfig
}

// newUNet makes its weights, which follow from their names, in a folder, and its
// sessions.
func newUNet(folder string) (train.Task, func() error, error) {
	fail := func(err error) (train.Task, func() error, error) { return nil, nil, err }
	var err error
	var parts [2][]byte
	for i, path := range []string{"unet/config.json", "scheduler/scheduler_config.json"} {
		if parts[i], err = os.ReadFile(filepath.Join("../../testdata/zoo/tiny-sd", path)); err != nil {
			return fail(err)
		}
	}
	hola := train.DefaultHOLA()
	o := train.UNetOptions{Pixels: 8, Threads: 1, Seed: 7, HOLA: &hola, MinSNR: 5, Tensors: []string{"*attn2*", "conv_*"}}
	scheduler, err := diffusion.ParseConfig(parts[1])
	if err != nil {
		return fail(err)
	}
	if o.Noising, err = scheduler.Noising(); err != nil {
		return fail(err)
	}
	if o.Config, err = model.ParseUNet(parts[0]); err != nil {
		return fail(err)
	}
	if o.Weights, err = zooWeights(filepath.Join(folder, "unet.safetensors"), o.Config); err != nil {
		return fail(err)
	}
	rt, err := ort.Open("")
	if err != nil {
		return fail(err)
	}
	l, err := train.NewUNetLearner(rt, o)
	if err != nil {
		return fail(errors.Join(err, rt.Close()))
	}
	return &unet{l, o.Config}, func() error { return errors.Join(l.Close(), rt.Close()) }, nil
}

func zooWeights(path string, c model.UNetConfig) (*weights.Index, error) {
	g, err := model.UNet(c)
	if err != nil {
		return nil, err
	}
	out := weights.Output{DType: tensor.Float32}
	for _, p := range g.Params {
		var shape tensor.Shape
		for _, d := range p.Shape {
			n, _ := d.Const()
			shape = append(shape, n)
		}
		out.Tensors = append(out.Tensors, weights.Param{Name: p.Name, Shape: shape})
	}
	out.Values = func(i int, dst []float32) error {
		fill.Tensor(dst, fill.Key{Part: "unet", Name: out.Tensors[i].Name}, out.Tensors[i].Shape)
		return nil
	}
	if err := weights.WriteFile(context.Background(), path, out); err != nil {
		return nil, err
	}
	file, err := weights.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return weights.NewIndex("unet", weights.UNet, file)
}

type unetBatch struct{ train.UNetBatch }

func (b *unetBatch) Images() int       { return len(b.Timesteps) }
func (b *unetBatch) Missing() []string { return nil }

// make is a batch of noise whose first row has a group of words and a map.
func (u *unet) make(purpose string, number int64) *unetBatch {
	const rows, side, tokens = 2, 4, 5
	draw := func(what string, n int64) []float32 {
		values := make([]float32, n)
		diffusion.NewNoise(train.SeedOf(3, purpose+"/"+what, number)).Normal(values)
		return values
	}
	b := &unetBatch{train.UNetBatch{Height: 8 * side, Width: 8 * side}}
	size := u.config.InChannels * side * side
	b.Latents, b.Noise = draw("latents", rows*size), draw("noise", rows*size)
	b.States = draw("states", rows*tokens*u.config.CrossAttentionDim[0])
	chance := train.Chance(3, purpose+"/timesteps", number)
	labels := make([]uint8, b.Height*b.Width)
	for i := range labels {
		labels[i] = uint8(i * 3 / len(labels))
	}
	for row := range rows {
		b.Timesteps = append(b.Timesteps, chance.IntN(1000))
		sample := train.Sample{}
		if row == 0 {
			sample.Map = train.ParsingMap{Width: b.Width, Height: b.Height, Labels: labels}
			sample.Groups = []train.Group{{Tokens: [2]int{1, 3}, Labels: []uint8{1, 2}}}
		}
		b.Samples = append(b.Samples, sample)
	}
	return b
}

func (u *unet) Prepare(_ context.Context, number int64) (train.Batch, error) {
	return u.make("batch", number), nil
}

func (u *unet) PrepareHeld(_ context.Context, number int) (train.Batch, error) {
	return u.make("held", int64(number)), nil
}

func (u *unet) Held() int             { return 2 }
func (u *unet) Epoch(n int64) float64 { return float64(n) / 7 }

func (u *unet) Learn(ctx context.Context, b train.Batch) (train.Losses, error) {
	return u.Gradients(ctx, &b.(*unetBatch).UNetBatch)
}

func (u *unet) Judge(ctx context.Context, b train.Batch) (train.Losses, error) {
	return u.Evaluate(ctx, &b.(*unetBatch).UNetBatch)
}
