package loop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cosmicman/train"
)

// TestARunIsWhatItsStepsAre makes the same steps by hand.
func TestARunIsWhatItsStepsAre(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	c := config(folder)
	c.Sample = Sample{Every: 10, First: true}
	var drawn []int64
	c.Sample.Draw = func(_ context.Context, w Weights) error {
		drawn = append(drawn, w.Step)
		if &w.Best()[0][0] != &w.Average[0][0] {
			t.Error("the best values are not the average")
		}
		return nil
	}
	var j journal
	task := newRegression()
	task.missing = func(n int64) []string {
		if n == 5 || n == 6 {
			return []string{"x.png: unexpected EOF"}
		}
		return nil
	}
	result := mustRun(t, c, task, &j)

	hand := newRegression()
	var all []train.Weights
	var values, average [][]float32
	for _, x := range hand.tensors {
		all = append(all, train.Weights{Name: x.Name, Values: x.Values, Gradient: x.Gradient, First: make([]float32, len(x.Values)), Second: make([]float32, len(x.Values))})
		values, average = append(values, x.Values), append(average, slices.Clone(x.Values))
	}
	for step := int64(1); step <= c.Steps; step++ {
		for _, x := range hand.tensors {
			clear(x.Gradient)
		}
		var total float64
		for i := range int64(2) {
			l, err := hand.Learn(t.Context(), hand.draw("batch", 2*(step-1)+i, 3))
			if err != nil {
				t.Fatal(err)
			}
			total += l.Total
		}
		rate := c.Schedule.At(step, c.Steps)
		norm, err := c.Optimizer.Step(train.Step{Number: int(step), LearningRate: rate, Scale: 0.5}, all)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Average.Update(int(step), average, values); err != nil {
			t.Fatal(err)
		}
		got := j.steps[step-1]
		if got.Step != step || got.Steps != 20 || got.Losses.Total != total/2 || got.GradientNorm != norm || got.LearningRate != rate || got.Images != 6*step || got.Epoch != float64(step)/5 || got.Skipped != "" {
			t.Errorf("step %d was told as %+v; by hand the loss is %v, the norm %v", step, got, total/2, norm)
		}
		// The part that odd batches alone have is not halved.
		if parts := got.Losses.Parts; len(parts) != 2 || parts[0].Value != total/2 || parts[1].Name != "odd" {
			t.Errorf("parts are %v", parts)
		}
	}
	for i := range values {
		if !slices.Equal(task.tensors[i].Values, values[i]) || !slices.Equal(result.Average[i], average[i]) {
			t.Errorf("tensor %d or its average differs from what was made by hand", i)
		}
	}
	if j.steps[19].Losses.Total > 0.9*j.steps[0].Losses.Total {
		t.Errorf("the loss went from %v to %v", j.steps[0].Losses.Total, j.steps[19].Losses.Total)
	}
	if !slices.Equal(drawn, []int64{0, 10, 20}) {
		t.Errorf("samples were drawn at %v", drawn)
	}
	var held, saved []int64
	for _, h := range j.helds {
		held = append(held, h.Step)
		if h.Images != 1+2+3+4 || h.Average == nil {
			t.Errorf("held-out batches were told as %+v", h)
		}
	}
	for _, s := range j.saves {
		saved = append(saved, s.Step)
		if s.Err != nil || s.Bytes == 0 {
			t.Errorf("a checkpoint was told as %+v", s)
		}
	}
	if !slices.Equal(held, []int64{0, 7, 14, 20}) || !slices.Equal(saved, []int64{6, 12, 18, 20}) || j.syncs != 4 {
		t.Errorf("judged at %v, saved at %v after %d syncs", held, saved, j.syncs)
	}
	var last float64
	for n := range 4 {
		last += float64(n+1) * hand.loss(hand.draw("held", int64(n), n+1), false).Total / 10
	}
	if got := j.helds[3].Losses.Total; math.Abs(got-last) > 1e-12 {
		t.Errorf("the held-out loss is %v, by hand %v", got, last)
	}
	if got := folders(t, folder); !slices.Equal(got, []string{"step-00000018", "step-00000020"}) {
		t.Errorf("the folder holds %q", got)
	}
	if !slices.Equal(j.saves[3].Removed, []string{filepath.Join(folder, "step-00000012")}) {
		t.Errorf("removed were %q", j.saves[3].Removed)
	}
	if !slices.Equal(j.notes, []string{"x.png: unexpected EOF"}) || j.steps[19].Lost != 2 {
		t.Errorf("notes are %q and %d were lost", j.notes, j.steps[19].Lost)
	}
	if result.Step != 20 || result.Steps != 20 || result.Stopped || result.Unsaved != nil || filepath.Base(result.Checkpoint) != "step-00000020" {
		t.Errorf("the result is %+v", result)
	}
	if want := (BeginReport{Steps: 20, Held: -1, Tensors: 2, Parameters: outputs*features + outputs}); j.begun[0] != want {
		t.Errorf("it began as %+v", j.begun[0])
	}
}

