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
	)
	for i := range r.Accumulate {
		b, wait, err := r.batches.next(ctx)
		waited += wait
		if err != nil {
			return fmt.Errorf("batch %d, of step %d: %w", r.state.Batches+int64(i), number, err)
		}
		missing = append(missing, b.Missing()...)
		if b.Images() == 0 {
			continue
		}
		l, err := r.task.Learn(ctx, b)
		if err != nil {
			return fmt.Errorf("batch %d, of step %d: %w", r.state.Batches+int64(i), number, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sum.add(l, 1)
		learned++
		images += int64(b.Images())
	}
	report := StepReport{Step: number, Steps: r.Steps, Losses: sum.losses(), LearningRate: r.Schedule.At(number, r.Steps)}
	var err error
	if report.GradientNorm, report.Skipped, err = r.change(report.LearningRate, learned, report.Losses); err != nil {
		return err
	}
	s := &r.state
	s.Step = number
	s.Batches += int64(r.Accumulate)
	s.Images += images
	s.InRow++
	if report.Skipped != "" {
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

// change makes the optimizer's step and moves the average, or says why not.
func (r *run) change(rate float64, learned int, l train.Losses) (norm float64, skipped string, err error) {
	if learned == 0 {
		return 0, "nothing of its batches could be read", nil
	}
	norm, err = r.Optimizer.Step(train.Step{Number: int(r.state.Updates) + 1, LearningRate: rate, Scale: 1 / float64(learned)}, r.moving)
	if errors.Is(err, train.ErrNotFinite) {
		return norm, r.notFinite(l), nil
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

// notFinite names the tensors whose gradients are not finite, and the loss.
func (r *run) notFinite(l train.Losses) string {
	var names []string
	for _, t := range r.tensors {
		for _, g := range t.Gradient {
			if f := float64(g); math.IsNaN(f) || math.IsInf(f, 0) {
				names = append(names, t.Name)
				break
			}
		}
	}
	text := fmt.Sprintf("%s %v", train.ErrNotFinite, strings.Join(names[:min(len(names), 8)], ", "))
	text = strings.Replace(text, "not finite ", "not finite: ", 1)
	if more := len(names) - 8; more > 0 {
		text += fmt.Sprintf(" and %d more tensors", more)
	}
	if !finite(l) {
		text += fmt.Sprintf(" (the loss is %v)", l.Total)
	}
	return text
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
