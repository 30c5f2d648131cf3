package train

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// HOLA says how attention is supervised. The loss of training is
// Alpha * noise loss + Beta * HOLA.
type HOLA struct {
	Alpha, Beta float64
	Reduction   Reduction
	// Strides picks the layers by the pixels of the image, along a side, that one
	// query stands for. Where Layers is given, it picks instead: patterns of path.Match
	// over names such as down_blocks.1.attentions.0.transformer_blocks.0.attn2.
	Strides  []int64
	Layers   []string
	Heads    Heads
	Resize   Resize
	Maskless Maskless
}

// Reduction says how the squared errors of a sample's maps become one number. The
// maps are, for each group of words, that of every token and their mean. Means over
// layers, heads and the samples that have a group follow.
type Reduction string

const (
	// ByAuthors is the published code's: the mean over all maps and positions.
	ByAuthors Reduction = "authors"
	// ByPaper is Eq. 3: sums over positions and a group's maps, the mean over groups.
	ByPaper Reduction = "paper"
	// PerGroupMean is the mean over positions and a group's maps, then over groups, so
	// that a group of many words counts no more than another.
	PerGroupMean Reduction = "per_group_mean"
)

// Heads says what is compared with a mask: each head's map, or the mean of the heads'.
type Heads string

// The ways of Heads.
const (
	PerHead      Heads = "per_head"
	AverageHeads Heads = "average"
)

// Maskless says what becomes of a group of words that no label stands for: its mask
// is all zero (the published code), or it is left out (the paper).
type Maskless string

// The ways of Maskless.
const (
	ZeroMask    Maskless = "zero"
	IgnoreGroup Maskless = "ignore"
)

// DefaultHOLA is what the published code does.
func DefaultHOLA() HOLA {
	return HOLA{
		Alpha: 1, Beta: 1, Reduction: ByAuthors, Strides: []int64{16},
		Heads: PerHead, Resize: Bilinear, Maskless: ZeroMask,
	}
}

// Check returns every fault of the options, joined.
func (o HOLA) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("hola."+format, args...)) }
	for _, w := range []struct {
		name  string
		value float64
	}{{"alpha", o.Alpha}, {"beta", o.Beta}} {
		if !(w.value >= 0 && w.value <= math.MaxFloat32) {
			fault("%s is %v, expected a number from 0 on", w.name, w.value)
		}
	}
	if !slices.Contains([]Reduction{ByAuthors, ByPaper, PerGroupMean}, o.Reduction) {
		fault("reduction is %q, expected authors, paper or per_group_mean", o.Reduction)
	}
	if !slices.Contains([]Heads{PerHead, AverageHeads}, o.Heads) {
		fault("heads is %q, expected per_head or average", o.Heads)
	}
	if !slices.Contains([]Resize{Bilinear, Area, Nearest}, o.Resize) {
		fault("resize is %q, expected bilinear, area or nearest", o.Resize)
	}
	if !slices.Contains([]Maskless{ZeroMask, IgnoreGroup}, o.Maskless) {
		fault("maskless is %q, expected zero or ignore", o.Maskless)
	}
	for _, pattern := range o.Layers {
		if _, err := path.Match(pattern, ""); err != nil {
			fault("layers has %q, which is no pattern: %w", pattern, err)
		}
	}
	if len(o.Layers) == 0 && len(o.Strides) == 0 {
		fault("strides is empty, expected a stride such as 16, or a pattern in layers")
	}
	for _, s := range o.Strides {
		if s < 1 {
			fault("strides has %d, expected pixels, such as 16", s)
		}
	}
	return errors.Join(faults...)
}

// EquivalentBeta is the Beta with which another reduction is about as strong as
// this one on maps of some positions: Eq. 3 sums over positions and over the maps
// of a group (tokens + 1 of them), where the published code has a mean.
func (o HOLA) EquivalentBeta(other Reduction, positions, tokens int) float64 {
	size := func(r Reduction) float64 {
		if r == ByPaper {
			return float64(positions) * float64(tokens+1)
		}
		return 1
	}
	return o.Beta * size(o.Reduction) / size(other)
}

// Loss adds the HOLA loss on the layers' probabilities P [rows, heads, S, tokens] to
// g and returns it, of shape [1] and without Beta. It declares the inputs that
// [HOLA.Targets] makes, maps M being the most that a sample has: [TokensInput]
// Sel [rows, 1, tokens, M], and for each stride [MapsInput] H [rows, 1, S, M] and
// [WeightsInput] w [rows, 1, 1, M]. A layer's loss is the sum over rows and maps of w
// times the mean over heads, and the sum over S, of (P Sel - H)^2; the loss is the
// mean over layers.
func (o HOLA) Loss(g *onnx.Graph, layers []Layer) (*onnx.Value, error) {
	if err := errors.Join(o.Check(), g.Err()); err != nil {
		return nil, err
	}
	if len(layers) == 0 {
		return nil, errors.New("hola: no layer is supervised")
	}
	p := layers[0].Probabilities
	rows, maps := p.Shape[0], onnx.Sym("maps")
	chosen := g.Input(TokensInput, tensor.Float32, rows, onnx.N(1), p.Shape[3], maps)
	targets := map[int64]*onnx.Value{}
	errorsOf := map[int64]*onnx.Value{} // [rows, 1, 1, maps], summed over the layers of a stride
	for _, l := range layers {
		p := l.Probabilities
		heads, known := p.Shape[1].Const()
		if !known {
			return nil, fmt.Errorf("hola: %s: the number of heads is %v, expected a number", l.Name, p.Shape[1])
		}
		share := 1 / float64(heads)
		if o.Heads == AverageHeads {
			p, share = g.Mul(g.Sum(p, true, 1), g.Scalar(float32(share))), 1
		}
		target := targets[l.Stride]
		if target == nil {
			target = g.Input(MapsInput(l.Stride), tensor.Float32, rows, onnx.N(1), p.Shape[2], maps)
			targets[l.Stride] = target
		}
		off := g.Sub(g.MatMul(p, chosen), target)
		off = g.Mul(g.Sum(g.Mul(off, off), true, 1, 2), g.Scalar(float32(share/float64(len(layers)))))
		if have := errorsOf[l.Stride]; have != nil {
			off = g.Add(have, off)
		}
		errorsOf[l.Stride] = off
	}
	var loss *onnx.Value
	for _, stride := range strides(layers) {
		w := g.Input(WeightsInput(stride), tensor.Float32, rows, onnx.N(1), onnx.N(1), maps)
		part := g.Sum(g.Reshape(g.Mul(errorsOf[stride], w), onnx.Rest()), true, 0)
		if loss == nil {
			loss = part
		} else {
			loss = g.Add(loss, part)
		}
	}
	return loss, g.Err()
}

// Total is the loss of training: Alpha * noise + Beta * hola, of shape [1] as both
// are. A nil hola is none.
func (o HOLA) Total(g *onnx.Graph, noise, hola *onnx.Value) *onnx.Value {
	total := g.Mul(noise, g.Scalar(float32(o.Alpha)))
	if hola == nil {
		return total
	}
	return g.Add(total, g.Mul(hola, g.Scalar(float32(o.Beta))))
}

// TokensInput is the name of the input that says which tokens make each map.
const TokensInput = "hola_tokens"

// MapsInput names the input of the masks for layers of a stride.
func MapsInput(stride int64) string { return fmt.Sprintf("hola_maps_%d", stride) }

// WeightsInput names the input of the maps' weights for layers of a stride.
func WeightsInput(stride int64) string { return fmt.Sprintf("hola_weights_%d", stride) }
