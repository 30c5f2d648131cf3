package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cosmicman/artifact"
	"cosmicman/train/loop"
)

// Options say where a run is told of.
type Options struct {
	Folder string // the run's
	Title  string // of the page: what is taught, such as a LoRA's name

	// Terminal is where progress is shown; nil: nowhere. IsTerminal says that it can
	// write its last line anew, Columns how wide it is (nil: 80), Every how often a line
	// is written where it cannot; 0: 10 s.
	Terminal   io.Writer
	IsTerminal bool
	Columns    func() int
	Every      time.Duration

	// Facts of the page, in their order.
	Settings, Data, Machine []Fact

	Now func() time.Time // nil: the clock
}

// Fact is a setting, or what was found out, in a person's words.
type Fact struct{ Name, Value string }

// Journal is a loop.Reporter. Its methods are for one goroutine at a time.
type Journal struct {
	options Options
	lines   *appender
	events  *events
	bar     bar
	samples samples
	history history
	step    int64 // the last that was told of
	faults  map[string]error
	told    map[string]bool
	closed  bool
}

var _ loop.Reporter = (*Journal)(nil)

// The files of a run's folder.
const (
	linesFile    = "journal.jsonl"
	pageFile     = "report.html"
	eventsFolder = "tensorboard"
)

// Open makes a journal in a run's folder, which is made if it is not there. Nothing of
// an earlier one is changed before Begin.
func Open(o Options) (*Journal, error) {
	if o.Folder == "" {
		return nil, errors.New("a journal without a folder")
	}
	if err := os.MkdirAll(o.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("the run's folder cannot be made: %w", err)
	}
	if err := artifact.CheckWritable(filepath.Join(o.Folder, pageFile)); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	return &Journal{
		options: o,
		bar:     bar{to: o.Terminal, terminal: o.IsTerminal, columns: o.Columns, every: o.Every, now: o.Now},
		samples: samples{dir: filepath.Join(o.Folder, samplesFolder)},
		faults:  map[string]error{}, told: map[string]bool{},
	}, nil
}

// check notes what could not be written, once for each file until it can be again.
func (j *Journal) check(what string, err error) {
	if err == nil {
		delete(j.faults, what)
		delete(j.told, what)
		return
	}
	j.faults[what] = err
	if !j.told[what] {
		j.told[what] = true
		j.bar.say(fmt.Sprintf("%s cannot be written for now: %v", what, err))
	}
}

// Begin cuts what an earlier process told of steps that are made anew.
func (j *Journal) Begin(r loop.BeginReport) {
	j.step = r.Step
	j.check(linesFile, j.openLines(r))
	last := r.Step
	if r.Resumed == "" {
		last = -1 // of the beginning nothing is left either
	}
	var err error
	j.events, err = newEvents(filepath.Join(j.options.Folder, eventsFolder), last+1, j.options.Now)
	j.check(eventsFolder, err)
	if err == nil {
		j.check(eventsFolder, j.events.facts(r.Step, "settings", j.options.Settings))
	}
	j.check(samplesFolder, j.samples.cut(last))
	j.line(Line{Kind: kindBegin, Step: r.Step, Steps: r.Steps, Resumed: r.Resumed, Parameters: r.Parameters, Elapsed: seconds(r.Elapsed), Time: j.options.Now().UTC()})
	words := fmt.Sprintf("%d tensors of %d parameters, steps %d to %d", r.Tensors, r.Parameters, r.Step+1, r.Steps)
	if r.Step >= r.Steps {
		words = fmt.Sprintf("%d tensors of %d parameters, all %d steps are made", r.Tensors, r.Parameters, r.Steps)
	}
	if r.Resumed != "" {
		words += ", from " + r.Resumed
	}
	j.bar.say(words)
	j.bar.say("curves and samples: " + filepath.Join(j.options.Folder, pageFile))
	j.page()
}

// openLines opens journal.jsonl and leaves in it what was told until the run's beginning.
func (j *Journal) openLines(r loop.BeginReport) error {
	path := filepath.Join(j.options.Folder, linesFile)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines, kept, bad := parseLines(data, until(r))
	if bad > 0 {
		j.bar.say(fmt.Sprintf("%s: %d lines could not be read and are left out", path, bad))
	}
	if string(data[:len(kept)]) != string(kept) { // what goes is not at the end alone
		if err := artifact.WriteFile(path, kept); err != nil {
			return err
		}
	}
	j.history = history{}
	for _, l := range lines {
		j.history.add(l)
		if losses := l.Losses(); losses != nil && l.Kind == kindStep {
			j.bar.learn(*losses) // it goes on as it was
		}
	}
	j.lines, err = openAppender(path, int64(len(kept)))
	return err
}

