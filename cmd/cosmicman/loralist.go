package main

import (
	"context"

	"cosmicman/api"
	"cosmicman/inference"
	"cosmicman/job"
)

// listLoRAs tells which LoRAs there are, and which models each fits. Only names and
// shapes are looked at: what is wrong with a file's numbers is said when it is used.
func (c *catalogue) listLoRAs(context.Context) ([]api.LoRA, error) {
	files, err := c.loras.all()
	if err != nil {
		return nil, &job.Error{Kind: job.Unavailable, Message: "the LoRAs cannot be listed", Cause: err}
	}
	var out []api.LoRA
	for _, f := range files {
		l := api.LoRA{Name: f.name, Modified: f.modified, Bytes: f.bytes}
		for _, name := range c.names {
			seen := c.adapters[name].look(f)
			if seen.err != nil {
				l.Problem = f.public(seen.err)
				continue
			}
			l.Models, l.Rank, l.Parts = append(l.Models, name), seen.Rank, seen.Parts
		}
		if len(l.Models) > 0 {
			l.Problem = ""
		}
		out = append(out, l)
	}
	return out, nil
}

// outline is what was seen of a file for one model.
type outline struct {
	inference.Outline
	err error
}

// look is the model's Outline, once a file.
func (a *adapters) look(f *loraFile) outline {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, is := a.outlines[f]
	if !is {
		seen.Outline, seen.err = a.of.Outline(f.path)
		if a.outlines == nil || len(a.outlines) >= mostLoRAs {
			a.outlines = map[*loraFile]outline{}
		}
		a.outlines[f] = seen
	}
	return seen
}