// TestTheSameOnAnyProcessors also has other numbers of workers.
func TestTheSameOnAnyProcessors(t *testing.T) {
	var first journal
	here := mustRun(t, config(t.TempDir()), newRegression(), &first)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for workers := range 4 {
		runtime.GOMAXPROCS(1 + workers)
		var j journal
		c := config(t.TempDir())
		c.Ahead = Ahead{Workers: 1 + workers, Batches: 1 + 3*workers}
		task := newRegression()
		task.prepare = func(_ context.Context, n int64) error {
			time.Sleep(time.Duration((n*7)%5) * 100 * time.Microsecond) // out of order
			return nil
		}
		sameCheckpoint(t, mustRun(t, c, task, &j).Checkpoint, here.Checkpoint)
		sameLines(t, j.lines, first.lines)
	}
}

func TestEpochsBecomeSteps(t *testing.T) {
	for epochs, want := range map[float64]int64{0.1: 1, 1: 4, 2: 7, 2.0000001: 7, 9: 30} {
		c := config(t.TempDir())
		c.Steps, c.Epochs, c.Accumulate, c.Schedule.Warmup = 0, epochs, 3, 0
		result := mustRun(t, c, newRegression(), &journal{})
		if result.Step != want {
			t.Errorf("%v epochs of ten batches are %d steps of three, want %d", epochs, result.Step, want)
		}
	}
	task := newRegression()
	task.per = math.Inf(1)
	c := config(t.TempDir())
	c.Steps, c.Epochs = 0, 1
	if _, err := Run(t.Context(), c, task, &journal{}); err == nil || !strings.Contains(err.Error(), "1 epochs are more than") {
		t.Errorf("error %v for data without an end", err)
	}
}

// TestStepsThatAreSkipped: weights stay, the run goes on, until there are too many.
func TestStepsThatAreSkipped(t *testing.T) {
	task := newRegression()
	task.bad = func(n int64) bool { return n >= 10 && n < 14 || n >= 30 } // steps 6, 7 and from 16 on
	task.images = func(n int64) int {
		if n == 20 || n == 21 || n == 22 { // step 11 and half of 12
			return 0
		}
		return 2
	}
	c := config(t.TempDir())
	var before []float32
	j := journal{after: func(what string, step int64) {
		switch {
		case what == "step" && (step == 5 || step == 10):
			before = slices.Clone(task.tensors[0].Values)
		case what == "step" && (step == 7 || step == 11) && !slices.Equal(before, task.tensors[0].Values):
			t.Errorf("the weights have changed in a step that was skipped before step %d's end", step)
		}
	}}
	result, err := Run(t.Context(), c, task, &j)
	if result != nil || err == nil || !strings.Contains(err.Error(), "step 19: too many steps were skipped, 4 in a row: the gradients of bias are not finite") {
		t.Errorf("error %v", err)
	}
	var skipped []int64
	for _, s := range j.steps {
		if s.Skipped != "" {
			skipped = append(skipped, s.Step)
		}
	}
	if !slices.Equal(skipped, []int64{6, 7, 11, 16, 17, 18, 19}) || j.steps[18].Skips != 7 {
		t.Errorf("skipped were %v, counted %d", skipped, j.steps[18].Skips)
	}
	if got := j.steps[10]; got.Skipped != "nothing of its batches could be read" || got.Images != 40 {
		t.Errorf("an empty step was told as %+v", got)
	}
	if got := j.steps[11]; got.Skipped != "" || got.Images != 42 {
		t.Errorf("a step with an empty batch was told as %+v", got)
	}
	if len(j.saves) != 3 {
		t.Errorf("%d checkpoints were written, expected none of the steps that failed", len(j.saves)-3)
	}
}

// TestAllStepsAreSkipped: a run that is shorter than what is too many skips, and in which
// nothing changed, is no success.
func TestAllStepsAreSkipped(t *testing.T) {
	task := newRegression()
	task.bad = func(int64) bool { return true }
	c := config(t.TempDir())
	c.Steps, c.Schedule.Warmup = 2, 0
	result, err := Run(t.Context(), c, task, &journal{})
	if result != nil || err == nil || !strings.Contains(err.Error(), "too many steps were skipped: all 2: the gradients of bias are not finite") {
		t.Errorf("error %v", err)
	}
}

