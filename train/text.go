package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// TextOptions say what of a text encoder is taught together with a UNet, and how.
type TextOptions struct {
	Component string // [lora.TextEncoder] or [lora.TextEncoder2]
	Config    model.TextConfig
	Weights   *weights.Index
	// Penultimate hands out what the last layer is given, as SDXL takes it, instead of
	// the final states. Pooled hands out the pooled embedding, too.
	Penultimate, Pooled bool

	// LoRA trains low-rank terms beside frozen weights. Where it is nil the weights
	// themselves are trained: those whose names one of the patterns Tensors has, or all.
	// What the UNet is given does not depend on is never among them.
	LoRA    *LoRA
	Tensors []string
	Seed    uint64 // of the low-rank terms' first values
	// Occurring are the ids of all tokens that will be given: of the token embedding, if
	// it is trained, only their rows are. nil trains every row.
	Occurring []int64

	Recompute bool // see [ProgramConfig]
	Threads   int
}

// TextLearner teaches a text encoder by the gradients that a UNet's loss has by the
// text: Forward, then the UNet, then Backward.
type TextLearner struct {
	options  TextOptions
	net      *textNetwork
	adapter  []lora.Layer
	states   *forward
	backward *Program
}

// The names of a text learner's results and of the inputs that are their gradients.
const (
	statesResult = "states"
	pooledResult = "pooled"
	byStates     = "gradient by states" // [rows, tokens, hidden]
	byPooled     = "gradient by pooled" // [rows, width]
)

// NewTextLearner makes the graphs, reads what is trained and gets ready to run.
func NewTextLearner(rt *ort.Runtime, o TextOptions) (*TextLearner, error) {
	net, err := newTextNetwork(o.Config, o.Weights, o.LoRA != nil, o.Tensors, o.Occurring)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Component, err)
	}
	l := &TextLearner{options: o, net: net}
	g, err := l.graph()
	if err != nil {
		return nil, err
	}
	needed := usedParams(g)
	net.tensors = slices.DeleteFunc(net.tensors, func(t Tensor) bool { return !needed[t.Name] })
	if o.LoRA != nil {
		if g, net.tensors, l.adapter, err = o.LoRA.Add(g, o.Component, o.Seed); err != nil {
			return nil, err
		}
	}
	if len(net.tensors) == 0 {
		return nil, fmt.Errorf("%s: the UNet is given nothing that depends on what is to be trained", o.Component)
	}
	c := ProgramConfig{Name: o.Component, Tensors: net.tensors, Frozen: o.Weights, Threads: o.Threads, Recompute: o.Recompute}
	l.states = &forward{runtime: rt, config: c, graph: l.trained}
	// The derivative of the sum of products with the gradients is theirs by the weights.
	var loss *onnx.Value
	for i, r := range slices.Clone(g.Outputs) {
		by := g.Input([]string{byStates, byPooled}[i], tensor.Float32, r.Value.Shape...)
		part := g.Sum(g.Reshape(g.Mul(r.Value, by), onnx.Rest()), true, 0)
		if loss == nil {
			loss = part
		} else {
			loss = g.Add(loss, part)
		}
	}
	g.Outputs = nil
	g.Result("loss", loss)
	c.Graph, c.Loss = g, "loss"
	l.backward, err = NewProgram(rt, c)
	return l, err
}

// graph writes the network with the results that are handed out, and nothing else.
func (l *TextLearner) graph() (*onnx.Graph, error) {
	g, err := l.net.graph()
	if err != nil {
		return nil, err
	}
	last, penultimate, pooled := g.Outputs[0].Value, g.Outputs[1].Value, g.Outputs[2].Value
	g.Outputs = nil
	if l.options.Penultimate {
		last = penultimate
	}
	g.Result(statesResult, last)
	if l.options.Pooled {
		g.Result(pooledResult, pooled)
	} else {
		g.Inputs = slices.DeleteFunc(g.Inputs, func(v *onnx.Value) bool { return v.Name == "pooled_index" })
	}
	g.DropUnused(0)
	used := usedParams(g)
	g.Params = slices.DeleteFunc(g.Params, func(v *onnx.Value) bool { return !used[v.Name] })
	return g, onnx.Verify(g)
}

// trained is the graph with the low-rank terms that are trained.
func (l *TextLearner) trained() (*onnx.Graph, error) {
	g, err := l.graph()
	if err != nil || l.options.LoRA == nil {
		return g, err
	}
	g, _, _, err = l.options.LoRA.Add(g, l.options.Component, l.options.Seed)
	return g, err
}

// usedParams are the names of the parameters that a node reads.
func usedParams(g *onnx.Graph) map[string]bool {
	used := map[string]bool{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil && v.Kind == onnx.Param {
				used[v.Name] = true
			}
		}
	}
	return used
}

// Tensors are what is trained, under the names that the encoder's file has.
func (l *TextLearner) Tensors() []Tensor { return l.net.tensors }

// Adapter is what LoRA has learned so far, nil where the weights are trained. It holds
// the tensors' own values.
func (l *TextLearner) Adapter() []lora.Layer { return l.adapter }

// Whole fills dst with all of a tensor that is trained, as it stands in a file. values
// are the tensor's or, for example, their average; of a token embedding, which has only
// the rows that occur, the others are what rest says.
func (l *TextLearner) Whole(dst []float32, name string, values []float32, rest Rest) error {
	return l.net.whole(dst, name, values, rest)
}

// Forward encodes rows of token ids [rows, tokens] as the tensors are now: the states
// [rows, tokens, hidden], and the pooled embedding [rows, width] where it is handed out.
func (l *TextLearner) Forward(ctx context.Context, ids []int64) (states, pooled []float32, err error) {
	given, _, err := l.inputs(ids)
	if err != nil {
		return nil, nil, err
	}
	out, err := l.states.run(ctx, given)
	if err != nil {
		return nil, nil, err
	}
	return out[statesResult].Float32(), out[pooledResult].Float32(), nil
}

// Backward adds to the tensors' gradients those of a loss, whose gradients by what
// Forward gave for the same ids are given. The network is run forward once more.
func (l *TextLearner) Backward(ctx context.Context, ids []int64, states, pooled []float32) error {
	given, rows, err := l.inputs(ids)
	if err != nil {
		return err
	}
	c := l.net.config
	width := c.Hidden
	if c.Projection > 0 {
		width = c.Projection
	}
	var faults []error
	add := func(name string, data []float32, shape tensor.Shape) {
		if n, _ := shape.Elements(); n != int64(len(data)) {
			faults = append(faults, fmt.Errorf("%s: the %s has %d values, expected %v", l.options.Component, name, len(data), shape))
		}
		given[name] = ort.Floats(data, shape...)
	}
	add(byStates, states, tensor.Shape{rows, c.Tokens, c.Hidden})
	if l.options.Pooled {
		add(byPooled, pooled, tensor.Shape{rows, width})
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	_, err = l.backward.Gradients(ctx, given, nil)
	return err
}

func (l *TextLearner) inputs(ids []int64) (given map[string]ort.Tensor, rows int64, err error) {
	rows, places, pooled, err := l.net.inputs(ids)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", l.options.Component, err)
	}
	given = map[string]ort.Tensor{"input_ids": ort.Ints(places, rows, l.net.config.Tokens)}
	if l.options.Pooled {
		given["pooled_index"] = ort.Ints(pooled, rows)
	}
	return given, rows, nil
}

// Close frees the sessions. The tensors stay.
func (l *TextLearner) Close() error { return errors.Join(l.states.close(), l.backward.Close()) }
