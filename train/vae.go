package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// Distance says how pixels of a reconstruction are compared with the image's.
type Distance string

// The ways of Distance, each a mean over channels and pixels.
const (
	Absolute Distance = "l1"
	Squared  Distance = "mse"
)

// VAEOptions say what of an autoencoder is taught, and how.
type VAEOptions struct {
	Config  model.VAEConfig
	Weights *weights.Index
	// Tensors are patterns of path.Match over the names of what is trained, such as
	// decoder.*; empty is everything.
	Tensors  []string
	Distance Distance
	// KL is how much the distance of the latents' distribution from a standard normal one
	// counts beside that of pixels: the divergence is a sum over an image's latents, as
	// diffusers' kl() has it, the distance of pixels a mean. 1e-6 as a rule.
	KL float64

	Recompute bool // see [ProgramConfig]
	Threads   int
	Profile   string
}

// Check returns every fault of the options, joined.
func (o VAEOptions) Check() error {
	var faults []error
	if o.Weights == nil {
		faults = append(faults, errors.New("vae: there are no weights"))
	}
	if o.Distance != Absolute && o.Distance != Squared {
		faults = append(faults, fmt.Errorf("vae.distance is %q, expected %s or %s", o.Distance, Absolute, Squared))
	}
	if !(o.KL >= 0 && o.KL <= math.MaxFloat32) {
		faults = append(faults, fmt.Errorf("vae.kl is %v, expected a number from 0 on", o.KL))
	}
	return errors.Join(faults...)
}

// VAELearner teaches an AutoencoderKL to give back what it is shown (Kingma and
// Welling, 2014): the loss is the pixels' distance + KL * divergence.
type VAELearner struct {
	options VAEOptions
	program *Program
	tensors []Tensor
	encoder *forward
	whole   *forward
}

// VAEBatch is what an autoencoder learns from at once.
type VAEBatch struct {
	Height, Width int       // of the images, in pixels
	Images        []float32 // [rows, 3, height, width] in [-1, 1]
	// Noise makes a sample of the latents' distribution: [rows, latent channels, height/f,
	// width/f], standard normal. nil is zeros, with which the mean is decoded.
	Noise []float32
	// Areas is how much each pixel's distance counts: [rows, height, width], nil is 1 for
	// all. The loss is comparable where the mean over a row is 1.
	Areas []float32
}

// The names of the inputs of the loss.
const (
	pixelsInput     = "pixel_weights"      // [rows, 1, height, width]
	divergenceInput = "divergence_weights" // [rows, 1, 1, 1]
)

// NewVAELearner makes the graph, reads what is trained and gets ready to run.
func NewVAELearner(rt *ort.Runtime, o VAEOptions) (*VAELearner, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	l := &VAELearner{options: o}
	g, err := model.VAE(o.Config)
	if err != nil {
		return nil, err
	}
	if l.tensors, err = Load(g, o.Weights, o.Tensors); err != nil {
		return nil, err
	}
	c := ProgramConfig{Name: "vae", Tensors: l.tensors, Frozen: o.Weights, Threads: o.Threads}
	l.whole = &forward{runtime: rt, config: c, graph: func() (*onnx.Graph, error) { return model.VAE(o.Config) }}
	l.encoder = &forward{runtime: rt, config: c, graph: func() (*onnx.Graph, error) { return model.VAEEncoder(o.Config) }}
	o.losses(g)
	l.program, err = NewProgram(rt, ProgramConfig{
		Name: "vae", Graph: g, Loss: "loss", Tensors: l.tensors, Frozen: o.Weights,
		Recompute: o.Recompute, Threads: o.Threads, Profile: o.Profile,
	})
	return l, err
}

// losses puts the losses in the place of an autoencoder's results. What is a mean is a
// sum of products with weights that come with the batch.
func (o VAEOptions) losses(g *onnx.Graph) {
	image, back := g.Inputs[0], g.Outputs[0].Value
	mean, spread := g.Outputs[1].Value, g.Outputs[2].Value
	g.Outputs = nil
	off := g.Sub(back, image)
	if o.Distance == Absolute {
		off = g.Abs(off)
	} else {
		off = g.Mul(off, off)
	}
	total := func(v *onnx.Value) *onnx.Value { return g.Sum(g.Reshape(v, onnx.Rest()), true, 0) }
	pixels := g.Input(pixelsInput, tensor.Float32, image.Shape[0], onnx.N(1), image.Shape[2], image.Shape[3])
	distance := total(g.Mul(off, pixels))
	// diffusers' DiagonalGaussianDistribution.kl: half of mean^2 + variance - 1 - log-variance.
	rest := g.Sub(g.Add(g.Mul(mean, mean), g.Exp(spread)), g.Add(spread, g.Scalar(1)))
	rows := g.Input(divergenceInput, tensor.Float32, image.Shape[0], onnx.N(1), onnx.N(1), onnx.N(1))
	divergence := g.Mul(total(g.Mul(rest, rows)), g.Scalar(0.5))
	g.Result("loss", g.Add(distance, g.Mul(divergence, g.Scalar(float32(o.KL)))))
	g.Result("reconstruction", distance)
	g.Result("kl", divergence)
}

