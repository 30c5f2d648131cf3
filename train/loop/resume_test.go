package loop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cosmicman/train"
)

// TestAStoppedRunGoesOn is stopped in the middle of everything it does, again and
// again, and comes to the same bits.
func TestAStoppedRunGoesOn(t *testing.T) {
	draw := func(c Config, j *journal) Sample {
		return Sample{Every: 4, First: true, Draw: func(ctx context.Context, w Weights) error {
			j.told("draw", w.Step)
			select {
			case <-c.Stop: // nil where nobody asks
				return errStop
			default:
				return ctx.Err()
			}
		}}
	}
	var want journal
	c := config(t.TempDir())
	c.Sample = draw(c, &want)
	whole := mustRun(t, c, newRegression(), &want)

	folder := t.TempDir()
	j := journal{path: filepath.Join(t.TempDir(), "journal")}
	stops := []string{"begin 0", "draw 0", "step 1", "sync 0", "step 7", "held 7", "draw 8", "checkpoint 12", "step 13", "held 14", "learn 15", "sync 0", "step 20", "draw 20", "nothing"}
	for _, at := range stops {
		stop, ask := onceClosed()
		task := newRegression()
		task.learn = func(n int64) error { j.told("learn", n/2); return nil }
		j.after = func(what string, step int64) {
			if fmt.Sprintf("%s %d", what, step) == at {
				ask()
			}
		}
		c := config(folder)
		c.Stop, c.Resume = stop, Latest
		c.Sample = draw(c, &j)
		result, err := Run(within(t, time.Minute), c, task, &j)
		if err != nil {
			t.Fatalf("stopped at %s: %v", at, err)
		}
		if want := at != "nothing"; result.Stopped != want || result.Unsaved != nil {
			t.Errorf("stopped at %s: stopped is %v at step %d (%v)", at, result.Stopped, result.Step, result.Unsaved)
		}
	}
	newest := filepath.Join(folder, "step-00000020")
	sameCheckpoint(t, newest, whole.Checkpoint)
	data, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing had been saved when the first ones were stopped at step 0.
	sameLines(t, strings.Split(strings.TrimSpace(string(data)), "\n"), want.lines)
	resumed := 0
	for _, b := range j.begun {
		if b.Resumed != "" {
			resumed++
		}
	}
	if resumed < 11 {
		t.Errorf("%d of %d runs went on from a checkpoint", resumed, len(stops))
	}
	// A run that has ended is not made again.
	c = config(folder)
	c.Resume = Latest
	var again journal
	result := mustRun(t, c, newRegression(), &again)
	if len(again.steps)+len(again.helds)+len(again.saves) > 0 || result.Step != 20 || result.Checkpoint != newest {
		t.Errorf("a finished run went on: %d steps, %d judgements, %d checkpoints", len(again.steps), len(again.helds), len(again.saves))
	}
}

// stopped is a folder with a run's checkpoints at steps 6 and 12, and 14 where it was
// stopped.
func stopped(t *testing.T) string {
	t.Helper()
	c := config(t.TempDir())
	stop, ask := onceClosed()
	c.Stop = stop
	c.Checkpoint.Keep = 0
	result := mustRun(t, c, newRegression(), &journal{after: func(what string, step int64) {
		if what == "step" && step == 14 {
			ask()
		}
	}})
	if got := folders(t, c.Folder); !result.Stopped || !slices.Equal(got, []string{"step-00000006", "step-00000012", "step-00000014"}) {
		t.Fatalf("the folder holds %q", got)
	}
	return c.Folder
}

// damage cuts the last byte of a checkpoint's file.
func damage(t *testing.T, folder, step string) {
	t.Helper()
	path := filepath.Join(folder, step, "second_moments.safetensors")
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestADamagedCheckpointIsNamed, and the one before is used.
func TestADamagedCheckpointIsNamed(t *testing.T) {
	whole := mustRun(t, config(t.TempDir()), newRegression(), &journal{})
	folder := stopped(t)
	damage(t, folder, "step-00000014")
	damage(t, folder, "step-00000012")
	c := config(folder)
	c.Resume = filepath.Join(folder, "step-00000012")
	if _, err := Run(t.Context(), c, newRegression(), &journal{}); err == nil || !strings.Contains(err.Error(), "step-00000012 is damaged: second_moments.safetensors has ") {
		t.Errorf("error %v for a damaged checkpoint that was asked for", err)
	}
	c.Resume = Latest
	var j journal
	result := mustRun(t, c, newRegression(), &j)
	if b := j.begun[0]; b.Step != 6 || b.Resumed != filepath.Join(folder, "step-00000006") {
		t.Errorf("it began as %+v", b)
	}
	all := strings.Join(j.notes, "\n")
	for _, want := range []string{
		"step-00000014 is damaged: second_moments.safetensors has ", "step-00000012 is damaged",
		"the checkpoint of step 14 is now " + folder + "/set-aside-step-00000014: the run goes on from step 6",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the notes %q", want, j.notes)
		}
	}
	sameCheckpoint(t, result.Checkpoint, whole.Checkpoint)

	folder = stopped(t)
	for _, step := range []string{"step-00000006", "step-00000012", "step-00000014"} {
		damage(t, folder, step)
	}
	c = config(folder)
	c.Resume = Latest
	_, err := Run(t.Context(), c, newRegression(), &journal{})
	if err == nil || strings.Count(err.Error(), "is damaged") != 3 {
		t.Errorf("error %v where none is whole", err)
	}
	if got := folders(t, folder); len(got) != 3 || got[0] != "step-00000006" {
		t.Errorf("the folder holds %q", got)
	}
}

