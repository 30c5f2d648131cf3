package main

import (
	"cmp"
	"context"
	"image"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"cosmicman/api"
	"cosmicman/diffusion"
	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/tokenizer"
)

// facts tell of the models whose files are here.
func (c *catalogue) facts() map[string]scheduler.ModelFacts {
	out := map[string]scheduler.ModelFacts{}
	for name, m := range c.known {
		out[name] = modelFacts(m)
	}
	return out
}

func modelFacts(m *inference.Model) scheduler.ModelFacts {
	f := scheduler.ModelFacts{Family: string(m.Pipeline.Family), Multiple: max(8, m.VAE.Factor())}
	f.Width, f.Height = m.NativeSize()
	if info, err := os.Stat(filepath.Join(m.Pipeline.Dir, "model_index.json")); err == nil {
		f.Created = info.ModTime()
	}
	return f
}

// factsOf is what live workers tell of a model, zero where none does.
func factsOf(stats scheduler.Stats, model string) (f scheduler.ModelFacts) {
	for _, w := range stats.Workers {
		if told, ok := w.Facts[model]; ok {
			return told
		}
	}
	return f
}

// list is what can be drawn with, for clients: models whose files are here in their
// order, then others that live workers offer, then the other names.
func (c *catalogue) list(ctx context.Context) ([]api.Model, error) {
	stats, err := c.glance(ctx)
	if err != nil && len(c.names) == 0 {
		return nil, err
	}
	ready, offered := map[string]bool{}, map[string]bool{}
	for _, w := range stats.Workers {
		for _, o := range w.Models {
			offered[o.Model] = true
			ready[o.Model] = ready[o.Model] || o.LoadSeconds == 0
		}
	}
	var out []api.Model
	add := func(name, of string) {
		own := cmp.Or(of, name)
		f := factsOf(stats, own)
		if m := c.known[own]; m != nil {
			f = modelFacts(m)
		}
		native := image.Pt(f.Width, f.Height)
		out = append(out, api.Model{
			ID: name, AliasOf: of, Created: f.Created, Family: f.Family, Native: native,
			Largest: c.longestSide(own, native), Loaded: ready[own], Samplers: diffusion.Names(),
		})
	}
	for _, name := range c.names {
		add(name, "")
		delete(offered, name)
	}
	others := slices.Sorted(maps.Keys(offered))
	for _, name := range others {
		add(name, "")
	}
	for _, name := range slices.Sorted(maps.Keys(c.aliases)) {
		if of := c.aliases[name]; c.known[of] != nil || slices.Contains(others, of) {
			add(name, of)
		}
	}
	return out, nil
}

// tokenizer is that of a model whose files are here, and CLIP's of another that can be
// drawn with, or where there is none.
func (c *catalogue) tokenizer(ctx context.Context, model string) (*tokenizer.Tokenizer, error) {
	s := job.Spec{Model: cmp.Or(c.aliases[model], model)}
	if s.Model == "" && len(c.names) > 0 {
		s.Model = c.names[0]
	}
	if m := c.known[s.Model]; m != nil {
		return m.Tokenizer(), nil
	}
	if s.Model == "" {
		return tokenizer.Default(), nil
	}
	stats, err := c.glance(ctx)
	if err == nil {
		err = offered(stats, c.names, &s)
	}
	return tokenizer.Default(), err
}
