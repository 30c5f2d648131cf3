package recipe

import (
	"cosmicman/networks"
	"cosmicman/weights"
	"cosmicman/weights/bind"
	"cosmicman/weights/lora"
)

// base is the model that a run begins with, and the tensors that its networks want.
type base struct {
	*networks.Set
	params map[string][]weights.Param // by component
}

// openBase opens a model and checks its files against its configs. Every fault is named.
func openBase(ref string, o weights.Options) (*base, error) {
	p, err := weights.Open(ref, o)
	if err != nil {
		return nil, err
	}
	set, err := networks.Open(p)
	if err != nil {
		return nil, err
	}
	b := &base{set, map[string][]weights.Param{
		set.UNet.Component.Name: bind.Params(set.UNet.Graph),
		set.VAE.Component.Name:  bind.Params(set.VAE.Decoder, set.VAE.Encoder),
	}}
	for _, t := range set.Texts {
		b.params[t.Component.Name] = bind.Params(t.Graph)
	}
	return b, nil
}

// param is a tensor that a component wants.
func (b *base) param(component, name string) (weights.Param, bool) {
	for _, p := range b.params[component] {
		if p.Name == name {
			return p, true
		}
	}
	return weights.Param{}, false
}

// names are those of the model's modules in LoRA files.
func (b *base) names() (*lora.Names, error) {
	var parts []lora.Component
	for _, c := range b.Components() {
		if c.Kind != weights.VAE {
			parts = append(parts, lora.Component{Name: c.Name, Params: b.params[c.Name]})
		}
	}
	return lora.NewNames(parts...)
}
