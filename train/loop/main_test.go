package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cosmicman/tensor"
	"cosmicman/train"
)

// The variables that make the test's binary a run that can be killed.
const (
	childFolder = "LOOP_TEST_FOLDER"
	childKind   = "LOOP_TEST_KIND"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		child(os.Getenv(childKind), folder)
		return
	}
	goleak.VerifyTestMain(m)
}

// regression is a task with exact gradients: y = W x + b is held to a curve, on
// points that follow from a batch's number.
type regression struct {
	tensors []train.Tensor
	rows    int
	held    int
	per     float64 // batches an epoch

	prepare func(ctx context.Context, number int64) error // before a batch is made
	learn   func(number int64) error                      // before it is learned from
	missing func(number int64) []string
	images  func(number int64) int
	bad     func(number int64) bool                    // gradients with no number in them
	loses   func(purpose string, number int64) float64 // to be added to losses
}

const (
	features = 5
	outputs  = 7
)

func newRegression() *regression {
	t := &regression{rows: 3, held: 4, per: 10}
	for _, x := range []struct {
		name  string
		shape tensor.Shape
	}{{"weight", tensor.Shape{outputs, features}}, {"bias", tensor.Shape{outputs}}} {
		n, _ := x.shape.Elements()
		c := train.Chance(1, x.name)
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(c.NormFloat64())
		}
		t.tensors = append(t.tensors, train.Tensor{Name: x.name, Shape: x.shape, Values: v, Gradient: make([]float32, n)})
	}
	return t
}

type points struct {
	purpose string
	number  int64
	x, y    [][]float64
	missing []string
}

func (p *points) Images() int       { return len(p.x) }
func (p *points) Missing() []string { return p.missing }

func (t *regression) Tensors() []train.Tensor { return t.tensors }
func (t *regression) Held() int               { return t.held }
func (t *regression) Epoch(n int64) float64   { return float64(n) / t.per }

func (t *regression) draw(purpose string, number int64, rows int) *points {
	p := &points{purpose: purpose, number: number}
	for row := range rows {
		c := train.Chance(7, purpose, number, int64(row))
		x, y := make([]float64, features), make([]float64, outputs)
		for i := range x {
			x[i] = c.NormFloat64()
		}
		for i := range y {
			y[i] = math.Sin(float64(i)*x[i%features]) + 0.1*c.NormFloat64()
		}
		p.x, p.y = append(p.x, x), append(p.y, y)
	}
	return p
}

func (t *regression) Prepare(ctx context.Context, number int64) (train.Batch, error) {
	if t.prepare != nil {
		if err := t.prepare(ctx, number); err != nil {
			return nil, err
		}
	}
	rows := t.rows
	if t.images != nil {
		rows = t.images(number)
	}
	p := t.draw("batch", number, rows)
	if t.missing != nil {
		p.missing = t.missing(number)
	}
	return p, nil
}

func (t *regression) PrepareHeld(_ context.Context, number int) (train.Batch, error) {
	return t.draw("held", int64(number), 1+number), nil
}

// loss is the mean square of what y is off, and adds to gradients if there are any.
func (t *regression) loss(p *points, gradients bool) train.Losses {
	w, b := t.tensors[0], t.tensors[1]
	var sum float64
	n := float64(len(p.x) * outputs)
	for row, x := range p.x {
		for o := range outputs {
			off := float64(b.Values[o]) - p.y[row][o]
			for i, v := range x {
				off += float64(w.Values[o*features+i]) * v
			}
			sum += off * off / n
			if gradients {
				b.Gradient[o] += float32(2 * off / n)
				for i, v := range x {
					w.Gradient[o*features+i] += float32(2 * off * v / n)
				}
			}
		}
	}
	if t.loses != nil {
		sum += t.loses(p.purpose, p.number)
	}
	l := train.Losses{Total: sum, Parts: []train.Part{{Name: "square", Value: sum}}}
	if p.number%2 == 1 {
		l.Parts = append(l.Parts, train.Part{Name: "odd", Value: 10 * sum})
	}
	return l
}

func (t *regression) Learn(_ context.Context, b train.Batch) (train.Losses, error) {
	p := b.(*points)
	if t.learn != nil {
		if err := t.learn(p.number); err != nil {
			return train.Losses{}, err
		}
	}
	l := t.loss(p, true)
	if t.bad != nil && t.bad(p.number) {
		t.tensors[1].Gradient[2] = float32(math.NaN())
	}
	return l, nil
}

func (t *regression) Judge(_ context.Context, b train.Batch) (train.Losses, error) {
	return t.loss(b.(*points), false), nil
}

