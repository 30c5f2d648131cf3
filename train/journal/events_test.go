package journal

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cosmicman/train/loop"
)

var update = flag.Bool("update", false, "write the event files anew that oracle/eventfiles.py reads")

// killedRun tells of a run that is killed after step 13 and goes on from step 10, in the
// middle of a record, and returns its folder.
func killedRun(t *testing.T) string {
	dir := t.TempDir()
	o := Options{Folder: dir, Now: clock(), Settings: []Fact{{"rank", "16"}, {"prompt", "a | b <c>"}}}
	j := openJournal(t, o)
	j.Begin(loop.BeginReport{Steps: 16, Held: -1, Parameters: 1000})
	step := func(j *Journal, n int64) {
		j.Step(stepOfRun(n, 16))
		if n%5 == 0 {
			j.Held(loop.HeldReport{Step: n, Steps: 16, Losses: stepOfRun(n, 16).Losses})
			j.event(func(e *events) error { return e.image(n, "samples", drawing(n, 0).Bounds().Size(), []byte("as a PNG")) })
		}
	}
	for n := range int64(13) {
		step(j, n+1)
	}
	j.Close(nil)
	files := eventFiles(t, dir)
	if err := os.Truncate(files[0], fileSize(t, files[0])-7); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, o)
	j.Begin(loop.BeginReport{Step: 10, Steps: 16, Held: 10, Resumed: "step-00000010", Parameters: 1000})
	for n := range int64(6) {
		step(j, n+11)
	}
	if err := j.Close(nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func eventFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, eventsFolder, "events.out.tfevents.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d event files: %v", len(files), err)
	}
	return files
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestEventsAsTensorBoardReadsThem writes the event files of a run that was killed, and
// compares them with those of which oracle/eventfiles.py has written what TensorBoard
// reads: each step once, with the run's values.
func TestEventsAsTensorBoardReadsThem(t *testing.T) {
	files := eventFiles(t, killedRun(t))
	for i, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		golden := fmt.Sprintf("testdata/tensorboard/events.out.tfevents.%d", i+1)
		if *update {
			if err := os.WriteFile(golden, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, want) {
			t.Errorf("file %d is not %s; after `go test -update`, run oracle/eventfiles.py", i+1, golden)
		}
	}
	var read struct {
		Scalars map[string][][2]float64
		Images  map[string][]struct {
			Step, Width, Height int64
			Data                string
		}
		Texts map[string][]string
	}
	data, err := os.ReadFile("testdata/tensorboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	want := map[string][][2]float64{}
	add := func(tag string, step int64, v float64) {
		want[tag] = append(want[tag], [2]float64{float64(step), float64(float32(v))})
	}
	for n := range int64(16) {
		r := stepOfRun(n+1, 16)
		for _, group := range []string{"loss", "held"} {
			if group == "loss" || r.Step%5 == 0 {
				add(group+"/total", r.Step, r.Losses.Total)
				for _, p := range r.Losses.Parts {
					add(group+"/"+p.Name, r.Step, p.Value)
				}
			}
		}
		add("optimizer/learning_rate", r.Step, r.LearningRate)
		add("optimizer/gradient_norm", r.Step, r.GradientNorm)
		add("data/epoch", r.Step, r.Epoch)
		add("data/images", r.Step, float64(r.Images))
		add("speed/images_per_second", r.Step, r.ImagesPerSecond)
		add("speed/waiting", r.Step, 0.016)
	}
	if len(read.Scalars) != len(want) {
		t.Errorf("scalars %v, want %v", slices.Sorted(maps.Keys(read.Scalars)), slices.Sorted(maps.Keys(want)))
	}
	for tag, values := range want {
		if !slices.EqualFunc(read.Scalars[tag], values, func(a, b [2]float64) bool {
			return a[0] == b[0] && math.Abs(a[1]-b[1]) <= 1e-6*math.Abs(b[1])
		}) {
			t.Errorf("%s: TensorBoard reads %v, want %v", tag, read.Scalars[tag], values)
		}
	}
	if s := read.Images["samples"]; len(s) != 3 || s[2].Step != 15 || s[2].Width != 64 || s[2].Data != "as a PNG" {
		t.Errorf("samples: %v", s)
	}
	if s := read.Texts["settings"]; len(s) == 0 || s[0] != "| | |\n|---|---|\n| rank | 16 |\n| prompt | a \\| b &lt;c> |\n" {
		t.Errorf("settings: %q", s)
	}
}

// TestEventFilesFollowEachOther begins three within a second.
func TestEventFilesFollowEachOther(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*")
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	var names []string
	for next := range int64(3) {
		e, err := newEvents(dir, next, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.to.close(); err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(e.to.file.Name()))
		data, err := os.ReadFile(e.to.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		all := readEvents(t, data)
		if all[0].version == "" || len(all) > 1 != (next > 0) || next > 0 && (!all[1].start || all[1].step != next) {
			t.Errorf("file %d: %v", next, all)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 3 {
		t.Errorf("%v", names)
	}
}
