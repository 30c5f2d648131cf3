package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tensor"
	"cosmicman/weights"
)

// WordsOptions say what of a text encoder is taught on text alone, and how.
type WordsOptions struct {
	Component string // for errors: text_encoder or text_encoder_2
	Config    model.TextConfig
	Weights   *weights.Index
	// Tensors are patterns of path.Match over the names of what is trained; empty is
	// everything that the final states depend on.
	Tensors []string
	Words   *Words
	Seed    uint64 // of the head's first values

	Recompute bool // see [ProgramConfig]
	Threads   int
	Profile   string
}

// WordsLearner teaches a text encoder to know, at each token of a phrase, the phrase's
// words so far: the noun's state then has the colour that was said before. A linear
// head names them from the final states; it is trained too, and thrown away. The loss
// is the binary cross-entropy, summed over words, the mean over tokens that count.
type WordsLearner struct {
	options WordsOptions
	net     *textNetwork
	program *Program
}

// WordsBatch is what a text encoder learns from at once.
type WordsBatch struct {
	IDs     []int64   // [rows, tokens]
	Targets []float32 // [rows, tokens, words], 1 for a word that the state is to have, else 0
	Counts  []float32 // [rows, tokens], how much each token counts; 0 for those that are not asked
}

// HeadWeight and HeadBias are the names of the head among the tensors that are trained:
// [words, hidden] and [words].
const (
	HeadWeight = "head.weight"
	HeadBias   = "head.bias"
)

// The names of the inputs of the loss.
const (
	wordsInput  = "words"       // [rows * tokens, words]
	countsInput = "word_counts" // [rows * tokens, 1]; they add up to 1
)

// NewWordsLearner makes the graph, reads what is trained and gets ready to run. It takes
// captions of as many tokens as the longest of the words' has.
func NewWordsLearner(rt *ort.Runtime, o WordsOptions) (*WordsLearner, error) {
	if o.Words == nil || o.Words.Count() == 0 {
		return nil, fmt.Errorf("%s: there are no words to be taught", o.Component)
	}
	if n := int64(o.Words.Tokens()); n > o.Config.Tokens {
		return nil, fmt.Errorf("%s: captions have up to %d tokens, expected %d at most", o.Component, n, o.Config.Tokens)
	}
	net, err := newTextNetwork(o.Config, o.Weights, false, o.Tensors, o.Words.Occurring())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Component, err)
	}
	net.config.Tokens = int64(o.Words.Tokens())
	l := &WordsLearner{options: o, net: net}
	g, err := net.graph()
	if err != nil {
		return nil, err
	}
	states := g.Outputs[0].Value
	g.Outputs = nil
	g.Inputs = slices.DeleteFunc(g.Inputs, func(v *onnx.Value) bool { return v.Name == "pooled_index" })
	l.losses(g, states)
	used := usedParams(g)
	g.Params = slices.DeleteFunc(g.Params, func(v *onnx.Value) bool { return !used[v.Name] })
	net.tensors = slices.DeleteFunc(net.tensors, func(t Tensor) bool { return !used[t.Name] })
	weight, bias := newTensor(valueOf(g, HeadWeight)), newTensor(valueOf(g, HeadBias))
	chance, bound := Chance(o.Seed, HeadWeight), 1/math.Sqrt(float64(o.Config.Hidden))
	for i := range weight.Values {
		weight.Values[i] = float32(bound * (2*chance.Float64() - 1))
	}
	// A head that begins with how common each word is leaves the encoder what is to be
	// learned: after 300 steps 3 % of the tokens were wrong, 29 % from a bias of 0.
	for i, odds := range o.Words.odds() {
		bias.Values[i] = float32(odds)
	}
	net.tensors = append(net.tensors, weight, bias)
	l.program, err = NewProgram(rt, ProgramConfig{
		Name: o.Component, Graph: g, Loss: "loss", Tensors: net.tensors, Frozen: o.Weights,
		Recompute: o.Recompute, Threads: o.Threads, Profile: o.Profile,
	})
	return l, err
}

