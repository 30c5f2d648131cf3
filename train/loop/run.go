package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"cosmicman/train"
	"cosmicman/train/checkpoint"
	"cosmicman/weights"
)

// Result is what a run came to.
type Result struct {
	Weights
	Steps int64 // of the run; Step is how many were made
	// Stopped is whether Config.Stop ended it before everything was done.
	Stopped bool
	// Checkpoint is the folder of the newest one, "" where there is none.
	Checkpoint string
	// Unsaved says why the last state could not be written, nil where it was.
	Unsaved error
}

// StateBytes is the memory of so many trained parameters: values, gradients, moments
// and the average. Nothing else of their size is made between steps.
func StateBytes(parameters int64, average bool) int64 {
	if average {
		return 20 * parameters
	}
	return 16 * parameters
}

// Run repeats a task until its last step, Stop, the end of ctx, or an error. ctx ends
// it in the middle of a step, and nothing is saved then. After another error the steps
// before it are saved, if that is possible, but for steps that were skipped too often.
//
// The result is there, and the task's tensors are as of its step, whenever the error
// is nil.
func Run(ctx context.Context, c Config, task train.Task, reporter Reporter) (result *Result, err error) {
	r := &run{Config: c, task: task, report: reporter, tensors: task.Tensors()}
	if err := errors.Join(c.Check(), r.checkTensors()); err != nil {
		return nil, err
	}
	if r.Steps == 0 {
		if r.Steps, err = stepsOf(task, c.Epochs, c.Accumulate); err != nil {
			return nil, err
		}
		if err := c.Schedule.Check(r.Steps); err != nil {
			return nil, err
		}
	}
	lock, err := checkpoint.OpenFolder(c.Folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	begin, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	r.report.Begin(*begin)
	for _, text := range r.notes {
		r.report.Note(text)
	}
	soft, done := softly(ctx, c.Stop)
	defer done()
	r.soft = soft
	r.batches = prepare(ctx, c.Ahead, r.state.Batches, r.Steps*int64(c.Accumulate), task.Prepare)
	err = r.repeat(ctx)
	r.batches.stop()
	result = &Result{Weights: r.weights(), Steps: r.Steps, Checkpoint: r.newest}
	switch {
	case errors.Is(err, errStop):
		result.Stopped = true
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		if !errors.Is(err, errSkips) {
			r.save(ctx, false)
		}
		return nil, err
	}
	if result.Stopped {
		result.Unsaved = r.save(ctx, true)
		result.Checkpoint = r.newest
	} else {
		result.Unsaved = r.unsaved
	}
	return result, nil
}

var (
	errStop  = errors.New("the run was asked to stop")
	errSkips = errors.New("too many steps were skipped")
)

// softly is a context that ends with another one, or when a channel is closed.
func softly(ctx context.Context, stop <-chan struct{}) (context.Context, func()) {
	soft, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-stop:
			cancel(errStop)
		case <-soft.Done():
		}
	}()
	return soft, func() {
		cancel(nil)
		<-over
	}
}

// stepsOf is the first number of steps after which the data was gone through so often.
func stepsOf(task train.Task, epochs float64, accumulate int) (int64, error) {
	n := sort.Search(math.MaxInt32, func(i int) bool {
		return task.Epoch((int64(i)+1)*int64(accumulate)) >= epochs-1e-9 // a third three times is one
	})
	if n == math.MaxInt32 {
		return 0, fmt.Errorf("%v epochs are more than %d steps", epochs, math.MaxInt32)
	}
	return int64(n) + 1, nil
}

// run is one under way. It belongs to one goroutine.
type run struct {
	Config
	task   train.Task
	report Reporter
	state  state
	notes  []string        // for after the beginning
	known  map[string]bool // of what could not be read, told already

	tensors []train.Tensor
	moving  []train.Weights // the tensors with their moments
	params  []weights.Param
	lengths []int
	values  [][]float32
	average [][]float32 // nil where none is kept

	soft    context.Context // ends when the run is asked to stop
	batches *ahead[train.Batch]
	pace    pace
	begun   time.Time     // by this process
	before  time.Duration // that other processes took

	newest  string // checkpoint's folder
	savedAt time.Time
	saved   saved  // what is in the newest checkpoint
	unsaved error  // why the last attempt failed
	sampled int64  // the step at which was drawn last, by this process
	skipped string // why the last step that was skipped was, by this process
}

