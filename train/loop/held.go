package loop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cosmicman/train"
)

// judge tells the mean loss of the held-out batches. It can be asked to stop between
// two of them, and is made anew then when the run goes on.
func (r *run) judge(ctx context.Context) error {
	began := time.Now()
	report := HeldReport{Step: r.state.Step, Steps: r.Steps}
	var live, average mean
	a := prepare(r.soft, r.Ahead, 0, int64(r.task.Held()), func(ctx context.Context, number int64) (train.Batch, error) {
		return r.task.PrepareHeld(ctx, int(number))
	})
	defer a.stop()
	var missing []string
	for i := range r.task.Held() {
		b, _, err := a.next(r.soft)
		if ctx.Err() == nil && r.stopping() {
			return errStop
		}
		if err != nil {
			return fmt.Errorf("held-out batch %d: %w", i, err)
		}
		missing = append(missing, b.Missing()...)
		if b.Images() == 0 {
			continue
		}
		var under train.Losses
		l, err := r.task.Judge(ctx, b)
		err = notFinite(l, err)
		if err == nil && r.Held.Average {
			under, err = r.judgeAverage(ctx, b)
			err = notFinite(under, err)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, train.ErrNotFinite):
			r.report.Note(fmt.Sprintf("held-out batch %d does not count at step %d: %v", i, r.state.Step, err))
			continue
		case err != nil:
			return fmt.Errorf("held-out batch %d: %w", i, err)
		}
		live.add(l, float64(b.Images()))
		average.add(under, float64(b.Images()))
		report.Images += int64(b.Images())
	}
	r.lose(missing)
	report.Losses = live.losses()
	if r.Held.Average {
		l := average.losses()
		report.Average = &l
	}
	report.Took = time.Since(began)
	r.state.Held = r.state.Step
	r.report.Held(report)
	return nil
}

// judgeAverage judges with the average in the place of the weights, and puts them back.
func (r *run) judgeAverage(ctx context.Context, b train.Batch) (train.Losses, error) {
	exchange(r.values, r.average)
	defer exchange(r.values, r.average)
	return r.task.Judge(ctx, b)
}