// line adds one to journal.jsonl and to what the page shows.
func (j *Journal) line(l Line) {
	j.history.add(l)
	if j.lines == nil {
		return
	}
	data, err := json.Marshal(l)
	if err == nil {
		err = j.lines.add(append(data, '\n'))
	}
	j.check(linesFile, err)
}

// event writes to TensorBoard's file, if there is one.
func (j *Journal) event(write func(*events) error) {
	if j.events != nil {
		j.check(eventsFolder, write(j.events))
	}
}

// Step tells of a step.
func (j *Journal) Step(r loop.StepReport) {
	j.step = r.Step
	j.line(stepLine(r))
	j.event(func(e *events) error { return e.step(r) })
	if r.Skipped != "" {
		j.bar.say(fmt.Sprintf("step %d changed nothing: %s", r.Step, r.Skipped))
	}
	j.bar.step(r)
}

// Held tells of the held-out batches.
func (j *Journal) Held(r loop.HeldReport) {
	j.line(heldLine(r))
	j.event(func(e *events) error { return e.held(r) })
	words := fmt.Sprintf("step %d: held-out loss %.4g", r.Step, r.Losses.Total)
	if r.Average != nil {
		words += fmt.Sprintf(", with averaged weights %.4g", r.Average.Total)
	}
	j.bar.say(fmt.Sprintf("%s, %d images in %s", words, r.Images, span(r.Took)))
}

// Checkpoint tells of a checkpoint, and brings the page up to date.
func (j *Journal) Checkpoint(r loop.CheckpointReport) {
	l := Line{Kind: kindCheckpoint, Step: r.Step, Folder: r.Dir, Bytes: r.Bytes, Seconds: seconds(r.Took)}
	words := fmt.Sprintf("step %d: kept in %s, %s in %s", r.Step, r.Dir, size(r.Bytes), span(r.Took))
	if r.Err != nil {
		l.Error = r.Err.Error()
		words = fmt.Sprintf("step %d could not be kept: %v", r.Step, r.Err)
	}
	j.line(l)
	j.bar.say(words)
	j.page()
}

// Note tells a sentence.
func (j *Journal) Note(text string) {
	j.line(Line{Kind: kindNote, Step: j.step, Text: text, Time: j.options.Now().UTC()})
	j.bar.say(text)
}

// Sync has all that was told put on disk.
func (j *Journal) Sync() error {
	if j.lines != nil {
		j.check(linesFile, j.lines.sync())
	}
	j.event(func(e *events) error { return e.to.sync() })
	return j.err()
}

func (j *Journal) err() error {
	var errs []error
	for _, what := range []string{linesFile, eventsFolder, samplesFolder, pageFile} {
		if err := j.faults[what]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	return errors.Join(errs...)
}

// Close ends the journal with why the run ended, nil where all steps were made or it was
// stopped, and writes the page.
func (j *Journal) Close(why error) error {
	if j.closed {
		return nil
	}
	j.closed = true
	l := Line{Kind: kindEnd, Step: j.step, Time: j.options.Now().UTC()}
	if why != nil {
		l.Error = why.Error()
	}
	j.line(l)
	j.bar.end()
	j.page()
	if j.lines != nil {
		j.check(linesFile, errors.Join(j.lines.sync(), j.lines.close()))
	}
	j.event(func(e *events) error { return errors.Join(e.to.sync(), e.to.close()) })
	return j.err()
}

// page writes report.html.
func (j *Journal) page() {
	data, err := j.render()
	if err == nil {
		err = artifact.WriteFile(filepath.Join(j.options.Folder, pageFile), data)
	}
	j.check(pageFile, err)
}

// size is a number of bytes as people say it.
func size(bytes int64) string {
	const units = "kMGTP"
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	f, unit := float64(bytes)/1000, 0
	for f >= 999.5 && unit < len(units)-1 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.3g %cB", f, units[unit])
}
