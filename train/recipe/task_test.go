package recipe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"cosmicman/dolls"
	"cosmicman/newmodel"
	"cosmicman/ort"
	"cosmicman/train"
)

// made are small models and a few dolls, which all tests share.
var made struct {
	sync.Mutex
	dir string
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(made.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// makeOnce returns the folder of something, which write writes where it is not there.
func makeOnce(t *testing.T, name string, write func(dir string) error) string {
	t.Helper()
	made.Lock()
	defer made.Unlock()
	if made.dir == "" {
		dir, err := os.MkdirTemp("", "recipe-*")
		if err != nil {
			t.Fatal(err)
		}
		made.dir = dir
	}
	dir := filepath.Join(made.dir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func somePeople(count int, seed uint64) func(dir string) error {
	return func(dir string) error {
		return dolls.Write(context.Background(), dir, dolls.Options{Count: count, Seed: seed, Width: 64, Height: 64, Style: dolls.Pixel})
	}
}

// opened is a run of some settings over a small model and a few dolls.
func opened(t *testing.T, arch string, change func(c *Config), said io.Writer) *Run {
	t.Helper()
	model := makeOnce(t, arch, func(dir string) error {
		a, err := newmodel.LoadArch(arch)
		if err != nil {
			return err
		}
		return newmodel.Write(t.Context(), dir, a, newmodel.Options{})
	})
	data := makeOnce(t, "dolls", somePeople(7, 5))
	rt, err := ort.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Default(TeachLoRA)
	c.Model, c.Output, c.Data = model, filepath.Join(t.TempDir(), "out"), []Source{{Path: data, Repeats: 1, Weight: 1}}
	c.Images.Width, c.Images.Height, c.Threads, c.Batch, c.HeldOut = 64, 64, 1, 2, 3
	c.Samples.Count = 0
	change(&c)
	r, err := Open(t.Context(), c, Environment{Runtime: rt, Out: said})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// taskOf makes the run's task.
func taskOf(t *testing.T, r *Run) task {
	t.Helper()
	if err := os.MkdirAll(r.config.Output, 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := r.task(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.close(); err != nil {
			t.Error(err)
		}
	})
	return made
}

// batchesOf is the run's task without a learner.
func batchesOf(t *testing.T, r *Run) *unetTask {
	t.Helper()
	if err := os.MkdirAll(r.config.Output, 0o755); err != nil {
		t.Fatal(err)
	}
	x, err := r.unetBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func prepared(t *testing.T, x train.Task, number int64) *unetBatch {
	t.Helper()
	b, err := x.Prepare(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return b.(*unetBatch)
}

// TestBatchesFollowFromTheirNumber makes batches in another order by another run, whose
// cache knows nothing.
func TestBatchesFollowFromTheirNumber(t *testing.T) {
	change := func(c *Config) {
		c.Images.Flip, c.Images.Crop, c.Loss.NoiseOffset, c.Loss.PartWeight = 0.5, "random", 0.1, 0.5
		c.Dropout.Per, c.Dropout.Share = "sample", 0.3
	}
	first := batchesOf(t, opened(t, "tiny-sdxl", change, io.Discard))
	second := batchesOf(t, opened(t, "tiny-sdxl", func(c *Config) { change(c); c.Cache.Dir = "off" }, io.Discard))
	var all []*unetBatch
	for n := range int64(5) {
		all = append(all, prepared(t, first, n))
	}
	dropped, told := 0, 0
	for n := int64(4); n >= 0; n-- {
		b := prepared(t, second, n)
		if !reflect.DeepEqual(b, all[n]) {
			t.Errorf("batch %d differs", n)
		}
		if b.Images() != 2 || len(b.TimeIDs) != 12 || len(b.Samples) != 2 || len(b.Areas) != 2*8*8 {
			t.Errorf("batch %d has %d images, %d sizes, %d samples and %d areas", n, b.Images(), len(b.TimeIDs), len(b.Samples), len(b.Areas))
		}
		for _, s := range b.Samples {
			if len(s.Groups) == 0 {
				dropped++
			} else {
				told++
			}
		}
		if slices.Equal(b.Noise[:len(b.Noise)/2], b.Noise[len(b.Noise)/2:]) {
			t.Errorf("the rows of batch %d have the same noise", n)
		}
		for o := range n {
			if slices.Equal(b.Noise, all[o].Noise) || slices.Equal(b.Timesteps, all[o].Timesteps) {
				t.Errorf("batches %d and %d have the same noise or timesteps", n, o)
			}
		}
	}
	if dropped == 0 || told == 0 {
		t.Errorf("%d rows without text, %d with", dropped, told)
	}
	// Held-out batches are always the same, and no part of their text is dropped.
	steps := map[int]bool{}
	for n := range first.Held() {
		a, err := first.PrepareHeld(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		b, err := second.PrepareHeld(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("held-out batch %d differs", n)
		}
		for i, s := range a.(*unetBatch).Samples {
			if len(s.Groups) < 3 {
				t.Errorf("held-out batch %d: a caption has %d groups", n, len(s.Groups))
			}
			steps[a.(*unetBatch).Timesteps[i]/334] = true
		}
	}
	if first.Held() != 2 || len(steps) < 3 {
		t.Errorf("%d held-out batches with timesteps in %d of 3 parts", first.Held(), len(steps))
	}
}

// TestBatchesWithoutText drops whole batches' texts, as the published code does.
func TestBatchesWithoutText(t *testing.T) {
	x := batchesOf(t, opened(t, "tiny-sd", func(c *Config) { c.Dropout.Share = 0.4; c.HeldOut = 0 }, io.Discard))
	with, without := 0, 0
	for n := range int64(12) {
		b := prepared(t, x, n)
		empty := 0
		for _, s := range b.Samples {
			if len(s.Groups) == 0 {
				empty++
			}
		}
		switch empty {
		case 0:
			with++
		case 2:
			without++
			half := len(b.States) / 2
			if !slices.Equal(b.States[:half], b.States[half:]) {
				t.Errorf("batch %d: rows without text differ", n)
			}
		default:
			t.Errorf("batch %d: %d of 2 rows without text", n, empty)
		}
	}
	if with == 0 || without == 0 {
		t.Errorf("%d batches with text, %d without", with, without)
	}
}

// TestUnreadableImagesAreNamed removes a file after the run was opened: it is counted, or
// ends the run before its first step.
func TestUnreadableImagesAreNamed(t *testing.T) {
	var said bytes.Buffer
	own := filepath.Join(t.TempDir(), "own")
	if err := os.CopyFS(own, os.DirFS(makeOnce(t, "dolls", somePeople(7, 5)))); err != nil {
		t.Fatal(err)
	}
	settings := func(c *Config) { c.Data[0].Path, c.HeldOut, c.Batch, c.Steps, c.Unreadable = own, 0, 7, 1, "count" }
	r := opened(t, "tiny-sd", settings, &said)
	refuse := opened(t, "tiny-sd", func(c *Config) {
		settings(c)
		c.Unreadable, c.Images.Flip = "refuse", 0.5
	}, io.Discard)
	gone := r.set.Items()[2]
	if err := os.Remove(gone.Path()); err != nil {
		t.Fatal(err)
	}
	done, err := r.Learn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Written) != 1 || done.Stopped {
		t.Errorf("%+v", done)
	}
	if !strings.Contains(said.String(), gone.Path()+": is not there") {
		t.Errorf("%s is not named in:\n%s", gone.Path(), &said)
	}
	want := "dataset: 1 images cannot be used:\n  " + gone.Path() + ": is not there"
	if _, err := refuse.Learn(t.Context()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestTextEncodersMoveBesideTheUNet learns a step, by which every part must change.
func TestTextEncodersMoveBesideTheUNet(t *testing.T) {
	for arch, teach := range map[string]Teach{"tiny-sd": TeachUNet, "tiny-sdxl": TeachLoRA} {
		x := taskOf(t, opened(t, arch, func(c *Config) { c.Teach, c.TextEncoders, c.HeldOut = teach, true, 0 }, io.Discard))
		b := prepared(t, x, 0)
		losses, err := x.Learn(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		judged, err := x.Judge(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if losses.Total <= 0 || losses.Total != judged.Total {
			t.Errorf("%s: loss %v, judged %v", arch, losses, judged)
		}
		moved, names := map[string]int{}, map[string]bool{}
		for _, v := range x.Tensors() {
			if names[v.Name] {
				t.Errorf("%s: two tensors are called %s", arch, v.Name)
			}
			names[v.Name] = true
			part, _, _ := strings.Cut(v.Name, ".")
			if slices.ContainsFunc(v.Gradient, func(g float32) bool { return g != 0 }) {
				moved[part]++
			}
		}
		for _, part := range []string{"unet", "text_encoder", "text_encoder_2"} {
			if want := part != "text_encoder_2" || arch == "tiny-sdxl"; (moved[part] > 5) != want {
				t.Errorf("%s: %d tensors of %s have gradients", arch, moved[part], part)
			}
		}
	}
}

// TestPriorImagesWeigh has two sources, one of which is to be kept.
func TestPriorImagesWeigh(t *testing.T) {
	r := opened(t, "tiny-sd", func(c *Config) {
		more := makeOnce(t, "more", somePeople(3, 6))
		c.Data = append(c.Data, Source{Path: more, Repeats: 2, Weight: 0.25, Prior: true, Trigger: "somebody"})
		c.HeldOut = 2
	}, io.Discard)
	x := batchesOf(t, r)
	weights := map[float64]int{}
	for n := range int64(r.facts.Batches) {
		b := prepared(t, x, n)
		if b.Weights == nil {
			weights[1] += b.Images()
		}
		for _, w := range b.Weights {
			weights[w]++
		}
	}
	if weights[1] < 5 || weights[0.25] < 6 || len(weights) != 2 {
		t.Errorf("weights %v, want 5 of 1 and 6 of 0.25", weights)
	}
	for _, i := range r.set.Held {
		if i.Source.Prior {
			t.Errorf("%s is held out", i.Name)
		}
	}
}

// TestRunsThatDoNotFit are refused when they are opened or before they begin.
func TestRunsThatDoNotFit(t *testing.T) {
	r := opened(t, "tiny-sd", func(c *Config) { c.Memory = 1 << 20 }, io.Discard)
	if _, err := r.Learn(t.Context()); err == nil || !strings.Contains(err.Error(), "memory: the run takes about") {
		t.Errorf("error %v, want one of memory", err)
	}
	if _, err := os.Stat(r.config.Output); err == nil {
		t.Error("something was written")
	}
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(r.config.Data[0].Path, "images", "00000"))); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"hola.strides [12] pick no layer":                func(c *Config) { c.HOLA.Strides = []int64{12} },
		"images.size is 60x64, expected multiples of 8":  func(c *Config) { c.Images.Width = 60 },
		"hola.use is on, but no image has a parsing map": func(c *Config) { c.HOLA.Use, c.Data[0].Path, c.Data[0].Caption = "on", folder, "a person" },
		"folder/out is in ": func(c *Config) {
			c.Data[0].Path, c.Data[0].Caption, c.Output = folder, "a person", filepath.Join(folder, "out")
		},
		"text_encoder, a part of the model":                  func(c *Config) { c.Output = c.Model },
		"nowhere: is not there":                              func(c *Config) { c.Data[0].Path = "nowhere" },
		"maps.labels: ":                                      func(c *Config) { c.Maps.Labels = "colours" },
		"nomodel: no such folder":                            func(c *Config) { c.Model = "nomodel" },
		"buckets: step is 12, expected a multiple of 8":      func(c *Config) { c.Images.Step = 12 },
		"lora.targets has \"nothing.*\", which is no module": func(c *Config) { c.LoRA.Targets = []string{"nothing.*"} },
	} {
		c := r.config
		c.Data, c.Memory = slices.Clone(c.Data), 0
		change(&c)
		other, err := Open(t.Context(), c, r.env)
		if err == nil {
			_, err = other.Learn(t.Context())
			if closed := other.Close(); closed != nil {
				t.Error(closed)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
