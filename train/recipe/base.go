package recipe

import (
	"errors"
	"fmt"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/weights"
	"cosmicman/weights/bind"
	"cosmicman/weights/lora"
)

// base is the model that a run begins with: its configs, and the tensors that its
// networks want.
type base struct {
	*weights.Pipeline
	unet     model.UNetConfig
	vae      model.VAEConfig
	schedule diffusion.Config
	params   map[string][]weights.Param // by component
}

// openBase opens a model and checks its files against its configs. Every fault is named.
func openBase(ref string, o weights.Options) (*base, error) {
	p, err := weights.Open(ref, o)
	if err != nil {
		return nil, err
	}
	b := &base{Pipeline: p, params: map[string][]weights.Param{}}
	var faults []error
	note := func(path string, err error) bool {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
		}
		return err == nil
	}
	part := func(c *weights.Component, graphs ...*onnx.Graph) {
		b.params[c.Name] = bind.Params(graphs...)
		if err := c.Index.Check(b.params[c.Name]); err != nil {
			faults = append(faults, err)
		}
	}
	for i, c := range []*weights.Component{p.TextEncoder, p.TextEncoder2} {
		if c == nil {
			continue
		}
		config, err := model.ParseText(c.Config.JSON, i == 1)
		if !note(c.Config.Path, err) {
			continue
		}
		if g, err := model.Text(config); note(c.Config.Path, err) {
			part(c, g)
		}
	}
	if b.unet, err = model.ParseUNet(p.UNet.Config.JSON); note(p.UNet.Config.Path, err) {
		if g, err := model.UNet(b.unet); note(p.UNet.Config.Path, err) {
			part(p.UNet, g)
		}
	}
	if b.vae, err = model.ParseVAE(p.VAE.Config.JSON); note(p.VAE.Config.Path, err) {
		dec, err := model.VAEDecoder(b.vae)
		enc, err2 := model.VAEEncoder(b.vae)
		if note(p.VAE.Config.Path, errors.Join(err, err2)) {
			part(p.VAE, dec, enc)
		}
	}
	b.schedule, err = diffusion.ParseConfig(p.Scheduler.JSON)
	note(p.Scheduler.Path, err)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
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

// size is the width and height in pixels that the model was made for.
func (b *base) size() (width, height int) {
	h, w := b.unet.SampleSize[0], b.unet.SampleSize[1]
	if b.unet.BeforeSampleSizes && b.Family == weights.SD {
		h, w = max(h, 64), max(w, 64)
	}
	f := b.vae.Factor()
	return int(w) * f, int(h) * f
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