// TestLossesThatAreNotFinite: a task may say so, or not notice. What is told is finite.
func TestLossesThatAreNotFinite(t *testing.T) {
	task := newRegression()
	task.learn = func(n int64) error {
		if n == 4 || n == 6 {
			return fmt.Errorf("unet: the loss noise is NaN: %w: conv_in.weight", train.ErrNotFinite)
		}
		return nil
	}
	task.loses = func(purpose string, n int64) float64 {
		if n == 11 || purpose == "held" && n == 2 {
			return math.Inf(1)
		}
		return 0
	}
	var j journal
	result := mustRun(t, config(t.TempDir()), task, &j)
	want := map[int64]string{3: "unet: the loss noise is NaN: not finite: conv_in.weight", 4: "unet: the loss noise is NaN: not finite: conv_in.weight", 6: "the loss is +Inf: not finite"}
	for _, s := range j.steps {
		if s.Skipped != want[s.Step] || math.IsInf(s.Losses.Total, 0) || s.Epoch != float64(s.Step)/5 {
			t.Errorf("step %d was told as %+v", s.Step, s)
		}
	}
	for _, h := range j.helds {
		if h.Images != 1+2+4 || !(h.Losses.Total < 100) {
			t.Errorf("held-out batches were told as %+v", h)
		}
	}
	if len(j.notes) != 4 || j.notes[1] != "held-out batch 2 does not count at step 7: the loss is +Inf: not finite" || result.Step != 20 {
		t.Errorf("notes are %q", j.notes)
	}
}

// TestAnErrorEndsTheRun with the steps before it saved.
func TestAnErrorEndsTheRun(t *testing.T) {
	boom := errors.New("boom")
	at := func(n int64) func(int64) error {
		return func(m int64) error {
			if m == n {
				return boom
			}
			return nil
		}
	}
	for want, set := range map[string]func(*regression){
		"batch 17, of step 9: boom": func(r *regression) {
			r.prepare = func(_ context.Context, n int64) error { return at(17)(n) }
		},
		"batch 16, of step 9: boom": func(r *regression) { r.learn = at(16) },
	} {
		folder := t.TempDir()
		task := newRegression()
		set(task)
		var j journal
		if _, err := Run(within(t, time.Minute), config(folder), task, &j); !errors.Is(err, boom) || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
		if got := folders(t, folder); len(j.steps) != 8 || !slices.Equal(got, []string{"step-00000006", "step-00000008"}) {
			t.Errorf("%d steps were made and %q saved", len(j.steps), got)
		}
		var whole, rest journal
		all := mustRun(t, config(t.TempDir()), newRegression(), &whole)
		c := config(folder)
		c.Resume = Latest
		sameCheckpoint(t, mustRun(t, c, newRegression(), &rest).Checkpoint, all.Checkpoint)
	}
}

// TestCancel is prompt, wherever the run is, and saves nothing.
func TestCancel(t *testing.T) {
	for what, set := range map[string]func(*Config, *regression, func()){
		"while it waits for a batch": func(_ *Config, r *regression, cancel func()) {
			r.prepare = func(ctx context.Context, n int64) error {
				if n < 10 {
					return nil
				}
				cancel()
				<-ctx.Done()
				return context.Cause(ctx)
			}
		},
		"while it learns": func(_ *Config, r *regression, cancel func()) {
			r.learn = func(n int64) error {
				if n == 10 {
					cancel()
				}
				return nil
			}
		},
		"while it draws": func(c *Config, _ *regression, cancel func()) {
			c.Sample = Sample{Every: 5, Draw: func(ctx context.Context, _ Weights) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}}
		},
	} {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(within(t, time.Minute))
		folder := t.TempDir()
		c, task := config(folder), newRegression()
		set(&c, task, func() { cancel(gone) })
		result, err := Run(ctx, c, task, &journal{})
		if result != nil || !errors.Is(err, gone) {
			t.Errorf("cancelled %s: %v", what, err)
		}
		if got := folders(t, folder); len(got) > 0 {
			t.Errorf("cancelled %s: %q is in the folder", what, got)
		}
		cancel(nil)
	}
}

// TestSampleFaultsAreNoted and do not end the run.
func TestSampleFaultsAreNoted(t *testing.T) {
	c := config(t.TempDir())
	c.Sample.Draw = func(context.Context, Weights) error { return errors.New("no memory") }
	var j journal
	mustRun(t, c, newRegression(), &j)
	if !slices.Equal(j.notes, []string{"no sample could be drawn at step 20: no memory"}) {
		t.Errorf("notes are %q", j.notes)
	}
}