// checkTensors also makes what has a tensor's size beside it.
func (r *run) checkTensors() error {
	var faults []error
	seen := map[string]bool{}
	if len(r.tensors) == 0 {
		faults = append(faults, errors.New("the task trains no tensors"))
	}
	for _, t := range r.tensors {
		n, err := t.Shape.Elements()
		switch {
		case t.Name == "" || seen[t.Name]:
			faults = append(faults, fmt.Errorf("%q cannot name a tensor, or names two", t.Name))
		case err != nil || n != int64(len(t.Values)) || n != int64(len(t.Gradient)):
			faults = append(faults, fmt.Errorf("%s of shape %v has %d values and a gradient of %d", t.Name, t.Shape, len(t.Values), len(t.Gradient)))
		}
		seen[t.Name] = true
		r.lengths = append(r.lengths, len(t.Values))
		r.values = append(r.values, t.Values)
		r.params = append(r.params, weights.Param{Name: t.Name, Shape: t.Shape})
	}
	return errors.Join(faults...)
}

// saved is what tells a checkpoint's state from the present one: a run that was stopped
// before its held-out batches were judged judges them at the same step.
type saved struct{ step, held int64 }

func (r *run) weights() Weights {
	return Weights{Step: r.state.Step, Tensors: r.tensors, Average: r.average}
}

// stopping reports whether the run was asked to stop. soft may hear of it later.
func (r *run) stopping() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return r.soft.Err() != nil
	}
}

func (r *run) elapsed() time.Duration { return r.before + time.Since(r.begun) }

// repeat makes steps, and between them what is due.
func (r *run) repeat(ctx context.Context) error {
	r.begun = time.Now()
	r.pace.begun, r.savedAt = r.begun, r.begun
	for {
		if err := r.between(ctx); err != nil {
			return err
		}
		if r.state.Step == r.Steps {
			if r.state.Updates == 0 && r.Steps > 0 {
				// What would be written is what the run began with.
				return fmt.Errorf("%w: all %d: %s", errSkips, r.Steps, cmp.Or(r.skipped, "see what was told of them"))
			}
			return nil
		}
		if r.stopping() { // in the meantime
			return errStop
		}
		if err := r.step(ctx); err != nil {
			return err
		}
	}
}

// between is what is due after a step, or before the first one. The held-out batches
// come before the checkpoint, which knows of them; a drawing comes after it, since it
// may take much and what was learned should be safe by then.
func (r *run) between(ctx context.Context) error {
	step, last := r.state.Step, r.state.Step == r.Steps
	due := func(every int64, first bool, at int64) bool {
		return at != step && (step == 0 && first || step > 0 && (last || every > 0 && step%every == 0))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.stopping() {
		return errStop
	}
	if r.Held.Every > 0 && r.task.Held() > 0 && due(r.Held.Every, r.Held.First, r.state.Held) {
		if err := r.judge(ctx); err != nil {
			return err
		}
	}
	byTime := r.Checkpoint.Period > 0 && time.Since(r.savedAt) >= r.Checkpoint.Period
	if step > 0 && (last || byTime || r.Checkpoint.Every > 0 && step%r.Checkpoint.Every == 0) {
		if err := r.save(ctx, true); ctx.Err() != nil {
			return err
		}
	}
	if r.Sample.Draw != nil && due(r.Sample.Every, r.Sample.First, r.sampled) {
		err := r.Sample.Draw(r.soft, r.weights())
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.stopping() && err != nil:
			return errStop
		case err != nil:
			r.report.Note(fmt.Sprintf("no sample could be drawn at step %d: %v", step, err))
		}
		r.sampled = step
	}
	return nil
}
