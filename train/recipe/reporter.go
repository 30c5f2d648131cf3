package recipe

import "cosmicman/train/loop"

func (r *Run) reporter() loop.Reporter { return plainReporter{r} }

type plainReporter struct{ *Run }

func (p plainReporter) Begin(b loop.BeginReport) {
	p.say("%d tensors, %d parameters, step %d of %d", b.Tensors, b.Parameters, b.Step, b.Steps)
}
func (p plainReporter) Step(s loop.StepReport) {
	p.say("step %d of %d: loss %.5f", s.Step, s.Steps, s.Losses.Total)
}
func (p plainReporter) Held(h loop.HeldReport) {
	p.say("step %d: held-out loss %.5f", h.Step, h.Losses.Total)
}
func (p plainReporter) Sync() error { return nil }
func (p plainReporter) Checkpoint(c loop.CheckpointReport) {
	p.say("saved %s (%v)", c.Dir, c.Err)
}
func (p plainReporter) Note(text string) { p.say("%s", text) }