// TestGoingBack to a checkpoint that was asked for sets later ones aside.
func TestGoingBack(t *testing.T) {
	whole := mustRun(t, config(t.TempDir()), newRegression(), &journal{})
	folder := stopped(t)
	c := config(folder)
	c.Resume = filepath.Join(folder, "step-00000006")
	c.Checkpoint.Keep = 0
	var j journal
	sameCheckpoint(t, mustRun(t, c, newRegression(), &j).Checkpoint, whole.Checkpoint)
	if got, want := folders(t, folder), []string{"set-aside-step-00000012", "set-aside-step-00000014", "step-00000006", "step-00000012", "step-00000018", "step-00000020"}; j.begun[0].Step != 6 || !slices.Equal(got, want) {
		t.Errorf("it began at step %d, and the folder holds %q", j.begun[0].Step, got)
	}
	// Another folder may go on from it, too.
	c = config(t.TempDir())
	c.Resume = filepath.Join(folder, "set-aside-step-00000014")
	result := mustRun(t, c, newRegression(), &journal{})
	sameCheckpoint(t, result.Checkpoint, whole.Checkpoint)
	if filepath.Dir(result.Checkpoint) != c.Folder {
		t.Errorf("the checkpoint is %s", result.Checkpoint)
	}
	c.Resume = filepath.Join(folder, "step-00000007")
	if _, err := Run(t.Context(), c, newRegression(), &journal{}); err == nil || !strings.Contains(err.Error(), "there is no checkpoint "+c.Resume) {
		t.Errorf("error %v for a checkpoint that is not there", err)
	}
}

