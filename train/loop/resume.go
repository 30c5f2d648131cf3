package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cosmicman/train"
	"cosmicman/train/checkpoint"
)

// ChangedError is a checkpoint that was made with settings that a run depends on and that
// are others now.
type ChangedError struct {
	Dir     string
	Changes []string // one of a setting
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the run cannot go on from %s with other settings: %s", e.Dir, strings.Join(e.Changes, "; "))
}

// The parts of a checkpoint.
const (
	valuesPart  = "values"
	firstPart   = "first_moments"
	secondPart  = "second_moments"
	averagePart = "average"
)

// begin makes the run's state: that of a checkpoint, or the first.
func (r *run) begin(ctx context.Context) (*BeginReport, error) {
	found, later, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	r.state = state{Held: -1, Fixed: r.Fixed, Free: r.Free}
	r.saved, r.sampled = saved{-1, -1}, -1
	for _, t := range r.tensors {
		n := len(t.Values)
		r.moving = append(r.moving, train.Weights{Name: t.Name, Values: t.Values, Gradient: t.Gradient, First: make([]float32, n), Second: make([]float32, n)})
	}
	if r.Config.Average != nil {
		for _, v := range r.values {
			r.average = append(r.average, slices.Clone(v))
		}
	}
	begin := &BeginReport{Steps: r.Steps, Tensors: len(r.tensors)}
	for _, n := range r.lengths {
		begin.Parameters += int64(n)
	}
	if found != nil {
		if err := r.load(found); err != nil {
			return nil, err
		}
		begin.Resumed = found.Dir
	}
	// Nothing in the folder is touched before it is sure that the run goes on.
	for _, f := range later {
		to, err := checkpoint.SetAside(f.Dir)
		if err != nil {
			return nil, err
		}
		r.note("the checkpoint of step %d is now %s: the run goes on from step %d", f.Step, to, r.state.Step)
	}
	r.known = map[string]bool{}
	for _, name := range r.state.Names {
		r.known[name] = true
	}
	begin.Step, begin.Held, begin.Elapsed = r.state.Step, r.state.Held, r.state.Elapsed
	r.before = r.state.Elapsed
	return begin, nil
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// find opens the checkpoint to go on from, nil for the beginning, and lists those in
// the run's folder that were made after it.
func (r *run) find(ctx context.Context) (c *checkpoint.Checkpoint, later []checkpoint.Found, err error) {
	all, err := checkpoint.List(r.Folder)
	if err != nil {
		return nil, nil, err
	}
	switch r.Resume {
	case "":
		if len(all) > 0 {
			return nil, nil, fmt.Errorf("%s holds a run already, its newest checkpoint is of step %d: resume it, or choose another folder", r.Folder, all[0].Step)
		}
		return nil, nil, nil
	case Latest:
		var faults []error
		for i, f := range all {
			c, err := checkpoint.Open(ctx, f.Dir)
			if err == nil {
				return c, all[:i], nil
			}
			var damaged *checkpoint.DamagedError
			if !errors.As(err, &damaged) {
				return nil, nil, err
			}
			faults = append(faults, err)
			r.note("%v", err)
		}
		if len(all) == 0 {
			r.note("there is no checkpoint in %s: the run starts at its beginning", r.Folder)
		}
		return nil, nil, errors.Join(faults...)
	}
	if c, err = checkpoint.Open(ctx, r.Resume); err != nil {
		if errors.Is(err, os.ErrNotExist) && !errors.As(err, new(*checkpoint.DamagedError)) {
			err = fmt.Errorf("there is no checkpoint %s", r.Resume)
		}
		return nil, nil, err
	}
	for _, f := range all {
		if f.Step > c.Step || f.Step == c.Step && !samePath(f.Dir, c.Dir) {
			later = append(later, f)
		}
	}
	return c, later, nil
}

func samePath(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// load takes the state over from a checkpoint.
func (r *run) load(c *checkpoint.Checkpoint) error {
	s, err := parseState(c.State)
	if err != nil {
		return fmt.Errorf("the checkpoint %s is none of a run: %w", c.Dir, err)
	}
	lines := changed(s.Fixed, r.Fixed, r.Defaults)
	if has := r.average != nil; s.Average != has {
		word := map[bool]string{true: "an average", false: "no average"}
		lines = append(lines, fmt.Sprintf("%s of the weights was kept, it would be %s now", word[s.Average], word[has]))
	}
	if s.Step > r.Steps {
		lines = append(lines, fmt.Sprintf("steps is %d, and %d were made", r.Steps, s.Step))
	}
	if len(lines) > 0 {
		return &ChangedError{Dir: c.Dir, Changes: lines}
	}
	if s.Step != c.Step {
		return fmt.Errorf("the checkpoint %s is none of a run: its state is of step %d", c.Dir, s.Step)
	}
	var faults []error
	for _, p := range r.parts() {
		faults = append(faults, c.Read(p))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	for _, line := range changed(s.Free, r.Free, r.Defaults) {
		r.note("%s", line)
	}
	if s.Version != r.Version {
		r.note("the checkpoint was made by version %q, this is %q: numbers may differ", s.Version, r.Version)
	}
	r.state = *s
	r.state.Fixed, r.state.Free = r.Fixed, r.Free
	r.saved = saved{s.Step, s.Held}
	r.newest = c.Dir
	if !samePath(filepath.Dir(c.Dir), r.Folder) {
		r.saved.step = -1 // the run's own folder has none yet
	}
	return nil
}

// parts are the tensors of a checkpoint, by reference.
func (r *run) parts() []checkpoint.Part {
	first, second := make([][]float32, len(r.moving)), make([][]float32, len(r.moving))
	for i, w := range r.moving {
		first[i], second[i] = w.First, w.Second
	}
	parts := []checkpoint.Part{
		{Name: valuesPart, Tensors: r.params, Values: r.values},
		{Name: firstPart, Tensors: r.params, Values: first},
		{Name: secondPart, Tensors: r.params, Values: second},
	}
	if r.average != nil {
		parts = append(parts, checkpoint.Part{Name: averagePart, Tensors: r.params, Values: r.average})
	}
	return parts
}

// save writes a checkpoint of the present state, if there is none, and removes older
// ones. A fault is told, and is no end of the run.
func (r *run) save(ctx context.Context, prune bool) error {
	present := saved{r.state.Step, r.state.Held}
	if r.saved == present || present.step == 0 {
		return nil
	}
	began := time.Now()
	defer func() { r.savedAt = time.Now() }()
	if err := r.report.Sync(); err != nil {
		r.report.Note(fmt.Sprintf("what was told until step %d may not be on disk: %v", r.state.Step, err))
	}
	report := CheckpointReport{Step: r.state.Step}
	s := r.state
	s.Version, s.Elapsed, s.Average = r.Version, r.elapsed(), r.average != nil
	data, err := json.Marshal(s)
	if err == nil {
		var written checkpoint.Saved
		written, err = checkpoint.Save(ctx, r.Folder, checkpoint.Content{Step: s.Step, State: data, Parts: r.parts()})
		report.Dir, report.Bytes = written.Dir, written.Bytes
	}
	if r.unsaved, report.Err = err, err; err == nil {
		r.saved, r.newest = present, report.Dir
		if prune && r.Checkpoint.Keep > 0 {
			var err error
			if report.Removed, err = checkpoint.Prune(r.Folder, r.Checkpoint.Keep); err != nil {
				r.report.Note(fmt.Sprintf("old checkpoints could not be removed: %v", err))
			}
		}
	}
	report.Took = time.Since(began)
	r.report.Checkpoint(report)
	return err
}