// journal keeps what a run tells, in memory and as lines of a file, cut back as a
// journal is when a run goes on.
type journal struct {
	path  string // "" keeps none
	lines []string
	begun []BeginReport
	steps []StepReport
	helds []HeldReport
	saves []CheckpointReport
	notes []string
	syncs int
	after func(what string, step int64) // may be nil
}

func (j *journal) told(what string, step int64) {
	if j.after != nil {
		j.after(what, step)
	}
}

func (j *journal) line(what string, step int64, l ...float64) {
	text := fmt.Sprintf("%d %s", step, what)
	for _, v := range l {
		text += " " + strconv.FormatFloat(v, 'x', -1, 64) // every bit
	}
	j.lines = append(j.lines, text)
	if j.path == "" {
		return
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

func (j *journal) Begin(b BeginReport) {
	j.begun = append(j.begun, b)
	if j.path != "" {
		data, err := os.ReadFile(j.path)
		if err != nil && !os.IsNotExist(err) {
			panic(err)
		}
		var kept bytes.Buffer
		for line := range bytes.Lines(data) {
			number, _, _ := strings.Cut(string(line), " ")
			step, err := strconv.ParseInt(number, 10, 64)
			last := b.Step
			if strings.Contains(string(line), " held ") {
				last = b.Held
			}
			if b.Resumed != "" && bytes.HasSuffix(line, []byte("\n")) && err == nil && step <= last {
				kept.Write(line)
			}
		}
		if err := os.WriteFile(j.path, kept.Bytes(), 0o644); err != nil {
			panic(err)
		}
	}
	j.told("begin", b.Step)
}

func (j *journal) Step(s StepReport) {
	j.steps = append(j.steps, s)
	numbers := []float64{s.Losses.Total, s.LearningRate, s.GradientNorm, s.Epoch, float64(s.Images), float64(s.Lost), float64(s.Skips)}
	for _, p := range s.Losses.Parts {
		numbers = append(numbers, p.Value)
	}
	j.line("step", s.Step, numbers...)
	j.told("step", s.Step)
}

func (j *journal) Held(h HeldReport) {
	j.helds = append(j.helds, h)
	numbers := []float64{h.Losses.Total}
	if h.Average != nil {
		numbers = append(numbers, h.Average.Total)
	}
	j.line("held", h.Step, numbers...)
	j.told("held", h.Step)
}

func (j *journal) Sync() error {
	j.syncs++
	j.told("sync", 0)
	return nil
}

func (j *journal) Checkpoint(c CheckpointReport) {
	j.saves = append(j.saves, c)
	j.told("checkpoint", c.Step)
}

func (j *journal) Note(text string) { j.notes = append(j.notes, text) }

// config is a run of a few steps.
func config(folder string) Config {
	return Config{
		Folder:     folder,
		Steps:      20,
		Accumulate: 2,
		Optimizer:  train.DefaultAdamW(),
		Schedule:   Schedule{Name: "cosine", Rate: 1e-2, Warmup: 3},
		Average:    &train.EMA{Decay: 0.9},
		MaxSkips:   3,
		Held:       Held{Every: 7, First: true, Average: true},
		Checkpoint: Checkpoint{Every: 6, Keep: 2},
		Fixed:      map[string]string{"learning_rate": "0.01"},
		Free:       map[string]string{"steps": "20"},
	}
}

// mustRun runs to the end.
func mustRun(t *testing.T, c Config, task train.Task, j *journal) *Result {
	t.Helper()
	result, err := Run(t.Context(), c, task, j)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// contents are the files of a checkpoint but for the times in its state.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"values", "first_moments", "second_moments", "average"} {
		data, err := os.ReadFile(filepath.Join(dir, name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(data)
	}
	data, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseState(data)
	if err != nil {
		t.Fatal(err)
	}
	s.Elapsed = 0
	all["state"] = fmt.Sprintf("%+v", *s)
	return all
}

// sameCheckpoint compares two, bit for bit.
func sameCheckpoint(t *testing.T, got, want string) {
	t.Helper()
	a, b := contents(t, got), contents(t, want)
	for name := range b {
		if a[name] != b[name] {
			t.Errorf("%s differs between %s and %s", name, got, want)
			if name == "state" {
				t.Errorf("%s\n%s", a[name], b[name])
			}
		}
	}
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the run told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// onceClosed is a channel that may be closed by several.
func onceClosed() (<-chan struct{}, func()) {
	c := make(chan struct{})
	return c, sync.OnceFunc(func() { close(c) })
}

func folders(t *testing.T, folder string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, e.Name())
		}
	}
	return all
}

// within ends a test's context long before the test's own end, so that a hang is told.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, errors.New("it hangs"))
	t.Cleanup(cancel)
	return ctx
}
