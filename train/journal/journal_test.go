package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cosmicman/train"
	"cosmicman/train/loop"
)

// curveOf are the lines that are the same in each run, without times.
func curveOf(t *testing.T, dir string) (out []Line) {
	t.Helper()
	lines, err := ReadLines(filepath.Join(dir, linesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Kind == kindStep || l.Kind == kindHeld {
			out = append(out, l)
		}
	}
	return out
}

func resumed(step, held, steps int64) loop.BeginReport {
	return loop.BeginReport{Step: step, Held: held, Steps: steps, Resumed: fmt.Sprintf("step-%08d", step), Parameters: 10, Tensors: 1}
}

// TestCurveOfAKilledRun: whatever a killed process left behind its last checkpoint, the
// lines after going on are those of a run that was not killed.
func TestCurveOfAKilledRun(t *testing.T) {
	whole := t.TempDir()
	j := openJournal(t, Options{Folder: whole})
	j.Begin(loop.BeginReport{Steps: 300, Held: -1})
	tell(t, j, 0, 300, 300)
	smooth := j.bar.smooth["loss"].value()
	if err := j.Close(nil); err != nil {
		t.Fatal(err)
	}
	want := curveOf(t, whole)
	if len(want) != 303 {
		t.Fatalf("%d lines", len(want))
	}
	for name, damage := range map[string]func(data []byte) []byte{
		"as it is":          func(b []byte) []byte { return b },
		"torn":              func(b []byte) []byte { return b[:len(b)-40] },
		"torn at a newline": func(b []byte) []byte { return b[:len(b)-1] },
		"with zeros":        func(b []byte) []byte { return append(b, make([]byte, 512)...) },
		"a line of zeros":   func(b []byte) []byte { return append(append(b, make([]byte, 100)...), "\n{\"step\":3}\n"...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			killed := openJournal(t, Options{Folder: dir})
			killed.Begin(loop.BeginReport{Steps: 300, Held: -1})
			tell(t, killed, 0, 257, 300)
			path := filepath.Join(dir, linesFile)
			data, err := os.ReadFile(path) // as a killed process leaves it
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o644); err != nil {
				t.Fatal(err)
			}
			j := openJournal(t, Options{Folder: dir})
			j.Begin(resumed(200, 200, 300))
			if got := curveOf(t, dir); len(got) != 202 {
				t.Fatalf("%d lines after it was cut", len(got))
			}
			if len(j.history.curves["loss"].steps) != 200 {
				t.Errorf("the page begins with %d steps", len(j.history.curves["loss"].steps))
			}
			tell(t, j, 200, 300, 300)
			if got, want := j.bar.smooth["loss"].value(), smooth; got != want {
				t.Errorf("the smoothed loss is %g, want %g", got, want)
			}
			if err := j.Close(nil); err != nil {
				t.Fatal(err)
			}
			if got := curveOf(t, dir); !reflect.DeepEqual(got, want) {
				t.Errorf("%d lines, or another curve than that of a run that was not killed", len(got))
			}
		})
	}
}

// TestHeldIsJudgedAgain: a run that was stopped after step 200 before its held-out
// batches were judged judges them again, and what was told of it is void.
func TestHeldIsJudgedAgain(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 300, Held: -1})
	tell(t, j, 0, 200, 300)
	j.Close(nil)
	j = openJournal(t, Options{Folder: dir})
	j.Begin(resumed(200, 100, 300))
	j.Held(loop.HeldReport{Step: 200, Losses: train.Losses{Total: 7}})
	j.Close(nil)
	var held []number
	for _, l := range curveOf(t, dir) {
		if l.Kind == kindHeld {
			held = append(held, *l.Loss)
		}
	}
	if len(held) != 2 || held[1] != 7 {
		t.Errorf("held-out losses %v", held)
	}
}

// TestRunFromItsBeginning in a folder of another leaves nothing of it.
func TestRunFromItsBeginning(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 100, Held: -1})
	tell(t, j, 0, 100, 100)
	if err := j.Samples(0, drawn(0, 1)); err != nil {
		t.Fatal(err)
	}
	j.Close(nil)
	j = openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 50, Held: -1})
	if err := j.Close(errors.New("no more")); err != nil {
		t.Fatal(err)
	}
	lines, err := ReadLines(filepath.Join(dir, linesFile))
	if err != nil || len(lines) != 2 || lines[0].Kind != kindBegin || lines[0].Steps != 50 || lines[1].Error != "no more" {
		t.Errorf("%+v: %v", lines, err)
	}
	if steps := j.samples.steps(); len(steps) != 0 {
		t.Errorf("samples of steps %v", steps)
	}
}

