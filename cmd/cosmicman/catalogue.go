package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler"
)

// catalogue is what the HTTP side knows of models: those it was given, by their
// files, and those that live workers offer.
type catalogue struct {
	names []string // given and usable, the first being the default
	known map[string]*inference.Model
	bad   map[string]error // given and not usable: why
	queue scheduler.Operator

	aliases map[string]string // other names of models
	limits  map[string]int    // see longestSide

	loras    *loras
	adapters map[string]*adapters // by model

	mu    sync.Mutex
	stats scheduler.Stats
	err   error
	asked time.Time
}

// openModels opens the files of models, without the networks. The error joins what
// is wrong with those that cannot be used.
func openModels(refs []modelRef) (*catalogue, error) {
	c := &catalogue{known: map[string]*inference.Model{}, bad: map[string]error{}, loras: &loras{}, adapters: map[string]*adapters{}}
	var errs []error
	for _, r := range refs {
		m, err := openFiles(r)
		if err != nil {
			errs, c.bad[r.Name] = append(errs, fmt.Errorf("model %s: %w", r.Name, err)), openError(r, err)
			continue
		}
		c.names, c.known[r.Name] = append(c.names, r.Name), m
	}
	c.offer(c.loras)
	return c, errors.Join(errs...)
}

// offer lets requests name LoRAs.
func (c *catalogue) offer(l *loras) {
	c.loras = l
	for name, m := range c.known {
		c.adapters[name] = &adapters{of: m, files: l}
	}
}

func openFiles(r modelRef) (*inference.Model, error) {
	p, err := r.open()
	if err != nil {
		return nil, err
	}
	return inference.Load(&ort.Runtime{}, p, inference.Settings{}) // nothing is run
}

// Close gives up the files.
func (c *catalogue) Close() error {
	var errs []error
	for _, m := range c.known {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// glance is the queue's state, at most a second old.
func (c *catalogue) glance(ctx context.Context) (scheduler.Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.asked) > time.Second {
		stats, err := c.queue.Stats(ctx)
		if ctx.Err() != nil {
			return stats, ctx.Err()
		}
		c.stats, c.err, c.asked = stats, err, time.Now()
	}
	return c.stats, c.err
}

// prepare completes a job, or says why it cannot be drawn. like is the size of the
// picture to begin from, zero without one.
func (c *catalogue) prepare(ctx context.Context, s *job.Spec, like image.Point) error {
	stats, err := c.glance(ctx)
	s.Model = cmp.Or(c.aliases[s.Model], s.Model)
	if s.Model == "" && len(c.names) > 0 {
		s.Model = c.names[0]
	}
	m := c.known[s.Model]
	if m == nil {
		if err != nil {
			return err
		}
		if bad := c.bad[s.Model]; bad != nil && !loaded(stats, s.Model) {
			return bad
		}
		if err := offered(stats, c.names, s); err != nil {
			return err
		}
		if err := c.loras.identify(&s.Drawing); err != nil {
			return err
		}
		f := factsOf(stats, s.Model)
		if err := c.sized(s, image.Pt(f.Width, f.Height), like, max(8, f.Multiple)); err != nil {
			return err
		}
	} else {
		if err := c.sized(s, image.Pt(m.NativeSize()), like, max(8, m.VAE.Factor())); err != nil {
			return err
		}
		r := requestOf(&s.Drawing)
		if r.LoRAs, err = c.adapters[s.Model].resolve(&s.Drawing); err != nil {
			return err
		}
		if err := m.Check(r); err != nil {
			return engineError(err)
		}
	}
	s.Seconds = estimate(stats, s)
	return nil
}

// loaded reports whether a live worker has a model ready, from files of its own.
func loaded(stats scheduler.Stats, model string) bool {
	return slices.ContainsFunc(stats.Workers, func(w scheduler.Worker) bool {
		return slices.Contains(w.Models, scheduler.Offer{Model: model})
	})
}

// offered refuses a model that no live worker has, and chooses one where none is named.
func offered(stats scheduler.Stats, names []string, s *job.Spec) error {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	for _, w := range stats.Workers {
		for _, o := range w.Models {
			all[o.Model] = true
		}
		for name := range w.Broken {
			all[name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(all))
	switch {
	case len(sorted) == 0:
		return job.Errorf(job.Unavailable, "no worker is there to draw")
	case s.Model == "":
		s.Model = sorted[0]
	case !all[s.Model]:
		return job.Errorf(job.NoModel, "the model %.100q does not exist; there is %s", s.Model, strings.Join(sorted, ", "))
	}
	return nil
}

// guess is the device time of one row, one step and one latent pixel where nothing
// is known yet: a step of 512x512 with guidance takes 0.8 s.
const guess = 1e-4

// estimate is the device seconds of one image, from what its model's steps cost.
func estimate(stats scheduler.Stats, s *job.Spec) float64 {
	each := 0.0
	for _, w := range stats.Workers {
		each = max(each, w.Costs[s.Model])
	}
	if each <= 0 {
		each = guess
	}
	d := s.Drawing
	width, height, rows := d.Width, d.Height, 1
	if width == 0 || height == 0 {
		width, height = 512, 512
	}
	if d.GuidanceScale > 1 {
		rows = 2
	}
	steps := d.Steps
	if d.Strength > 0 {
		steps = max(1, int(float64(steps)*d.Strength))
	}
	return each * float64(rows*steps) * float64(width/8*(height/8))
}

// ready says why no image can be drawn now.
func (c *catalogue) ready(ctx context.Context) error {
	stats, err := c.glance(ctx)
	if err != nil {
		return err
	}
	reasons := []string{}
	for _, w := range stats.Workers {
		if len(w.Models) > 0 {
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(w.Broken)) {
			reasons = append(reasons, w.Broken[name])
		}
	}
	if len(reasons) == 0 {
		return job.Errorf(job.Unavailable, "no worker is there to draw")
	}
	return job.Errorf(job.Unavailable, "no model can be drawn with: %s", strings.Join(slices.Compact(reasons), "; "))
}