// Tensors are what is trained.
func (l *VAELearner) Tensors() []Tensor { return l.tensors }

// Gradients adds the gradients of a batch's loss to the tensors'.
func (l *VAELearner) Gradients(ctx context.Context, b *VAEBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	return vaeLosses(l.program.Gradients(ctx, given, nil))
}

// Evaluate is the loss of a batch, without gradients.
func (l *VAELearner) Evaluate(ctx context.Context, b *VAEBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	return vaeLosses(l.program.Evaluate(ctx, given))
}

func vaeLosses(got map[string]float64, err error) (Losses, error) {
	if err != nil {
		return Losses{}, err
	}
	return Losses{Total: got["loss"], Parts: []Part{{"reconstruction", got["reconstruction"]}, {"kl", got["kl"]}}}, nil
}

// Moments encodes images as the tensors are now: the latents' means and log-variances
// [rows, 2*latent channels, height/f, width/f].
func (l *VAELearner) Moments(ctx context.Context, b *VAEBatch) ([]float32, error) {
	given, err := l.inputs(b)
	if err != nil {
		return nil, err
	}
	out, err := l.encoder.run(ctx, map[string]ort.Tensor{"image": given["image"]})
	if err != nil {
		return nil, err
	}
	return out["moments"].Float32(), nil
}

// Reconstruct encodes images and decodes them as the tensors are now: [rows, 3, height,
// width].
func (l *VAELearner) Reconstruct(ctx context.Context, b *VAEBatch) ([]float32, error) {
	given, err := l.inputs(b)
	if err != nil {
		return nil, err
	}
	out, err := l.whole.run(ctx, map[string]ort.Tensor{"image": given["image"], "noise": given["noise"]})
	if err != nil {
		return nil, err
	}
	return out["reconstruction"].Float32(), nil
}

// inputs makes what the graph takes from a batch, of which every fault is named.
func (l *VAELearner) inputs(b *VAEBatch) (map[string]ort.Tensor, error) {
	c := l.options.Config
	f := c.Factor()
	if b.Height < f || b.Width < f || b.Height%f != 0 || b.Width%f != 0 {
		return nil, fmt.Errorf("a batch: images of %dx%d pixels, expected multiples of %d", b.Width, b.Height, f)
	}
	area := b.Height * b.Width
	rows := len(b.Images) / (3 * area)
	if rows == 0 || len(b.Images) != 3*area*rows {
		return nil, fmt.Errorf("a batch: Images has %d values, expected a multiple of %d for images of %dx%d pixels", len(b.Images), 3*area, b.Width, b.Height)
	}
	var faults []error
	holds := func(what string, have, want int) {
		if have != want {
			faults = append(faults, fmt.Errorf("a batch: %s has %d values, expected %d for %d rows of %dx%d pixels", what, have, want, rows, b.Width, b.Height))
		}
	}
	noise, latents := b.Noise, rows*int(c.LatentChannels)*area/(f*f)
	if noise == nil {
		noise = make([]float32, latents)
	}
	holds("Noise", len(noise), latents)
	if b.Areas != nil {
		holds("Areas", len(b.Areas), rows*area)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	pixels, divergence := make([]float32, rows*area), make([]float32, rows)
	each := 1 / float64(3*area*rows)
	for i := range pixels {
		pixels[i] = float32(each)
		if b.Areas != nil {
			pixels[i] = float32(each * float64(b.Areas[i]))
		}
	}
	for i := range divergence {
		divergence[i] = float32(1 / float64(rows))
	}
	n, h, w := int64(rows), int64(b.Height), int64(b.Width)
	return map[string]ort.Tensor{
		"image":         ort.Floats(b.Images, n, 3, h, w),
		"noise":         ort.Floats(noise, n, c.LatentChannels, h/int64(f), w/int64(f)),
		pixelsInput:     ort.Floats(pixels, n, 1, h, w),
		divergenceInput: ort.Floats(divergence, n, 1, 1, 1),
	}, nil
}

// Close frees the sessions. The tensors stay.
func (l *VAELearner) Close() error {
	return errors.Join(l.program.Close(), l.encoder.close(), l.whole.close())
}
