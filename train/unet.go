package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// UNetOptions say what of a UNet is taught, and how.
type UNetOptions struct {
	Config  model.UNetConfig
	Weights *weights.Index
	Noising diffusion.Noising // of the pipeline's scheduler
	Pixels  int64             // of the image along a side of one of the latents: 8

	// LoRA trains low-rank terms beside frozen weights. Where it is nil the weights
	// themselves are trained: those whose names one of the patterns Tensors has, or all.
	LoRA    *LoRA
	Tensors []string
	Seed    uint64 // of the low-rank terms' first values

	HOLA   *HOLA   // nil: the noise loss alone
	MinSNR float64 // gamma, 5 where it is used; 0 is off
	// Through hands out the gradients by the text's states and its pooled embedding, with
	// which text encoders are trained.
	Through bool

	Recompute bool  // see [ProgramConfig]
	Heads     int64 // likewise
	Threads   int
	Profile   string
}

// UNetLearner teaches a UNet to predict noise, and where each group of words is to
// look: its loss is Alpha * noise + Beta * HOLA.
type UNetLearner struct {
	options UNetOptions
	program *Program
	tensors []Tensor
	layers  []Layer      // that HOLA looks at
	adapter []lora.Layer // of LoRA
}

// UNetBatch is what a UNet learns from at once. All rows are of one size, images and
// the like row by row.
type UNetBatch struct {
	Height, Width int       // of the images, in pixels
	Latents       []float32 // clean, scaled: [rows, channels, height, width] of the latents
	Noise         []float32 // likewise
	Timesteps     []int     // [rows]
	States        []float32 // of the text: [rows, tokens, cross_attention_dim]
	TextEmbeds    []float32 // SDXL's pooled text: [rows, D]
	TimeIDs       []float32 // SDXL's sizes: [rows, 6]
	// Weights is how much each row counts: its squared error is multiplied by it. The
	// loss is the mean over rows, whatever the weights add up to. nil is 1 for all.
	Weights []float64
	// Areas is how much each of the latents counts: [rows, height, width], nil is 1 for
	// all. The loss is comparable where the mean over a row is 1.
	Areas []float32
	// Samples are what HOLA is told of the rows. nil is nothing of any.
	Samples []Sample

	// ByStates and ByTextEmbeds are room for the gradients of the loss by States and
	// TextEmbeds, for a learner that was made with Through; nil where they are not asked
	// for. They are written, not added to.
	ByStates, ByTextEmbeds []float32
}

// NewUNetLearner makes the graph, reads what is trained and gets ready to run.
func NewUNetLearner(rt *ort.Runtime, o UNetOptions) (*UNetLearner, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	l := &UNetLearner{options: o}
	g, err := model.UNet(o.Config)
	if err != nil {
		return nil, err
	}
	if o.LoRA != nil {
		if err := checkParams(g, o.Weights); err != nil {
			return nil, err
		}
		g, l.tensors, l.adapter, err = o.LoRA.Add(g, lora.UNet, o.Seed)
	} else {
		l.tensors, err = Load(g, o.Weights, o.Tensors)
	}
	if err != nil {
		return nil, err
	}
	if g, l.layers, err = unetLosses(g, o); err != nil {
		return nil, err
	}
	if l.program, err = NewProgram(rt, o.program(g, l.tensors)); err != nil {
		return nil, err
	}
	return l, nil
}

func (o UNetOptions) program(g *onnx.Graph, tensors []Tensor) ProgramConfig {
	c := ProgramConfig{
		Name: "unet", Graph: g, Loss: "loss", Tensors: tensors, Frozen: o.Weights,
		Recompute: o.Recompute, Heads: o.Heads, Threads: o.Threads, Profile: o.Profile,
	}
	if o.Through {
		c.Through = append(c.Through, "encoder_hidden_states")
		if o.Config.TextTime {
			c.Through = append(c.Through, "text_embeds")
		}
	}
	return c
}

