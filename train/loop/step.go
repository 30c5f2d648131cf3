package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"cosmicman/train"
)

// step makes one: its batches' gradients, added up, change the weights. On an error the
// run's state is that after the step before, but for the gradients.
func (r *run) step(ctx context.Context) error {
	began := time.Now()
	number := r.state.Step + 1
	r.clear()
	var (
		sum     mean
		learned int
		images  int64
		waited  time.Duration
		missing []string
		skipped string
	)
	for i := range r.Accumulate {
		b, wait, err := r.batches.next(ctx)
		waited += wait
		if err != nil {
			return fmt.Errorf("batch %d, of step %d: %w", r.state.Batches+int64(i), number, err)
		}
		missing = append(missing, b.Missing()...)
		if b.Images() == 0 || skipped != "" {
			continue
		}
		l, err := r.task.Learn(ctx, b)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err = notFinite(l, err); errors.Is(err, train.ErrNotFinite) {
			skipped = err.Error()
			continue // the step's other batches are taken all the same
		}
		if err != nil {
			return fmt.Errorf("batch %d, of step %d: %w", r.state.Batches+int64(i), number, err)
		}
		sum.add(l, 1)
		learned++
		images += int64(b.Images())
	}
	report := StepReport{Step: number, Steps: r.Steps, Losses: sum.losses(), LearningRate: r.Schedule.At(number, r.Steps)}
	if learned == 0 && skipped == "" {
		skipped = "nothing of its batches could be read"
	}
	if skipped == "" {
		var err error
		if report.GradientNorm, skipped, err = r.change(report.LearningRate, learned); err != nil {
			return fmt.Errorf("step %d: %w", number, err)
		}
	}
	report.Skipped = skipped
	s := &r.state
	s.Step = number
	s.Batches += int64(r.Accumulate)
	s.Images += images
	s.InRow++
	if report.Skipped != "" {
		r.skipped = report.Skipped
		s.Skips++
	} else {
		s.InRow = 0
	}
	r.lose(missing)
	report.Epoch = r.task.Epoch(s.Batches)
	report.Images, report.Lost, report.Skips = s.Images, s.Lost, s.Skips
	report.Took, report.Waited = time.Since(began), waited
	r.pace.step(report.Took, images)
	report.ImagesPerSecond = r.pace.images()
	report.Left = r.pace.left(r.Steps-number, time.Now())
	report.Elapsed = r.elapsed()
	r.report.Step(report)
	if s.InRow > r.MaxSkips {
		return fmt.Errorf("step %d: %w, %d in a row: %s", number, errSkips, s.InRow, report.Skipped)
	}
	return nil
}

// change makes the optimizer's step and moves the average, or says why it skips that.
func (r *run) change(rate float64, learned int) (norm float64, skipped string, err error) {
	norm, err = r.Optimizer.Step(train.Step{Number: int(r.state.Updates) + 1, LearningRate: rate, Scale: 1 / float64(learned)}, r.moving)
	if errors.Is(err, train.ErrNotFinite) {
		return 0, err.Error(), nil
	}
	if err != nil {
		return 0, "", err
	}
	r.state.Updates++
	if r.average != nil {
		err = r.Config.Average.Update(int(r.state.Updates), r.average, r.values)
	}
	return norm, "", err
}

// notFinite is what a batch came to, as an error where a loss is no number.
func notFinite(l train.Losses, err error) error {
	if err != nil {
		return err
	}
	for _, p := range append([]train.Part{{Name: "the loss", Value: l.Total}}, l.Parts...) {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			return fmt.Errorf("%s is %v: %w", p.Name, p.Value, train.ErrNotFinite)
		}
	}
	return nil
}

// lose counts what could not be read, and tells of each the first time.
func (r *run) lose(missing []string) {
	for _, text := range missing {
		r.state.Lost++
		if len(text) > 1000 {
			text = strings.ToValidUTF8(text[:1000], "")
		}
		if r.known[text] || len(r.known) >= maxNames {
			continue
		}
		r.known[text] = true
		r.state.Names = append(r.state.Names, text)
		r.report.Note(text)
	}
}

// clear makes all gradients zero.
func (r *run) clear() {
	pieces(r.lengths, func(t, from, end int) { clear(r.tensors[t].Gradient[from:end]) })
}
