package train

import (
	"context"

	"cosmicman/tensor"
)

// Task is something that is taught: which tensors change, what a batch is, and what
// its loss's gradients are. Package loop repeats it. Everything that a task does
// follows from its settings, the tensors' values and the numbers that it is given, so
// that a run goes on exactly where it was stopped.
type Task interface {
	// Tensors are what is trained: always the same slices, in the same order.
	Tensors() []Tensor
	// Prepare makes a batch: number counts from 0 through the whole run, over every
	// step's accumulated batches. It is called ahead of time, by several goroutines,
	// and does not read the tensors.
	Prepare(ctx context.Context, number int64) (Batch, error)
	// Learn adds the gradients of a batch's loss to the tensors'.
	Learn(ctx context.Context, b Batch) (Losses, error)
	// Held is how many batches are held out; 0 is none.
	Held() int
	// PrepareHeld makes one of them: always the same, noise and all. It is called as
	// Prepare is.
	PrepareHeld(ctx context.Context, number int) (Batch, error)
	// Judge is the loss of a batch, without gradients.
	Judge(ctx context.Context, b Batch) (Losses, error)
	// Epoch is how often the data was gone through before a batch, with a fraction.
	Epoch(number int64) float64
}

// Tensor is one that is trained. Values and Gradient are of Shape's size.
type Tensor struct {
	Name             string
	Shape            tensor.Shape
	Values, Gradient []float32
}

// Batch is what one call of a task's network learns from, in the task's own form.
type Batch interface {
	// Images is how many there are.
	Images() int
	// Missing names what was to be in the batch and could not be read, with the reason.
	Missing() []string
}

// Losses are of one batch, or the means of several.
type Losses struct {
	Total float64
	Parts []Part // what the total is made of, before weighting, in the task's order
}

// Part is a named part of a loss, such as noise or hola.
type Part struct {
	Name  string
	Value float64
}
