package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler/worker"
)

func drawingOf(change func(*job.Drawing)) job.Drawing {
	d := job.Drawing{Prompt: "a headshot", Sampler: "ddim", Steps: 2, GuidanceScale: 5, Seed: 7, Width: 32, Height: 40}
	if change != nil {
		change(&d)
	}
	return d
}

// TestEngineDrawsWhatGenerateDraws compares files byte for byte: both ways through
// the program draw one image, with one text in it.
func TestEngineDrawsWhatGenerateDraws(t *testing.T) {
	ref, out := tiny(t, "tiny-sd"), filepath.Join(t.TempDir(), "out.png")
	var text bytes.Buffer
	e := &environment{stdout: &text, stderr: &text, getenv: os.Getenv}
	args := []string{"generate", "--model", ref, "--library", library(t), "--prompt", "a headshot", "--negative-prompt", "blue", "--sampler", "euler_a",
		"--steps", "3", "--guidance-scale", "5", "--seed", "9", "--width", "32", "--height", "40", "--output", out}
	if code := run(t.Context(), e, args); code != 0 {
		t.Fatalf("generate: exit code %d: %s", code, &text)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m := openModel(t, openEngine(t, inference.Settings{}, modelRef{Name: "model", Ref: ref}), "model")
	negative := "blue"
	s := begin(t, m, worker.Start{Image: 2, Drawing: drawingOf(func(d *job.Drawing) {
		d.NegativePrompt, d.Sampler, d.Steps = &negative, "euler_a", 3
	})})
	for !finished(s) {
		step(t, m, s)
	}
	if !bytes.Equal(encode(t, m, s), want) {
		t.Error("the files differ")
	}
	bare := begin(t, m, worker.Start{Drawing: drawingOf(func(d *job.Drawing) { d.NoMetadata, d.Steps = true, 1 })})
	step(t, m, bare)
	if data := encode(t, m, bare); bytes.Contains(data, []byte("Steps:")) {
		t.Error("no metadata was asked for, and some is there")
	}
}

func TestEngineSequence(t *testing.T) {
	e := openEngine(t, inference.Settings{}, modelRef{Name: "sd", Ref: tiny(t, "tiny-sd")})
	infos := e.Models()
	m := openModel(t, e, "sd")
	if len(infos) != 1 || infos[0].Name != "sd" || infos[0].Bytes < 1e6 || m.Bytes() < infos[0].Bytes/2 {
		t.Errorf("%+v, loaded %d bytes", infos, m.Bytes())
	}
	if e.Device() == "" || !strings.HasPrefix(e.Fingerprint(), "cpu fp32 ort1.") {
		t.Errorf("device %q, fingerprint %q", e.Device(), e.Fingerprint())
	}
	s := begin(t, m, worker.Start{Drawing: drawingOf(nil)})
	if _, err := m.Preview(t.Context(), s); err == nil || s.Sketch() != nil {
		t.Error("a preview before the first call")
	}
	if g := s.Group(); g != (job.Group{Model: "sd", Height: 5, Width: 4, Tokens: 77}) || s.Rows() != 2 || s.Text().Tokens != 2 {
		t.Errorf("group %v, %d rows, %d tokens", g, s.Rows(), s.Text().Tokens)
	}
	step(t, m, s)
	if p, err := m.Preview(t.Context(), s); err != nil {
		t.Errorf("no preview: %v", err)
	} else if w, h := p.Size(); w != 32 || h != 40 {
		t.Errorf("a preview of %dx%d", w, h)
	}
	if done, all := s.Calls(); done != 1 || all != 2 {
		t.Errorf("call %d of %d", done, all)
	}
	native := begin(t, m, worker.Start{Drawing: drawingOf(func(d *job.Drawing) { d.Width, d.Height = 0, 0 })})
	if g := native.Group(); g.Width != g.Height || g.Width < 8 {
		t.Errorf("no size was asked for, and the group is %v", g)
	}
}

// TestWrongDrawingsFailAlone: every fault has its field, in the API's words, and good
// images of the same call are begun.
func TestWrongDrawingsFailAlone(t *testing.T) {
	m := openModel(t, openEngine(t, inference.Settings{}, modelRef{Name: "sd", Ref: tiny(t, "tiny-sd")}), "sd")
	bad := "\xff"
	cases := []struct {
		field, words string
		change       func(*job.Drawing)
	}{
		{"prompt", "UTF-8", func(d *job.Drawing) { d.Prompt = bad }},
		{"negative_prompt", "UTF-8", func(d *job.Drawing) { d.NegativePrompt = &bad }},
		{"size", "size: the width is 33, expected a multiple of 8", func(d *job.Drawing) { d.Width = 33 }},
		{"size", "size: the height is -8", func(d *job.Drawing) { d.Height = -8 }},
		{"num_inference_steps", "num_inference_steps is 0, expected 1 to 1000; guidance_scale", func(d *job.Drawing) { d.Steps, d.GuidanceScale = 0, math.NaN() }},
		{"guidance_scale", "finite", func(d *job.Drawing) { d.GuidanceScale = math.Inf(1) }},
		{"sampler", "unknown sampler", func(d *job.Drawing) { d.Sampler = "magic" }},
		{"output_format", "output_format is \"gif\", expected png, jpeg or webp", func(d *job.Drawing) { d.Format = "gif" }},
		{"output_compression", "output_compression is 101, expected 0 to 100", func(d *job.Drawing) { d.Format, d.Compression = "webp", new(101) }},
		{"output_compression", "a PNG is always whole", func(d *job.Drawing) { d.Compression = new(50) }},
		{"eta", "ddim", func(d *job.Drawing) { d.Sampler, d.Eta = "euler", 1 }},
	}
	starts := []worker.Start{{Drawing: drawingOf(nil)}}
	for _, c := range cases {
		starts = append(starts, worker.Start{Drawing: drawingOf(c.change)})
	}
	starts = append(starts, worker.Start{Drawing: drawingOf(nil), Image: 1})
	seqs, errs := m.Begin(t.Context(), starts)
	for _, i := range []int{0, len(starts) - 1} {
		if errs[i] != nil || seqs[i] == nil {
			t.Fatalf("good image %d: %v", i, errs[i])
		}
	}
	for i, c := range cases {
		var e *job.Error
		if !errors.As(errs[i+1], &e) || e.Kind != job.Invalid || e.Field != c.field || !strings.Contains(e.Message, c.words) || seqs[i+1] != nil {
			t.Errorf("%s: %#v, want a word on %q", c.field, errs[i+1], c.words)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Step(ctx, seqs[:1]); !errors.Is(err, context.Canceled) || job.KindOf(err) != "" {
		t.Errorf("a cancelled step: %v", err)
	}
	if _, err := m.Decode(ctx, seqs[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled decode: %v", err)
	}
}

// TestUploadsThatCannotBeRead fail alone too, and say which it was.
func TestUploadsThatCannotBeRead(t *testing.T) {
	m := openModel(t, openEngine(t, inference.Settings{}, modelRef{Name: "sd", Ref: tiny(t, "tiny-sd")}), "sd")
	file := func(w, h int) []byte {
		var b bytes.Buffer
		img := image.NewGray(image.Rect(0, 0, w, h))
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	edited := drawingOf(func(d *job.Drawing) { d.Init, d.Strength = "in_a", 0.5 })
	good := worker.Start{Drawing: edited, Init: file(50, 60), Mask: file(50, 60)}
	cases := []struct {
		field, words string
		start        worker.Start
	}{
		{"image", "image is missing", worker.Start{Drawing: edited}},
		{"image", "image is not a PNG", worker.Start{Drawing: edited, Init: []byte("text")}},
		{"image", "image is empty", worker.Start{Drawing: edited, Init: []byte{}}},
		{"mask", "mask is damaged or cut off", worker.Start{Drawing: edited, Init: file(50, 60), Mask: file(50, 60)[:70]}},
		{"mask", "mask is 60x50 pixels, expected 50x60", worker.Start{Drawing: edited, Init: file(50, 60), Mask: file(60, 50)}},
		{"strength", "strength is 0.25, which leaves none of 2 steps", worker.Start{Init: file(50, 60),
			Drawing: drawingOf(func(d *job.Drawing) { d.Init, d.Strength = "in_a", 0.25 })}},
	}
	starts := []worker.Start{good}
	for _, c := range cases {
		starts = append(starts, c.start)
	}
	seqs, errs := m.Begin(t.Context(), append(starts, good))
	for _, i := range []int{0, len(starts)} {
		if errs[i] != nil || seqs[i] == nil {
			t.Fatalf("good image %d: %v", i, errs[i])
		}
		if _, all := seqs[i].Calls(); all != 1 {
			t.Errorf("%d calls, want half of the steps", all)
		}
	}
	for i, c := range cases {
		var e *job.Error
		if !errors.As(errs[i+1], &e) || e.Kind != job.Invalid || e.Field != c.field || !strings.Contains(e.Message, c.words) || seqs[i+1] != nil {
			t.Errorf("%s: %#v, want a word on %q", c.field, errs[i+1], c.words)
		}
	}
}

func TestEngineErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind job.Kind
	}{
		{fmt.Errorf("a step: %w", &ort.Error{Op: "run unet", Message: "std::bad_alloc"}), job.OutOfMemory},
		{fmt.Errorf("a step: %w", &ort.Error{Op: "run unet", Message: "another fault"}), job.Engine},
		{errors.New("value 3 of 4 is NaN"), job.Engine},
	} {
		err := engineError(c.err)
		if job.KindOf(err) != c.kind || !errors.Is(err, c.err) {
			t.Errorf("%v became %v", c.err, err)
		}
		if e := err.(*job.Error); strings.Contains(e.Message, "bad_alloc") || strings.Contains(e.Message, "NaN") {
			t.Errorf("the public message is %q", e.Message)
		}
	}
	if engineError(nil) != nil {
		t.Error("nil became an error")
	}
}

// TestOpenRefusals: a model that is broken says so when it is opened, naming file and
// tensor but not where they lie, and the other models work.
func TestOpenRefusals(t *testing.T) {
	good, cut, other := tiny(t, "tiny-sd"), tiny(t, "tiny-sd"), tiny(t, "tiny-sd")
	weightsFile := filepath.Join(cut, "unet", "diffusion_pytorch_model.safetensors")
	info, err := os.Stat(weightsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(weightsFile, info.Size()-4); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(other, "unet", "config.json")
	var fields map[string]any
	data, err := os.ReadFile(config)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	fields["in_channels"] = 5
	if data, err = json.Marshal(fields); err == nil {
		err = os.WriteFile(config, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, inference.Settings{}, modelRef{Name: "good", Ref: good}, modelRef{Name: "cut", Ref: cut},
		modelRef{Name: "other", Ref: other}, modelRef{Name: "gone", Ref: filepath.Join(good, "nowhere")})
	for name, words := range map[string][]string{
		"cut":   {"the model cut cannot be loaded", "cut/unet/diffusion_pytorch_model.safetensors"},
		"other": {"other/unet/diffusion_pytorch_model.safetensors", "conv_in.weight"},
		"gone":  {"the model gone cannot be loaded"},
	} {
		_, err := e.Open(t.Context(), name)
		var own *job.Error
		if !errors.As(err, &own) || own.Kind != job.Unavailable {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range words {
			if !strings.Contains(own.Message, w) {
				t.Errorf("%s: %q has no word on %q", name, own.Message, w)
			}
		}
		if strings.Contains(own.Message, filepath.Dir(good)) || strings.Contains(own.Message, os.TempDir()) {
			t.Errorf("%s: %q tells where the model lies", name, own.Message)
		}
	}
	if _, err := e.Open(t.Context(), "unknown"); job.KindOf(err) != job.NoModel {
		t.Errorf("an unknown model: %v", err)
	}
	m := openModel(t, e, "good")
	s := begin(t, m, worker.Start{Drawing: drawingOf(nil)})
	for !finished(s) {
		step(t, m, s)
	}
	if _, err := png.Decode(bytes.NewReader(encode(t, m, s))); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Open(ctx, "good"); !errors.Is(err, context.Canceled) {
		t.Errorf("opening when cancelled: %v", err)
	}
}

func TestNewEngineRefusals(t *testing.T) {
	for name, refs := range map[string][]modelRef{"none": nil, "no name": {{Ref: "x"}}, "twice": {{Name: "a", Ref: "x"}, {Name: "a", Ref: "y"}}} {
		if _, err := newEngine(nil, refs, inference.Settings{}, ""); job.KindOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newEngine(nil, []modelRef{{Name: "a", Ref: "x"}}, inference.Settings{}, filepath.Join(t.TempDir(), "gone")); job.KindOf(err) != job.Unavailable {
		t.Errorf("a data folder that is not there: %v", err)
	}
}
