package inference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/ort"
	"cosmicman/weights"
)

// TestTextsAreEncodedOnce: a call's texts go through the encoder together, and
// what is cached not again; the latents are those of texts encoded one by one.
func TestTextsAreEncodedOnce(t *testing.T) {
	for _, arch := range []string{"tiny-sd", "tiny-sdxl"} {
		m := load(t, openRuntime(t), zooFolder(t, arch, 0), weights.Options{})
		rows := calls(m.texts[0].network, "input_ids")
		blue := "blue"
		changes := []func(*Request){
			nil, nil,
			func(r *Request) { r.Prompt = "a headshot" },
			func(r *Request) { r.NegativePrompt = &blue },
			func(r *Request) { r.Prompt = blue },
		}
		seqs := start(t, m, changes...)
		texts := map[string]int{"tiny-sd": 4, "tiny-sdxl": 3}[arch] // SDXL has no text for an absent negative prompt
		if last := (*rows)[len(*rows)-1]; last != texts {
			t.Errorf("%s: calls of %v rows, want a last one of %d", arch, *rows, texts)
		}
		*rows = nil
		again := start(t, m, changes...)
		if len(*rows) > 0 {
			t.Errorf("%s: cached texts were encoded: %v", arch, *rows)
		}
		other := load(t, openRuntime(t), m.Pipeline.Dir, weights.Options{})
		for i, s := range seqs {
			one := start(t, other, changes[i])[0]
			if !sameBits(one.cond.windows[0].states, s.cond.windows[0].states) || !sameBits(one.cond.pooled(), s.cond.pooled()) || !sameBits(one.uncond.windows[0].states, s.uncond.windows[0].states) {
				t.Errorf("%s: the texts of image %d have other bits when they are encoded alone", arch, i)
			}
			if again[i].cond.windows[0] != s.cond.windows[0] {
				t.Errorf("%s: image %d has a text of its own", arch, i)
			}
		}
	}
}

// TestManyTexts: more texts than one call takes.
func TestManyTexts(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	var texts []text
	for i := range 2*maxTexts + 3 {
		texts = append(texts, text{prompt: fmt.Sprint("text ", i)})
	}
	all, err := m.encode(t.Context(), texts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, maxTexts, len(texts) - 1} {
		m.encoded = newTextCache(0)
		alone, err := m.encode(t.Context(), texts[i])
		if err != nil {
			t.Fatal(err)
		}
		if !sameBits(alone[texts[i]].windows[0].states, all[texts[i]].windows[0].states) {
			t.Errorf("text %d has other bits alone", i)
		}
	}
}

// TestBeginFailsAlone: requests fail by themselves, and a failing encoder fails
// those that are left, until it works again.
func TestBeginFailsAlone(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	good, bad := request(nil), request(func(r *Request) { r.Steps = 0 })
	starts := []Start{{Request: good}, {Request: bad}, {Request: good, Image: 3}}
	m.texts[0].fault = func(map[string]ort.Tensor) error { return &ort.Error{Message: "std::bad_alloc"} }
	seqs, errs := m.Begin(t.Context(), starts)
	if !errors.Is(errs[0], ErrOutOfMemory) || !errors.Is(errs[2], ErrOutOfMemory) || slices.ContainsFunc(seqs, func(s *Sequence) bool { return s != nil }) {
		t.Errorf("without memory: %v", errs)
	}
	m.texts[0].fault = nil
	seqs, errs = m.Begin(t.Context(), starts)
	var wrong *Error
	if errs[0] != nil || errs[2] != nil || !errors.As(errs[1], &wrong) || wrong.Field != "steps" || seqs[1] != nil {
		t.Fatalf("%v", errs)
	}
	if seqs[0].Seed() != 17 || seqs[2].Seed() != 20 {
		t.Errorf("seeds %d and %d", seqs[0].Seed(), seqs[2].Seed())
	}
	if seqs, errs := m.Begin(t.Context(), nil); len(seqs)+len(errs) != 0 {
		t.Error("nothing was begun, and something came of it")
	}
}

// TestSizeOfZeroIsNative, where the config has one.
func TestSizeOfZeroIsNative(t *testing.T) {
	folder := zooFolder(t, "tiny-sd", 0)
	m := load(t, openRuntime(t), folder, weights.Options{})
	w, h := m.NativeSize()
	r := request(func(r *Request) { r.Width, r.Height = 0, 0 })
	seqs, errs := m.Begin(t.Context(), []Start{{Request: r}})
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	if got := seqs[0].Request(); got.Width != w || got.Height != h || r.Width != 0 {
		t.Errorf("%dx%d, want %dx%d, and the request as it was", got.Width, got.Height, w, h)
	}
	config := filepath.Join(folder, "unet", "config.json")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(b), `"sample_size": 8,`, "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	m = load(t, openRuntime(t), folder, weights.Options{})
	if err := m.Check(r); err == nil || !strings.Contains(err.Error(), "width: is required: the model's config has no sample_size") {
		t.Errorf("without sample_size: %v", err)
	}
}

// TestTokens counts a prompt's own tokens.
func TestTokens(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	for text, want := range map[string]int{"": 0, "a cat": 2, strings.Repeat("cat ", 200): 75} {
		s := start(t, m, func(r *Request) { r.Prompt = text })[0]
		if s.Tokens() != want || s.Context() != 77 {
			t.Errorf("%.20q has %d tokens, want %d; context %d", text, s.Tokens(), want, s.Context())
		}
	}
}

// TestPreview: none before the first call; ddim's last one is the image where the
// schedule ends at it, and asking changes nothing.
func TestPreview(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sdxl", 0), weights.Options{})
	pair := start(t, m, func(r *Request) { r.Sampler = "ddim" }, func(r *Request) { r.Sampler = "ddim" })
	s := pair[0]
	if s.Preview() != nil {
		t.Error("a preview before the first call")
	}
	var last []float32
	for !s.Done() {
		if err := m.Step(t.Context(), pair...); err != nil {
			t.Fatal(err)
		}
		if last = s.Preview(); len(last) != len(s.latents) {
			t.Fatalf("a preview of %d values", len(last))
		}
	}
	if !sameBits(pair[0].latents, pair[1].latents) {
		t.Error("asking for previews has changed the image")
	}
	// This config ends at the first timestep's noise, 3 % of the image.
	if d := distance(last, s.latents); !(d < 0.1) {
		t.Errorf("the last preview is %g away from the image", d)
	}
}