func TestCheckpointsByTime(t *testing.T) {
	c := config(t.TempDir())
	c.Checkpoint = Checkpoint{Period: time.Nanosecond, Keep: 1}
	c.Steps = 3
	var j journal
	mustRun(t, c, newRegression(), &j)
	if got := folders(t, c.Folder); len(j.saves) != 3 || !slices.Equal(got, []string{"step-00000003"}) {
		t.Errorf("%d were written, left are %q", len(j.saves), got)
	}
}

// TestADiskThatFillsUp: a save that does not fit is told, harms nothing, and the next
// one is made when there is room again.
func TestADiskThatFillsUp(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("a small disk is needed, and so the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	c := config(filepath.Join(disk, "run"))
	filler := filepath.Join(disk, "filler")
	j := journal{}
	j.after = func(what string, step int64) {
		switch {
		case what == "checkpoint" && step == 6:
			if err := os.WriteFile(filler, make([]byte, 1<<20), 0o644); err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
		case what == "checkpoint" && step == 12:
			if got := folders(t, c.Folder); !slices.Equal(got, []string{"step-00000006"}) {
				t.Errorf("after a failed save the folder holds %q", got)
			}
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		}
	}
	result := mustRun(t, c, newRegression(), &j)
	if err := j.saves[1].Err; !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk has 0 MB left") {
		t.Errorf("error %v", err)
	}
	if j.saves[0].Err != nil || j.saves[2].Err != nil || j.saves[3].Err != nil || result.Unsaved != nil {
		t.Errorf("saves were %+v", j.saves)
	}
	// At the end it cannot be made up for.
	c = config(filepath.Join(disk, "full"))
	if err := os.RemoveAll(filepath.Join(disk, "run")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o644); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, 1<<20-1<<15); err != nil {
		t.Fatal(err)
	}
	if result = mustRun(t, c, newRegression(), &journal{}); !errors.Is(result.Unsaved, syscall.ENOSPC) || result.Checkpoint != "" || result.Step != 20 {
		t.Errorf("the result is %+v", result)
	}
}

func TestRunRefuses(t *testing.T) {
	bad := Config{Folder: "", Steps: -1, Accumulate: 0, MaxSkips: -1, Held: Held{Every: -1, Average: true}, Sample: Sample{Every: -1}, Checkpoint: Checkpoint{-1, -1, -1}, Ahead: Ahead{-1, -1}, Average: nil}
	_, err := Run(t.Context(), bad, newRegression(), &journal{})
	for _, want := range []string{"the run's folder", "steps is -1", "accumulate is 0", "max_skips is -1", "held.every is -1", "held.average is true", "sample.every is -1", "checkpoint.every is -1", "checkpoint.period is", "checkpoint.keep is -1", "ahead.workers is -1", "ahead.batches is -1", "adamw.epsilon is 0", "schedule.name is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	c := config(t.TempDir())
	c.Epochs = 3
	c.Average = &train.EMA{Decay: 1}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "epochs is 3, expected 0 where steps are given") || !strings.Contains(err.Error(), "ema.decay is 1") {
		t.Errorf("error %v", err)
	}
	task := newRegression()
	task.tensors[0].Name = "bias"
	task.tensors[0].Gradient = task.tensors[0].Gradient[1:]
	_, err = Run(t.Context(), config(t.TempDir()), task, &journal{})
	for _, want := range []string{"bias of shape [7, 5] has 35 values and a gradient of 34", `"bias" cannot name a tensor, or names two`} {
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "[7,5]", "[7, 5]"), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := Run(t.Context(), config(t.TempDir()), &regression{}, &journal{}); err == nil || !strings.Contains(err.Error(), "trains no tensors") {
		t.Errorf("error %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if _, err := Run(t.Context(), config(file), newRegression(), &journal{}); !errors.As(err, &path) {
		t.Errorf("error %v for a folder that is a file", err)
	}
}

// TestOneRunAFolder.
func TestOneRunAFolder(t *testing.T) {
	c := config(t.TempDir())
	c.Sample.First = true
	c.Sample.Draw = func(ctx context.Context, w Weights) error {
		if w.Step > 0 {
			return nil
		}
		_, err := Run(ctx, c, newRegression(), &journal{})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is in use: another run, process %d", os.Getpid())) {
			t.Errorf("error %v for a folder in which a run is", err)
		}
		return nil
	}
	mustRun(t, c, newRegression(), &journal{})
}
