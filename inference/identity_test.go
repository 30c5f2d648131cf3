package inference

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/weights"
)

func request(f func(*Request)) *Request {
	r := &Request{
		Prompt: "a full-body shot, an Asian adult female, fit, a beige wall", Sampler: "euler_a", Steps: 4, GuidanceScale: 5,
		Seed: 17, Width: 64, Height: 72,
	}
	if f != nil {
		f(r)
	}
	return r
}

func draw(t *testing.T, m *Model, r *Request, count int) []*Sequence {
	t.Helper()
	seqs, err := m.Sequences(t.Context(), r, count)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seqs {
		for !s.Done() {
			if err := m.Step(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	return seqs
}

// TestImageDoesNotDependOnCount draws the third of three images alone.
func TestImageDoesNotDependOnCount(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	three := draw(t, m, request(nil), 3)
	alone := draw(t, m, request(func(r *Request) { r.Seed = 19 }), 1)
	if !slices.Equal(three[2].latents, alone[0].latents) {
		t.Error("the third image is not the one drawn alone with its seed")
	}
	if slices.Equal(three[0].latents, three[1].latents) {
		t.Error("two seeds drew one image")
	}
}

// TestPackedStepsAreIndependent steps three sequences, of different samplers,
// guidance and progress, in one call.
func TestPackedStepsAreIndependent(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sdxl", 0), weights.Options{})
	requests := []*Request{
		request(nil),
		request(func(r *Request) { r.Sampler, r.Steps, r.Prompt = "heun", 3, "a headshot" }),
		request(func(r *Request) { r.Sampler, r.GuidanceScale, r.Seed = "ddim", 1, 5 }),
	}
	var packed []*Sequence
	for _, r := range requests {
		s, err := m.Sequences(t.Context(), r, 1)
		if err != nil {
			t.Fatal(err)
		}
		packed = append(packed, s...)
	}
	for {
		var live []*Sequence
		for _, s := range packed {
			if !s.Done() {
				live = append(live, s)
			}
		}
		if len(live) == 0 {
			break
		}
		if err := m.Step(t.Context(), live...); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range requests {
		alone := draw(t, m, r, 1)[0]
		if !sameBits(packed[i].latents, alone.latents) {
			t.Errorf("sequence %d is %g away from itself alone", i, distance(packed[i].latents, alone.latents))
		}
	}
}

func TestWrongRequests(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	for name, c := range map[string]struct {
		change func(*Request)
		field  string
	}{
		"width":    {func(r *Request) { r.Width = 60 }, "width: is 60, expected a multiple of 8"},
		"no width": {func(r *Request) { r.Width = -8 }, "width"},
		"height":   {func(r *Request) { r.Height = 1 << 20 }, "height"},
		"steps":    {func(r *Request) { r.Steps = 0 }, "steps: is 0, expected 1 to 1000"},
		"steps on": {func(r *Request) { r.Steps = 1001 }, "steps"},
		"scale":    {func(r *Request) { r.GuidanceScale = math.Inf(1) }, "guidance scale"},
		"NaN":      {func(r *Request) { r.GuidanceScale = math.NaN() }, "guidance scale"},
		"sampler":  {func(r *Request) { r.Sampler = "magic" }, "ddim"},
		"eta":      {func(r *Request) { r.Eta = 0.5 }, "eta"},
		"UTF-8":    {func(r *Request) { r.Prompt = "\xff" }, "prompt: is not UTF-8"},
	} {
		_, err := m.Sequences(t.Context(), request(c.change), 1)
		var own *Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v, want a word on %q", name, err, c.field)
		}
	}
}

func TestStepStopsWhenCancelled(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	seqs, err := m.Sequences(t.Context(), request(nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Step(ctx, seqs[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("a step of a cancelled request: %v", err)
	}
	if done, _ := seqs[0].Calls(); done != 0 {
		t.Error("the sequence went on")
	}
}

// TestNaNIsAnError poisons the latents: an error, never a black image.
func TestNaNIsAnError(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	seqs, err := m.Sequences(t.Context(), request(nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	seqs[0].latents[3] = float32(math.NaN())
	if err := m.Step(t.Context(), seqs[0]); err == nil || !strings.Contains(err.Error(), "finite") {
		t.Errorf("NaN latents gave %v", err)
	}
}

// TestUNetThatDoesNotFit composes an SD base with UNets of other shapes.
func TestUNetThatDoesNotFit(t *testing.T) {
	rt := openRuntime(t)
	base := zooFolder(t, "tiny-sd", 0)
	for entry, want := range map[string]string{
		"tiny-sdxl": "text_time", "odd-vae8": "in_channels is 8, expected 4", "odd-blocks": "cross_attention_dim is 40, expected 32",
	} {
		p, err := weights.Open(base, weights.Options{UNet: zooFolder(t, entry, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(rt, p, Settings{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
	}
}
