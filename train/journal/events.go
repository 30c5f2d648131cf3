package journal

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cosmicman/train"
	"cosmicman/train/loop"
)

// events writes TensorBoard's event files. A run that goes on begins a file of its own,
// which tells readers to forget what earlier ones say of the steps that are made anew.
type events struct {
	to  *appender
	now func() time.Time
}

// newEvents begins a file in a folder for a run whose first step is next.
func newEvents(dir string, next int64, now func() time.Time) (*events, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// Readers take files in the order of their names, which begin with the second.
	second := now().Unix()
	files, err := filepath.Glob(filepath.Join(escapeGlob(dir), "events.out.tfevents.*"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(f), "events.out.tfevents."), ".")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= second && n < 1e10-1 {
			second = n + 1
		}
	}
	to, err := openAppender(filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.cosmicman.%d", second, os.Getpid())), 0)
	if err != nil {
		return nil, err
	}
	e := &events{to, now}
	err = e.write(event{at: now(), version: "brain.Event:2"})
	if err == nil && len(files) > 0 {
		err = e.write(event{at: now(), step: next, start: true})
	}
	if err != nil {
		return nil, errors.Join(err, to.close())
	}
	return e, nil
}

// escapeGlob makes a pattern of a folder's name that matches it alone.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func (e *events) write(one event) error { return e.to.add(appendRecord(nil, one.encode())) }

func (e *events) values(step int64, values ...value) error {
	return e.write(event{at: e.now(), step: step, values: values})
}

func (e *events) step(r loop.StepReport) error {
	var v []value
	if len(r.Losses.Parts) > 0 || r.Losses.Total != 0 {
		v = losses("loss", r.Losses)
	}
	share := 0.0
	if r.Took > 0 {
		share = float64(r.Waited) / float64(r.Took)
	}
	return e.values(r.Step, append(v,
		value{tag: "optimizer/learning_rate", scalar: r.LearningRate},
		value{tag: "optimizer/gradient_norm", scalar: r.GradientNorm},
		value{tag: "data/epoch", scalar: r.Epoch},
		value{tag: "data/images", scalar: float64(r.Images)},
		value{tag: "speed/images_per_second", scalar: r.ImagesPerSecond},
		value{tag: "speed/waiting", scalar: share})...)
}

func (e *events) held(r loop.HeldReport) error {
	v := losses("held", r.Losses)
	if r.Average != nil {
		v = append(v, losses("held_average", *r.Average)...)
	}
	return e.values(r.Step, v...)
}

func losses(group string, l train.Losses) []value {
	v := []value{{tag: group + "/total", scalar: l.Total}}
	for _, p := range l.Parts {
		v = append(v, value{tag: group + "/" + p.Name, scalar: p.Value})
	}
	return v
}

// image adds a picture, given as a PNG too.
func (e *events) image(step int64, tag string, size image.Point, png []byte) error {
	return e.values(step, value{tag: tag, png: png, width: size.X, height: size.Y})
}

// facts adds a table of settings.
func (e *events) facts(step int64, tag string, facts []Fact) error {
	if len(facts) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range facts {
		fmt.Fprintf(&b, "| %s | %s |\n", cell(f.Name), cell(f.Value))
	}
	return e.values(step, value{tag: tag, text: b.String()})
}

// cell is a text in a table of Markdown.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
