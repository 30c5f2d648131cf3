package fill

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"

	"cosmicman/diffusion"
	"cosmicman/tensor"
)

// Start is what a network that is trained from nothing starts from: the values that
// PyTorch, diffusers and transformers give to their modules when they are made. Norms
// are the identity. Linear layers and convolutions of UNets and autoencoders are
// uniform within one over the root of a module's inputs, biases too (torch's
// kaiming_uniform with a = sqrt 5; diffusers starts no convolution from zero). Text
// encoders are normal as CLIP is started, their biases 0.
type Start struct {
	Seed  uint64
	Part  string                         // the pipeline's folder, such as "unet"
	Shape func(name string) tensor.Shape // of every tensor of the network, nil for other names
	// Of text encoders, as their configs say it:
	Layers int64   // num_hidden_layers
	Factor float64 // initializer_factor
}

// Tensor gives one tensor its values, which follow from the seed, the part and the name.
func (s Start) Tensor(dst []float32, name string) error {
	shape := s.Shape(name)
	if n, err := shape.Elements(); err != nil || n != int64(len(dst)) {
		return fmt.Errorf("fill: %s has shape %v, %d values are wanted", name, shape, len(dst))
	}
	module, isBias := strings.CutSuffix(name, ".bias")
	weight := shape
	if isBias {
		weight = s.Shape(module + ".weight")
	}
	text := strings.HasPrefix(s.Part, "text_encoder")
	switch {
	case len(weight) == 0:
		return fmt.Errorf("fill: %s: no weight of its module tells how it starts", name)
	case isBias && (text || len(weight) == 1):
		clear(dst)
	case len(weight) == 1:
		for i := range dst {
			dst[i] = 1
		}
	case text:
		deviation, err := s.deviation(name, weight)
		if err != nil {
			return err
		}
		diffusion.NewNoise(s.source(name)).Normal(dst)
		for i := range dst {
			dst[i] *= float32(deviation)
		}
	default:
		inputs := int64(1)
		for _, d := range weight[1:] {
			inputs *= d
		}
		bound := 1 / math.Sqrt(float64(inputs))
		r := rand.New(rand.NewPCG(s.source(name), 0))
		for i := range dst {
			dst[i] = float32(bound * (2*r.Float64() - 1))
		}
	}
	return nil
}

// source is a seed for one tensor. Noise of other seeds is other noise: what a model
// is started from shares nothing with the noise that it learns from.
func (s Start) source(name string) uint64 {
	d := sha256.Sum256(fmt.Appendf(nil, "start/%d/%s/%s", s.Seed, s.Part, name))
	return binary.LittleEndian.Uint64(d[:])
}

var clipWeights = regexp.MustCompile(`(q_proj|k_proj|v_proj|out_proj|fc1|fc2|text_projection|token_embedding|position_embedding)\.weight$`)

// deviation is the standard deviation of a weight of a text encoder.
func (s Start) deviation(name string, shape tensor.Shape) (float64, error) {
	inputs := float64(shape[len(shape)-1])
	deep := math.Sqrt(2 * float64(s.Layers))
	m := clipWeights.FindStringSubmatch(name)
	if m == nil {
		return 0, fmt.Errorf("fill: %s: no weight of a text encoder is called so", name)
	}
	switch m[1] {
	case "token_embedding", "position_embedding":
		return 0.02 * s.Factor, nil
	case "q_proj", "k_proj", "v_proj":
		return s.Factor / (math.Sqrt(inputs) * deep), nil
	case "fc1":
		return s.Factor / math.Sqrt(2*inputs), nil
	case "fc2": // by the width of the states, which it gives, not of what it takes
		return s.Factor / (math.Sqrt(float64(shape[0])) * deep), nil
	}
	return s.Factor / math.Sqrt(inputs), nil // out_proj, text_projection
}