func (o UNetOptions) check() error {
	var faults []error
	if o.Weights == nil {
		faults = append(faults, errors.New("unet: there are no weights"))
	}
	if o.Pixels < 1 {
		faults = append(faults, fmt.Errorf("unet: %d pixels of the image are a side of one of the latents', expected 1 or more, 8 as a rule", o.Pixels))
	}
	if len(o.Noising.Alphas) == 0 {
		faults = append(faults, errors.New("unet: the noise schedule has no timesteps"))
	}
	if !(o.MinSNR >= 0 && o.MinSNR <= math.MaxFloat32) {
		faults = append(faults, fmt.Errorf("min_snr is %v, expected a number above 0, or 0 for none", o.MinSNR))
	}
	if o.Heads < 0 {
		faults = append(faults, fmt.Errorf("heads at a time is %d, expected 0 or more", o.Heads))
	}
	if o.Config.OutChannels != o.Config.InChannels {
		faults = append(faults, fmt.Errorf("unet: %d channels go in and %d come out; what was trained for inpainting or with a variance cannot be trained", o.Config.InChannels, o.Config.OutChannels))
	}
	if o.LoRA != nil {
		faults = append(faults, o.LoRA.Check())
	}
	if o.HOLA != nil {
		faults = append(faults, o.HOLA.Check())
	}
	return errors.Join(faults...)
}

// The names of the inputs of the noise loss.
const (
	targetInput  = "target"        // like the latents
	weightsInput = "noise_weights" // [rows, 1, height, width]
)

// unetLosses puts the losses in the place of a UNet's output: loss, and noise and hola
// of which it is made where there are both. The noise loss is the sum of the squared
// errors times their weights.
func unetLosses(g *onnx.Graph, o UNetOptions) (*onnx.Graph, []Layer, error) {
	var layers []Layer
	var hola *onnx.Value
	var err error
	if o.HOLA != nil {
		if g, layers, err = o.HOLA.Supervise(g, o.Pixels); err != nil {
			return nil, nil, err
		}
		if hola, err = o.HOLA.Loss(g, layers); err != nil {
			return nil, nil, err
		}
	}
	out := g.Outputs[0].Value
	g.Outputs = nil
	off := g.Sub(out, g.Input(targetInput, tensor.Float32, out.Shape...))
	rows, height, width := out.Shape[0], out.Shape[2], out.Shape[3]
	counts := g.Input(weightsInput, tensor.Float32, rows, onnx.N(1), height, width)
	noise := g.Sum(g.Reshape(g.Mul(g.Mul(off, off), counts), onnx.Rest()), true, 0)
	if hola == nil {
		g.Result("loss", noise)
		return g, nil, g.Err()
	}
	g.Result("loss", o.HOLA.Total(g, noise, hola))
	g.Result("noise", noise)
	g.Result("hola", hola)
	return g, layers, g.Err()
}

// Tensors are what is trained.
func (l *UNetLearner) Tensors() []Tensor { return l.tensors }

// Nodes is how many operators a call of Gradients runs.
func (l *UNetLearner) Nodes() int { return l.program.Nodes() }

// Adapter is what LoRA has learned so far, nil where the weights are trained. It holds
// the tensors' own values.
func (l *UNetLearner) Adapter() []lora.Layer { return l.adapter }

// Supervised names the layers that HOLA looks at.
func (l *UNetLearner) Supervised() []string {
	var names []string
	for _, s := range l.layers {
		names = append(names, s.Name)
	}
	return names
}

// Gradients adds the gradients of a batch's loss to the tensors'.
func (l *UNetLearner) Gradients(ctx context.Context, b *UNetBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	through := map[string]ort.Tensor{}
	if b.ByStates != nil {
		through["encoder_hidden_states"] = ort.Floats(b.ByStates, given["encoder_hidden_states"].Shape...)
	}
	if b.ByTextEmbeds != nil {
		through["text_embeds"] = ort.Floats(b.ByTextEmbeds, given["text_embeds"].Shape...)
	}
	return l.losses(l.program.Gradients(ctx, given, through))
}

// Evaluate is the loss of a batch, without gradients.
func (l *UNetLearner) Evaluate(ctx context.Context, b *UNetBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	return l.losses(l.program.Evaluate(ctx, given))
}

func (l *UNetLearner) losses(got map[string]float64, err error) (Losses, error) {
	if err != nil {
		return Losses{}, err
	}
	out := Losses{Total: got["loss"], Parts: []Part{{"noise", got["loss"]}}}
	if l.options.HOLA != nil {
		out.Parts = []Part{{"noise", got["noise"]}, {"hola", got["hola"]}}
	}
	return out, nil
}

// Close frees the sessions. The tensors stay.
func (l *UNetLearner) Close() error { return l.program.Close() }