// TestLinesSayWhatHappened reads each kind of line back.
func TestLinesSayWhatHappened(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 9, Held: -1, Parameters: 12, Tensors: 3})
	r := stepOfRun(1, 9)
	r.Lost = 2
	j.Step(r)
	j.Step(loop.StepReport{Step: 2, Steps: 9, Skipped: "the gradients are not finite", Skips: 1})
	j.Held(loop.HeldReport{Step: 2, Losses: train.Losses{Total: math.Inf(1)}, Average: &train.Losses{Total: 0.5, Parts: []train.Part{{Name: "noise", Value: math.NaN()}}}})
	j.Note("a \"quoted\"\nnote")
	j.Checkpoint(loop.CheckpointReport{Step: 2, Dir: "d", Err: errors.New("the disk is full")})
	if err := j.Samples(2, drawn(2, 2)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, linesFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if !json.Valid(line) {
			t.Errorf("no JSON: %s", line)
		}
	}
	l, err := ReadLines(filepath.Join(dir, linesFile))
	if err != nil || len(l) != 8 {
		t.Fatalf("%d lines: %v", len(l), err)
	}
	if l[1].Losses().Total != r.Losses.Total || !slices.Equal(l[1].Losses().Parts, r.Losses.Parts) || float64(*l[1].GradientNorm) != r.GradientNorm || l[1].Lost != 2 {
		t.Errorf("step 1: %+v", l[1])
	}
	if l[2].Losses() != nil || l[2].Skipped == "" || l[2].LearningRate == nil {
		t.Errorf("step 2: %+v", l[2])
	}
	if l[3].Loss != nil || *l[3].AverageLoss != 0.5 || !math.IsNaN(l[3].AverageParts[0].Value) {
		t.Errorf("held: %+v", l[3])
	}
	if l[4].Text != "a \"quoted\"\nnote" || l[4].Step != 2 || l[5].Error != "the disk is full" || len(l[6].Prompts) != 2 || l[7].Kind != kindEnd {
		t.Errorf("the others: %+v", l[4:])
	}
}

// TestFullDisk lets a file take nothing for a while: what was told then follows later.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	var told bytes.Buffer
	j := openJournal(t, Options{Folder: dir, Terminal: &told, Every: time.Hour})
	j.Begin(loop.BeginReport{Steps: 10, Held: -1})
	j.Step(stepOfRun(1, 10))
	good := j.lines.file
	bad, err := os.Open(good.Name()) // takes nothing
	if err != nil {
		t.Fatal(err)
	}
	j.lines.file = bad
	j.Step(stepOfRun(2, 10))
	j.Step(stepOfRun(3, 10))
	if err := j.Sync(); err == nil || !strings.Contains(err.Error(), linesFile) {
		t.Errorf("error %v", err)
	}
	if n := strings.Count(told.String(), "cannot be written for now"); n != 1 {
		t.Errorf("told %d times: %s", n, &told)
	}
	j.lines.file = good
	if err := bad.Close(); err != nil {
		t.Fatal(err)
	}
	j.Step(stepOfRun(4, 10))
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for _, l := range curveOf(t, dir) {
		steps = append(steps, l.Step)
	}
	if !slices.Equal(steps, []int64{1, 2, 3, 4}) {
		t.Errorf("steps %v", steps)
	}
}

func TestJournalFaults(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("a journal without a folder was opened")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Folder: file}); err == nil {
		t.Error("a journal in a file was opened")
	}
	if l, err := ReadLines(filepath.Join(t.TempDir(), "none")); len(l) != 0 || err != nil {
		t.Errorf("%v, %v of no file", l, err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, linesFile), 0o755); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 2, Held: -1})
	j.Step(stepOfRun(1, 2)) // goes on without the file
	if err := j.Sync(); err == nil || !strings.Contains(err.Error(), linesFile) {
		t.Errorf("error %v", err)
	}
	if err := j.Samples(1, nil); err == nil {
		t.Error("no samples were kept")
	}
}

