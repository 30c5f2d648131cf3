package loop

import (
	"time"

	"cosmicman/train"
)

// Reporter is told what a run does, by one goroutine, in order. The run waits for it,
// so it must not take long.
type Reporter interface {
	// Begin comes first. A run that goes on from a checkpoint makes its steps anew from
	// there: what was told of later ones by a process that was killed is void, and
	// everything where a run starts at its beginning.
	Begin(BeginReport)
	// Step comes after each step.
	Step(StepReport)
	// Held comes when the held-out batches were judged.
	Held(HeldReport)
	// Sync comes before a checkpoint is written: what was told until now is to be on
	// disk, so that a run that goes on from the checkpoint has it. An error is noted.
	Sync() error
	// Checkpoint comes when one was written, or could not be.
	Checkpoint(CheckpointReport)
	// Note is a sentence that a person should read, such as which file was unreadable.
	Note(text string)
}

// BeginReport is what a run starts with.
type BeginReport struct {
	Step, Steps int64  // made before, and in all
	Resumed     string // the checkpoint's folder, "" for a run from its beginning
	// Held is the step at which held-out batches were judged last, -1 for never: what
	// was told of later judgements is void, too.
	Held       int64
	Tensors    int
	Parameters int64         // elements of all tensors
	Elapsed    time.Duration // that the run took before
}

// StepReport is one step. All but the times is the same in every run with the same
// settings, and all is finite.
type StepReport struct {
	Step, Steps  int64 // the step's number, from 1 on, and how many there will be
	Epoch        float64
	Losses       train.Losses // the mean of the step's batches, without those that have no image or no finite loss
	LearningRate float64
	GradientNorm float64 // before it was bounded; 0 in a step that is skipped
	Images       int64   // learned from in the whole run
	Lost         int64   // what was to be in batches and could not be read, in the whole run
	Skipped      string  // why the weights were not changed, "" where they were
	Skips        int64   // steps that were skipped, in the whole run

	ImagesPerSecond float64       // of late
	Took            time.Duration // for the step
	Waited          time.Duration // of it, for batches
	Elapsed         time.Duration // in the whole run
	Left            time.Duration // until the last step, by the pace of late
}

// HeldReport is the mean of the held-out batches' losses, each weighing as much as
// it has images. A batch whose loss is not finite is noted and left out.
type HeldReport struct {
	Step, Steps int64
	Losses      train.Losses
	Average     *train.Losses // under the average of the weights, if that was asked for
	Images      int64
	Took        time.Duration
}

// CheckpointReport is a checkpoint that was written, or why it was not.
type CheckpointReport struct {
	Step    int64
	Dir     string
	Bytes   int64
	Took    time.Duration
	Removed []string // older ones that were removed for it
	Err     error    // the last good checkpoint is as it was
}
