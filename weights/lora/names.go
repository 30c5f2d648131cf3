package lora

import (
	"fmt"
	"slices"
	"strings"

	"cosmicman/tensor"
	"cosmicman/weights"
)

// The components that LoRA files change, by their folders in a pipeline.
const (
	UNet         = "unet"
	TextEncoder  = "text_encoder"
	TextEncoder2 = "text_encoder_2"
)

// Component is one network and the tensors that it wants, by canonical names.
type Component struct {
	Name   string // UNet, TextEncoder or TextEncoder2
	Params []weights.Param
}

// Module is a linear layer or a convolution.
type Module struct {
	Component string
	Path      string       // canonical, such as mid_block.attentions.0.proj_in
	Shape     tensor.Shape // of its weight: [out, in] or [out, in, kh, kw]
}

// String returns diffusers' name of the module.
func (m Module) String() string { return m.Component + "." + m.Path }

// Out is the number of rows of the weight as a matrix.
func (m Module) Out() int64 { return m.Shape[0] }

// In is the number of its columns: in, or in*kh*kw of a convolution.
func (m Module) In() int64 {
	n := int64(1)
	for _, d := range m.Shape[1:] {
		n *= d
	}
	return n
}

// pointwise reports whether the module sees one token or pixel at a time.
func (m Module) pointwise() bool {
	return !slices.ContainsFunc(m.Shape[2:], func(d int64) bool { return d != 1 })
}

// Names knows the modules of a pipeline and how files spell them.
type Names struct {
	modules []Module
	paths   map[string]int // String of a module -> its place in modules
	aliases map[string]int // every spelling, without the factor's suffix
	kohya   []string       // sd-scripts' spelling of each module
	two     bool           // two text encoders: SDXL
}

// NewNames takes the networks of one pipeline, each once, in any order. Modules
// are the weights of two or four dimensions, but for embeddings.
func NewNames(components ...Component) (*Names, error) {
	n := &Names{paths: map[string]int{}, aliases: map[string]int{}}
	for _, c := range components {
		if c.Name == TextEncoder2 {
			n.two = true
		}
	}
	for _, c := range components {
		switch c.Name {
		case UNet, TextEncoder, TextEncoder2:
		default:
			return nil, fmt.Errorf("component %q: LoRA files change %s, %s and %s", c.Name, UNet, TextEncoder, TextEncoder2)
		}
		var paths []string
		first := len(n.modules)
		for _, p := range c.Params {
			path, is := strings.CutSuffix(p.Name, ".weight")
			if !is || len(p.Shape) != 2 && len(p.Shape) != 4 || strings.Contains("."+path, ".embeddings.") {
				continue
			}
			if _, err := p.Shape.Elements(); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", c.Name, p.Name, err)
			}
			m := Module{c.Name, path, p.Shape}
			if _, twice := n.paths[m.String()]; twice {
				return nil, fmt.Errorf("module %s is given twice", m)
			}
			n.paths[m.String()] = len(n.modules)
			n.modules = append(n.modules, m)
			paths = append(paths, path)
		}
		original := map[string]string{}
		if c.Name == UNet {
			original = originalPaths(paths)
		}
		for i := first; i < len(n.modules); i++ {
			if err := n.spell(i, original[n.modules[i].Path]); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// Modules returns the modules in the order of their networks' parameters.
func (n *Names) Modules() []Module { return slices.Clone(n.modules) }

// spell notes every spelling of module i; original is its path in the first
// publication's names.
func (n *Names) spell(i int, original string) error {
	m := n.modules[i]
	spellings := []string{m.String()}
	if m.Component == UNet {
		// Before text encoders were trained, files had no unet. in front, and UNet2DConditionModel.save_lora_adapter writes none.
		spellings = append(spellings, m.Path)
		for _, old := range oldAttention(m.Path, ".to_q", ".to_k", ".to_v", ".to_out.0") {
			spellings = append(spellings, m.Component+"."+old, old)
		}
		kohya := []string{"lora_unet_" + flat(m.Path)}
		if original != "" {
			kohya = append(kohya, "lora_unet_"+flat(original))
		}
		n.kohya = append(n.kohya, kohya[0])
		if n.two { // sd-scripts train SDXL on the first publication's UNet
			n.kohya[i] = kohya[len(kohya)-1]
		}
		spellings = append(spellings, kohya...)
	} else {
		// transformers 5 dropped text_model. from the first encoder's modules.
		short := strings.TrimPrefix(m.Path, "text_model.")
		for _, path := range []string{m.Path, short} {
			spellings = append(spellings, m.Component+"."+path)
			for _, old := range oldAttention(path, ".q_proj", ".k_proj", ".v_proj", ".out_proj") {
				spellings = append(spellings, m.Component+"."+old)
			}
			if !n.two { // without a component's name, it can only be the one
				spellings = append(spellings, path)
			}
			for _, prefix := range kohyaEncoders[m.Component] {
				spellings = append(spellings, prefix+flat(path))
			}
		}
		prefix := kohyaEncoders[m.Component][0]
		if m.Component == TextEncoder && n.two {
			prefix = "lora_te1_"
		}
		n.kohya = append(n.kohya, prefix+flat(m.Path))
	}
	for _, s := range spellings {
		if old, taken := n.aliases[s]; taken && old != i {
			return fmt.Errorf("modules %s and %s would both be %s in a LoRA file", n.modules[old], m, s)
		}
		n.aliases[s] = i
	}
	return nil
}

// kohyaEncoders are sd-scripts' prefixes; lora_te_ is of models with one encoder.
var kohyaEncoders = map[string][]string{
	TextEncoder:  {"lora_te_", "lora_te1_"},
	TextEncoder2: {"lora_te2_"},
}

func flat(path string) string { return strings.ReplaceAll(path, ".", "_") }

// oldAttention returns the paths that diffusers gave an attention's projection
// when its LoRA layers were attention processors: attn1.processor.to_q_lora for
// attn1.to_q, and without processor.; nil for other modules. now are today's
// ends of the projections.
func oldAttention(path string, now ...string) []string {
	old := [...]string{"to_q_lora", "to_k_lora", "to_v_lora", "to_out_lora"}
	for i, end := range now {
		attention, is := strings.CutSuffix(path, end)
		last := attention[strings.LastIndexByte(attention, '.')+1:]
		if is && (last == "attn1" || last == "attn2" || last == "self_attn") {
			return []string{attention + ".processor." + old[i], attention + "." + old[i]}
		}
	}
	return nil
}

// find returns the module of a spelling.
func (n *Names) find(spelling string) (i int, ok bool) {
	i, ok = n.aliases[spelling]
	return i, ok
}

// place returns where a module stands in modules, if it is one of these.
func (n *Names) place(m Module) (int, bool) {
	i, ok := n.paths[m.String()]
	return i, ok && n.modules[i].Shape.Equal(m.Shape)
}