// TestOtherSettingsAreRefused by name, unless they are free.
func TestOtherSettingsAreRefused(t *testing.T) {
	folder := stopped(t)
	try := func(change func(*Config, *regression)) ([]string, error) {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		c, task, j := config(copied), newRegression(), journal{}
		c.Resume = Latest
		c.Fixed, c.Free = maps.Clone(c.Fixed), maps.Clone(c.Free)
		change(&c, task)
		_, err := Run(t.Context(), c, task, &j)
		return j.notes, err
	}
	_, err := try(func(c *Config, r *regression) {
		c.Resume = ""
	})
	if err == nil || !strings.Contains(err.Error(), "holds a run already, its newest checkpoint is of step 14: resume it") {
		t.Errorf("error %v for a new run in its folder", err)
	}
	_, err = try(func(c *Config, r *regression) {
		c.Fixed = map[string]string{"learning_rate": "0.02", "seed": "3"}
		c.Average, c.Held.Average = nil, false
		c.Steps = 13
	})
	for _, want := range []string{"learning_rate was 0.01, it is 0.02 now", "seed was not set, it is 3 now", "an average of the weights was kept, it would be no average now", "steps is 13, and 14 were made"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	_, err = try(func(c *Config, r *regression) { r.tensors[1].Name = "offset" })
	for _, want := range []string{"was made of other tensors (values)", "offset is not in it", "bias is not trained now"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	notes, err := try(func(c *Config, r *regression) {
		c.Free["steps"] = "22"
		c.Free["samples"] = "4"
		c.Steps = 22
		c.Version = "v2"
	})
	if want := []string{"samples was not set, it is 4 now", "steps was 20, it is 22 now", `the checkpoint was made by version "", this is "v2": numbers may differ`}; err != nil || !slices.Equal(notes, want) {
		t.Errorf("error %v, notes %q", err, notes)
	}
}

// TestLostIsToldOnce, in the whole run.
func TestLostIsToldOnce(t *testing.T) {
	c := config(t.TempDir())
	missing := func(n int64) []string { return []string{fmt.Sprintf("%d.png: no such file", n%3)} }
	stop, ask := onceClosed()
	c.Stop, c.Resume = stop, Latest
	task := newRegression()
	task.missing = missing
	first := journal{after: func(what string, step int64) {
		if step == 9 {
			ask()
		}
	}}
	mustRun(t, c, task, &first)
	c.Stop = nil
	task = newRegression()
	task.missing = missing
	var second journal
	mustRun(t, c, task, &second)
	if len(first.notes) != 4 || first.notes[0] != "there is no checkpoint in "+c.Folder+": the run starts at its beginning" || len(second.notes) != 0 || second.steps[len(second.steps)-1].Lost != 40 {
		t.Errorf("told were %q and %q; %d counted", first.notes, second.notes, second.steps[len(second.steps)-1].Lost)
	}
}

// TestSyncFaultsAreNoted.
func TestSyncFaultsAreNoted(t *testing.T) {
	j := failingSync{&journal{}}
	if _, err := Run(t.Context(), config(t.TempDir()), newRegression(), j); err != nil {
		t.Fatal(err)
	}
	if len(j.notes) != 4 || j.notes[0] != "what was told until step 6 may not be on disk: no room" {
		t.Errorf("notes are %q", j.notes)
	}
}

type failingSync struct{ *journal }

func (failingSync) Sync() error { return errors.New("no room") }

// FuzzState: what is read as a state holds together.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":"1","step":5,"batches":10,"updates":5,"images":20,"held":-1,"fixed":{"seed":"1"}}`))
	f.Add([]byte(`{"step":-1}`))
	f.Add([]byte(`{"step":1,"updates":2}`))
	f.Add([]byte(`{"skips_in_a_row":99999999999999999999}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err == nil && (s.Step < 0 || s.Updates > s.Step || s.Batches < 0 || s.Elapsed < 0 || s.InRow < 0) {
			t.Errorf("accepted %+v", s)
		}
	})
}

// TestStepsCopyNoWeights: what a step allocates has nothing of the tensors' size.
func TestStepsCopyNoWeights(t *testing.T) {
	const n, steps = 1 << 20, 30
	task := &still{tensors: []train.Tensor{{Name: "w", Shape: []int64{n}, Values: make([]float32, n), Gradient: make([]float32, n)}}}
	c := config(t.TempDir())
	c.Steps, c.Checkpoint, c.Held = steps, Checkpoint{}, Held{}
	var before, after runtime.MemStats
	j := journal{after: func(what string, _ int64) {
		switch what {
		case "begin":
			runtime.ReadMemStats(&before)
		case "sync":
			runtime.ReadMemStats(&after)
		}
	}}
	mustRun(t, c, task, &j)
	if got := (after.TotalAlloc - before.TotalAlloc) / steps; got > 4*n/10 {
		t.Errorf("a step allocates %d bytes, a tensor has %d", got, 4*n)
	}
}

// BenchmarkLoop is what the loop itself takes a step, of a million parameters.
func BenchmarkLoop(b *testing.B) {
	const n = 1 << 20
	task := &still{tensors: []train.Tensor{{Name: "w", Shape: []int64{n}, Values: make([]float32, n), Gradient: make([]float32, n)}}}
	c := config(b.TempDir())
	c.Steps, c.Checkpoint, c.Held = int64(b.N), Checkpoint{}, Held{}
	c.Schedule = Schedule{Name: "constant", Rate: 1e-3}
	b.SetBytes(4 * n)
	b.ReportAllocs()
	if _, err := Run(b.Context(), c, task, &quiet{b: b}); err != nil {
		b.Fatal(err)
	}
}

// still is a task whose gradients are zero.
type still struct{ tensors []train.Tensor }

func (s *still) Tensors() []train.Tensor                               { return s.tensors }
func (s *still) Prepare(context.Context, int64) (train.Batch, error)   { return one{}, nil }
func (s *still) Held() int                                             { return 0 }
func (s *still) PrepareHeld(context.Context, int) (train.Batch, error) { return one{}, nil }
func (s *still) Epoch(n int64) float64                                 { return float64(n) }
func (s *still) Learn(context.Context, train.Batch) (train.Losses, error) {
	return train.Losses{Total: 1}, nil
}
func (s *still) Judge(context.Context, train.Batch) (train.Losses, error) {
	return train.Losses{Total: 1}, nil
}

type one struct{}

func (one) Images() int       { return 1 }
func (one) Missing() []string { return nil }

// quiet starts the clock with the run, and stops it before the last checkpoint.
type quiet struct {
	journal
	b *testing.B
}

func (q *quiet) Begin(BeginReport) { q.b.ResetTimer() }
func (q *quiet) Step(StepReport)   {}
func (q *quiet) Sync() error       { q.b.StopTimer(); return nil }

// TestOneFolderByTwoPathsIsTheSame looks at settings that are paths.
func TestOneFolderByTwoPathsIsTheSame(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("model", 0o755); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(dir, "model")
	if lines := changed(map[string]string{"model": whole}, map[string]string{"model": "model"}, nil); lines != nil {
		t.Error(lines)
	}
	if lines := changed(map[string]string{"model": whole}, map[string]string{"model": dir}, nil); len(lines) != 1 {
		t.Error(lines)
	}
}

func TestSettingsThatCameLaterAreAtTheirDefaults(t *testing.T) {
	was := map[string]string{"seed": "1"}
	defaults := map[string]string{"seed": "0", "new": "off"}
	for value, want := range map[string]int{"off": 0, "on": 1} {
		if lines := changed(was, map[string]string{"seed": "1", "new": value}, defaults); len(lines) != want {
			t.Errorf("new is %s: %q", value, lines)
		}
	}
	if lines := changed(was, map[string]string{"seed": "0"}, defaults); len(lines) != 1 {
		t.Errorf("the seed has changed to its default: %q", lines)
	}
}
