package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"cosmicman/train"
)

// Config says how a task is repeated.
type Config struct {
	// Folder is the run's own, made if it is not there: one process at a time runs in
	// it. Checkpoints lie in it as step-00001234.
	Folder string

	// Steps is how many are made in all. 0: as many as go Epochs times through the data.
	Steps      int64
	Epochs     float64
	Accumulate int // batches a step, at least 1
	Optimizer  train.AdamW
	Schedule   Schedule
	// Average is kept beside the weights; nil is none.
	Average *train.EMA
	// MaxSkips is how many steps in a row may be skipped, since gradients are not finite
	// or nothing could be read, before the run ends with an error.
	MaxSkips int

	Held       Held
	Sample     Sample
	Checkpoint Checkpoint
	Ahead      Ahead

	// Resume is the checkpoint to go on from: "" starts at the beginning, Latest takes
	// the newest whole one in Folder, and begins where there is none.
	Resume string
	// Fixed are settings under which the run's numbers are what they are: a checkpoint
	// made with others is refused. Free ones may change and are noted. Both by the name
	// and the value that a person knows.
	Fixed, Free map[string]string
	// Defaults are what settings are that an older program's checkpoint does not know.
	Defaults map[string]string
	// Version is the program's; another one than the checkpoint's is noted.
	Version string

	// Stop, once closed, ends the run after the present step, with a checkpoint.
	Stop <-chan struct{}
}

// Latest is the Resume of a run that goes on from its newest whole checkpoint.
const Latest = "latest"

// Held says when held-out batches are judged.
type Held struct {
	Every   int64 // steps; 0 is never
	First   bool  // also before the first step
	Average bool  // also under the average of the weights
}

// Sample says when a function draws with what was learned.
type Sample struct {
	Every int64 // steps; 0 is at the end alone
	First bool  // also before the first step
	// Draw is called between two steps, and at the end; nil is never. It may read
	// the weights until it returns. An error is noted and the run goes on.
	Draw func(ctx context.Context, w Weights) error
}

// Weights are what was learned until a step.
type Weights struct {
	Step    int64
	Tensors []train.Tensor // the task's own
	Average [][]float32    // of the tensors' values, in their order; nil where none is kept
}

// Best are the values to draw with: the average where there is one.
func (w Weights) Best() [][]float32 {
	if w.Average != nil {
		return w.Average
	}
	values := make([][]float32, len(w.Tensors))
	for i, t := range w.Tensors {
		values[i] = t.Values
	}
	return values
}

// Checkpoint says when the run's state is written. It always is at the end.
type Checkpoint struct {
	Every  int64         // steps; 0 is not by steps
	Period time.Duration // since the last one; 0 is not by time
	Keep   int           // whole ones that stay, at least 1; 0 is all
}

// Ahead bounds what is prepared before it is needed.
type Ahead struct {
	Workers int // goroutines that prepare; 0 is 2
	Batches int // batches that are ready or being made, at most; 0 is twice the workers
}

func (a Ahead) defaults() Ahead {
	if a.Workers == 0 {
		a.Workers = 2
	}
	if a.Batches == 0 {
		a.Batches = 2 * a.Workers
	}
	return a
}

// Check returns every fault of the settings, joined.
func (c Config) Check() error {
	var faults []error
	want := func(ok bool, name string, value any, expected string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s is %v, expected %s", name, value, expected))
		}
	}
	want(c.Folder != "", "the run's folder", `""`, "a path")
	want(c.Steps >= 0 && c.Steps <= math.MaxInt32, "steps", c.Steps, "a number from 1 to 2147483647, or 0 to count epochs")
	want(c.Steps != 0 || c.Epochs > 0 && c.Epochs <= 1e9, "epochs", c.Epochs, "a number above 0 where no steps are given")
	want(c.Steps == 0 || c.Epochs == 0, "epochs", c.Epochs, "0 where steps are given")
	want(c.Accumulate >= 1 && c.Accumulate <= 1<<20, "accumulate", c.Accumulate, "a number from 1 to 1048576")
	want(c.MaxSkips >= 0, "max_skips", c.MaxSkips, "a number from 0 on")
	if c.Average != nil {
		want(c.Average.Decay >= 0 && c.Average.Decay < 1, "ema.decay", c.Average.Decay, "a number from 0 to below 1")
	}
	want(c.Held.Every >= 0, "held.every", c.Held.Every, "a number of steps from 0 on")
	want(!c.Held.Average || c.Average != nil, "held.average", c.Held.Average, "false where no average is kept")
	want(c.Sample.Every >= 0, "sample.every", c.Sample.Every, "a number of steps from 0 on")
	want(c.Checkpoint.Every >= 0, "checkpoint.every", c.Checkpoint.Every, "a number of steps from 0 on")
	want(c.Checkpoint.Period >= 0, "checkpoint.period", c.Checkpoint.Period, "a time from 0 on")
	want(c.Checkpoint.Keep >= 0, "checkpoint.keep", c.Checkpoint.Keep, "a number from 1 on, or 0 for all")
	want(c.Ahead.Workers >= 0 && c.Ahead.Workers <= 1024, "ahead.workers", c.Ahead.Workers, "a number from 1 to 1024, or 0 for 2")
	want(c.Ahead.Batches >= 0 && c.Ahead.Batches <= 1<<20, "ahead.batches", c.Ahead.Batches, "a number from 1 to 1048576, or 0 for twice the workers")
	faults = append(faults, c.Optimizer.Check(), c.Schedule.Check(c.Steps))
	return errors.Join(faults...)
}