// TestSamplesOverTime keeps samples of many steps, cuts and goes on.
func TestSamplesOverTime(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, Options{Folder: dir})
	j.Begin(loop.BeginReport{Steps: 100, Held: -1})
	for step := int64(0); step <= 39; step += 3 {
		if err := j.Samples(step, drawn(step, 1)); err != nil {
			t.Fatal(err)
		}
	}
	j.Close(nil)
	before := strip1(t, dir)
	if w := before.Bounds().Dx(); w != 2*sheetMargin+maxStrip*(192+cellGap)-cellGap {
		t.Errorf("the strip is %d wide", w)
	}
	j = openJournal(t, Options{Folder: dir})
	j.Begin(resumed(31, 31, 100))
	if steps := j.samples.steps(); len(steps) != 11 || steps[10] != 30 {
		t.Errorf("steps %v are left", steps)
	}
	for step := int64(33); step <= 39; step += 3 {
		if err := j.Samples(step, drawn(step, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(before.Pix, strip1(t, dir).Pix) {
		t.Error("the strip is another after the run was gone on with")
	}
	for _, name := range []string{"samples/step-00000039.png", "samples/step-00000039/01.png"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func strip1(t *testing.T, dir string) *image.NRGBA {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, samplesFolder, "prompt-01.png"))
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return nrgba(img)
}

func TestSome(t *testing.T) {
	for n, want := range map[int][]int{12: {0, 1, 2, 3, 4}, 5: {0, 1, 2, 3, 4}, 3: {0, 2, 4}, 2: {0, 4}} {
		if got := some([]int{0, 1, 2, 3, 4}, n); !slices.Equal(got, want) {
			t.Errorf("%d of five: %v", n, got)
		}
	}
}

// TestPage looks for what a reader is to see, as text and never as markup.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, Options{
		Folder: dir, Title: "LoRA <script>alert(1)</script>",
		Settings: []Fact{{"rank", "16 <b>"}}, Data: []Fact{{"images", "24"}}, Machine: []Fact{{"cores", "2"}},
	})
	j.Begin(loop.BeginReport{Steps: 400, Held: -1, Parameters: 797184})
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, pageFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if p := read(); !strings.Contains(p, "Step 0 of 400") || strings.Contains(p, "<svg") {
		t.Error("the page of a run's beginning")
	}
	j.Note("<i>013.jpg</i> cannot be read")
	for _, step := range []int64{0, 100} {
		if err := j.Samples(step, drawn(step, 2)); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, j, 0, 300, 400)
	p := read()
	for _, want := range []string{
		"<title>LoRA &lt;script&gt;alert(1)&lt;/script&gt;</title>", "16 &lt;b&gt;", "&lt;i&gt;013.jpg&lt;/i&gt;", "a &lt;b&gt;red&lt;/b&gt; &amp; plaid",
		"Step 300 of 400", "held out, averaged weights", "Part of the loss: hola", "Gradient norm", "step-00000300", "123 MB", "797.2k", "data:image/jpeg;base64,",
		"Content-Security-Policy", "prefers-color-scheme: dark",
	} {
		if !strings.Contains(p, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "<i>013", "http://", "https://", "NaN", "Inf"} {
		if strings.Contains(p, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if n := strings.Count(p, "<img"); n != 4 {
		t.Errorf("%d images", n)
	}
	if err := j.Close(errors.New("the disk <is> full")); err != nil {
		t.Fatal(err)
	}
	if p := read(); !strings.Contains(p, "Ended at step 300 of 400") || !strings.Contains(p, "the disk &lt;is&gt; full") {
		t.Error("the page of a run that failed")
	}
	if err := j.Close(nil); err != nil { // again
		t.Fatal(err)
	}
}

func FuzzLines(f *testing.F) {
	for _, l := range []Line{stepLine(stepOfRun(3, 9)), heldLine(loop.HeldReport{Step: 4, Average: &train.Losses{Total: math.NaN()}}), {Kind: kindSamples, Prompts: []string{"a", "b\n"}}} {
		data, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(data, '\n'))
		f.Add(append(append(append(data, '\n'), data...), data[:9]...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, kept, bad := parseLines(data, func(l Line) bool { return l.Step < 5 })
		again, same, worse := parseLines(kept, func(Line) bool { return true })
		if len(again) != len(lines) || !bytes.Equal(same, kept) || worse != 0 || len(lines)+bad > bytes.Count(data, []byte("\n")) {
			t.Errorf("%d lines and %d bad ones, then %d and %d", len(lines), bad, len(again), worse)
		}
		var h history
		for _, l := range lines { // whatever a file says can be shown
			h.add(l)
			if _, err := json.Marshal(l); err != nil {
				t.Error(err)
			}
		}
		for _, c := range h.charts() {
			c.SVG()
		}
	})
}

func BenchmarkStep(b *testing.B) {
	j := openJournal(b, Options{})
	j.Begin(loop.BeginReport{Steps: 1 << 30, Held: -1})
	n := int64(0)
	for b.Loop() {
		n++
		j.Step(stepOfRun(n, 1<<30))
	}
}

// BenchmarkPage writes the page of a run of 100,000 steps.
func BenchmarkPage(b *testing.B) {
	j := openJournal(b, Options{})
	for n := range int64(100_000) {
		j.history.add(stepLine(stepOfRun(n+1, 100_000)))
	}
	for b.Loop() {
		if _, err := j.render(); err != nil {
			b.Fatal(err)
		}
	}
}
