package train

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"cosmicman/autodiff"
	"cosmicman/onnx"
)

// Layer is an attention of image positions to the text's tokens.
type Layer struct {
	Name          string      // such as down_blocks.1.attentions.0.transformer_blocks.0.attn2
	Stride        int64       // pixels of the image, along a side, that a position stands for
	Probabilities *onnx.Value // [rows, heads, S, tokens]
}

// Supervise returns a UNet's graph in which the attentions that o picks stand in
// plain operators, and their probabilities. pixels is how many of the image's, along
// a side, one of the latents' stands for: 8 with every published model.
func (o HOLA) Supervise(g *onnx.Graph, pixels int64) (*onnx.Graph, []Layer, error) {
	if err := errors.Join(o.Check(), g.Err()); err != nil {
		return nil, nil, err
	}
	var text *onnx.Value
	if i := slices.IndexFunc(g.Inputs, func(v *onnx.Value) bool { return v.Name == "encoder_hidden_states" }); i >= 0 {
		text = g.Inputs[i]
	}
	var picked []Layer
	var there []string // what else could have been picked
	var fault error
	out, err := onnx.Rewrite(g, func(g *onnx.Graph, n *onnx.Node, inputs []*onnx.Value) *onnx.Value {
		name, ok := textAttention(n, text)
		if !ok {
			return nil
		}
		stride, err := strideOf(n, pixels)
		if err != nil {
			fault = errors.Join(fault, fmt.Errorf("hola: %s: %w", name, err))
			return nil
		}
		if say := fmt.Sprintf("%s (stride %d)", name, stride); !o.picks(name, stride) {
			there = append(there, say)
			return nil
		}
		var bias *onnx.Value
		if len(inputs) > 5 {
			bias = inputs[5]
		}
		y, p := autodiff.Attention(g, inputs[0], inputs[1], inputs[2], n.Int("num_heads", 1), n.Float("scale", 0), bias)
		picked = append(picked, Layer{name, stride, p})
		return y
	})
	if err = errors.Join(fault, err); err != nil {
		return nil, nil, err
	}
	if len(picked) == 0 {
		what := fmt.Sprintf("strides %d pick", o.Strides)
		if len(o.Layers) > 0 {
			what = fmt.Sprintf("layers %q pick", o.Layers)
		}
		if there == nil {
			there = []string{"no attention to text"}
		}
		return nil, nil, fmt.Errorf("hola.%s no layer of %s, which has %s", what, g.Name, strings.Join(there, ", "))
	}
	return out, picked, nil
}

func (o HOLA) picks(name string, stride int64) bool {
	if len(o.Layers) == 0 {
		return slices.Contains(o.Strides, stride)
	}
	return slices.ContainsFunc(o.Layers, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // Check has seen the pattern
		return ok
	})
}

// textAttention reports whether a node is an attention to the UNet's text, and the
// name of its module, which its keys' weight has: a parameter or an input, alone or
// with low-rank factors beside it.
func textAttention(n *onnx.Node, text *onnx.Value) (name string, ok bool) {
	if n.Op.Name != "MultiHeadAttention" || text == nil || !n.Inputs[1].Shape[1].Equal(text.Shape[1]) {
		return "", false
	}
	seen := map[*onnx.Value]bool{}
	for queue := []*onnx.Value{n.Inputs[1]}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		if v == nil || seen[v] {
			continue
		}
		seen[v] = true
		if name, ok := strings.CutSuffix(v.Name, ".to_k.weight"); ok {
			return name, true
		}
		if v.Node != nil {
			queue = append(queue, v.Node.Inputs...)
		}
	}
	return "", false
}

// large is a side of latents that every convolution of stride 2 halves evenly.
const large = 1 << 12

// strideOf is how many pixels of the image a side of a query stands for. The number
// of queries is an expression of the latents' height and width, whatever was done to
// them on the way, so it is asked for large ones.
func strideOf(n *onnx.Node, pixels int64) (int64, error) {
	positions, err := queries(n.Inputs[0].Shape[1], large, large)
	if err != nil {
		return 0, err
	}
	root := int64(math.Round(math.Sqrt(float64(positions))))
	if root < 1 || root*root != positions || large%root != 0 {
		return 0, fmt.Errorf("%v positions are no grid over the latents", n.Inputs[0].Shape[1])
	}
	return pixels * (large / root), nil
}

// mapSize is the height and width of the layer's maps: each the number of queries
// where the other side is large.
func (l Layer) mapSize(s Shape) (height, width int, err error) {
	if s.Pixels < 1 || s.Height < 1 || s.Width < 1 || int64(s.Height)%s.Pixels != 0 || int64(s.Width)%s.Pixels != 0 {
		return 0, 0, fmt.Errorf("hola: an image of %dx%d pixels has no latents of %d pixels a side", s.Width, s.Height, s.Pixels)
	}
	side := large * s.Pixels / l.Stride
	h, errH := queries(l.Probabilities.Shape[2], int64(s.Height)/s.Pixels, large)
	w, errW := queries(l.Probabilities.Shape[2], large, int64(s.Width)/s.Pixels)
	if err := errors.Join(errH, errW); err != nil {
		return 0, 0, fmt.Errorf("hola: %s: %w", l.Name, err)
	}
	if h < side || w < side || h%side != 0 || w%side != 0 {
		return 0, 0, fmt.Errorf("hola: %s: an image of %dx%d pixels is too small for layers of stride %d", l.Name, s.Width, s.Height, l.Stride)
	}
	return int(h / side), int(w / side), nil
}

func queries(d onnx.Dim, height, width int64) (int64, error) {
	return d.Eval(map[string]int64{"height": height, "width": width})
}

// strides lists the layers' strides, ascending.
func strides(layers []Layer) []int64 {
	var out []int64
	for _, l := range layers {
		out = append(out, l.Stride)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