// losses puts the losses in the place of the results: loss, and wrong, the share of
// tokens whose set of words is not exactly right.
func (l *WordsLearner) losses(g *onnx.Graph, states *onnx.Value) {
	hidden, words := l.net.config.Hidden, int64(l.options.Words.Count())
	x := g.Reshape(states, onnx.Rest(), onnx.Num(hidden))
	logits := g.Linear(x, g.Input(HeadWeight, tensor.Float32, onnx.N(words), onnx.N(hidden)), g.Input(HeadBias, tensor.Float32, onnx.N(words)))
	targets := g.Input(wordsInput, tensor.Float32, logits.Shape...)
	counts := g.Input(countsInput, tensor.Float32, logits.Shape[0], onnx.N(1))
	total := func(v *onnx.Value) *onnx.Value { return g.Sum(g.Reshape(v, onnx.Rest()), true, 0) }
	// log(1 + e^x) - t x is the cross-entropy of a logit x.
	g.Result("loss", total(g.Mul(g.Sub(g.Softplus(logits), g.Mul(targets, logits)), counts)))
	said := g.Mul(g.Add(g.Sign(logits), g.Scalar(1)), g.Scalar(0.5))
	wrong := g.Sign(g.Sum(g.Abs(g.Sub(said, targets)), true, 1))
	g.Result("wrong", total(g.Mul(wrong, counts)))
	g.DropUnused(0)
}

// Tensors are what is trained: the encoder's, under the names that its file has, and
// the head.
func (l *WordsLearner) Tensors() []Tensor { return l.net.tensors }

// Whole fills dst with all of a tensor that is trained, as it stands in a file: see
// [TextLearner.Whole].
func (l *WordsLearner) Whole(dst []float32, name string, values []float32, rest Rest) error {
	return l.net.whole(dst, name, values, rest)
}

// Gradients adds the gradients of a batch's loss to the tensors'. The part wrong is the
// share of tokens whose words are not all known, or of which others are said.
func (l *WordsLearner) Gradients(ctx context.Context, b *WordsBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	return wordsLosses(l.program.Gradients(ctx, given, nil))
}

// Evaluate is the loss of a batch, without gradients.
func (l *WordsLearner) Evaluate(ctx context.Context, b *WordsBatch) (Losses, error) {
	given, err := l.inputs(b)
	if err != nil {
		return Losses{}, err
	}
	return wordsLosses(l.program.Evaluate(ctx, given))
}

func wordsLosses(got map[string]float64, err error) (Losses, error) {
	if err != nil {
		return Losses{}, err
	}
	return Losses{Total: got["loss"], Parts: []Part{{"words", got["loss"]}, {"wrong", got["wrong"]}}}, nil
}

func (l *WordsLearner) inputs(b *WordsBatch) (map[string]ort.Tensor, error) {
	rows, places, _, err := l.net.inputs(b.IDs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.options.Component, err)
	}
	words := l.options.Words.Count()
	var faults []error
	if n := len(b.IDs) * words; len(b.Targets) != n {
		faults = append(faults, fmt.Errorf("a batch: Targets has %d values, expected %d", len(b.Targets), n))
	}
	if len(b.Counts) != len(b.IDs) {
		faults = append(faults, fmt.Errorf("a batch: Counts has %d values, expected %d", len(b.Counts), len(b.IDs)))
	}
	var sum float64
	for i, c := range b.Counts {
		if !(c >= 0 && c <= math.MaxFloat32) {
			faults = append(faults, fmt.Errorf("a batch: token %d counts %v, expected a number from 0 on", i, c))
			break
		}
		sum += float64(c)
	}
	if sum == 0 {
		faults = append(faults, errors.New("a batch: no token counts"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	counts := make([]float32, len(b.Counts))
	for i, c := range b.Counts {
		counts[i] = float32(float64(c) / sum)
	}
	n := int64(len(b.IDs))
	return map[string]ort.Tensor{
		"input_ids": ort.Ints(places, rows, l.net.config.Tokens),
		wordsInput:  ort.Floats(b.Targets, n, int64(words)),
		countsInput: ort.Floats(counts, n, 1),
	}, nil
}

// Close frees the sessions. The tensors stay.
func (l *WordsLearner) Close() error { return l.program.Close() }
