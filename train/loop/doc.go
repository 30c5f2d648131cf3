// Package loop repeats a [train.Task]: batches that are made ahead, accumulated
// gradients, a learning rate that follows a schedule, AdamW, the average of weights,
// the judgement of held-out batches, checkpoints, and the way back into a run that
// was stopped or killed.
//
// A run is exact: with the same task and settings the losses and the weights have the
// same bits, whether it ran through or was killed at any moment and resumed. What is
// done at a step follows from the step's number and from what a checkpoint holds; time
// decides only when a checkpoint is made.
package loop
