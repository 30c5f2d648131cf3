package inference

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/prompt"
	"cosmicman/weights"
)

// shirts are n phrases of 4 tokens, the comma included.
func shirts(n int) string {
	colors := []string{"red", "blue", "green", "white", "black"}
	out := make([]string, n)
	for i := range out {
		out[i] = colors[i%5] + " cotton shirt"
	}
	return strings.Join(out, ", ")
}

// TestWindowsEqualDiffusers draws from texts of several windows and of weights what
// diffusers draws from windows that were encoded and weighed by oracle/windows.py.
func TestWindowsEqualDiffusers(t *testing.T) {
	rt := openRuntime(t)
	for _, name := range []string{"tiny-sd", "tiny-sdxl"} {
		var fixture struct {
			Cases []struct {
				pipelineCase
				PromptSyntax string `json:"prompt_syntax"`
				WindowCount  int    `json:"window_count"`
			}
		}
		data, err := os.ReadFile(filepath.Join("testdata/windows", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &fixture); err != nil || len(fixture.Cases) == 0 {
			t.Fatalf("%d cases: %v", len(fixture.Cases), err)
		}
		want, err := weights.OpenFile(filepath.Join("testdata/windows", name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		m := load(t, rt, zooFolder(t, name, 0), weights.Options{})
		for _, c := range fixture.Cases {
			s := draw(t, m, &Request{
				Prompt: c.Prompt, NegativePrompt: c.NegativePrompt, Sampler: "ddim", Steps: c.Steps, GuidanceScale: c.GuidanceScale, Seed: c.Seed,
				Width: c.Width, Height: c.Height, LongPrompt: "chunk", PromptSyntax: c.PromptSyntax,
			}, 1)[0]
			if s.Windows() != c.WindowCount || s.Cut() != "" {
				t.Errorf("%s, %s: %d windows, cut %q", name, c.Name, s.Windows(), s.Cut())
			}
			if d := distance(s.latents, tensorOf(t, want, c.Name+"/latents")); !(d < 1e-4) {
				t.Errorf("%s, %s: the latents differ by %.1e", name, c.Name, d)
			}
		}
	}
}

// TestWindowsAreTextsByThemselves: the states of several windows are those of their
// texts one after the other, bit for bit, and the pooled embedding is the first's.
func TestWindowsAreTextsByThemselves(t *testing.T) {
	for _, arch := range []string{"tiny-sd", "tiny-sdxl"} {
		m := load(t, openRuntime(t), zooFolder(t, arch, 0), weights.Options{})
		whole := shirts(30)
		at := 0
		for range 18 {
			at += strings.Index(whole[at:], ",") + 1
		}
		first, second := whole[:at], whole[at:]
		short := "a hat"
		long := start(t, m, func(r *Request) { r.LongPrompt, r.Prompt, r.NegativePrompt = "chunk", whole, &short })[0]
		other := load(t, openRuntime(t), m.Pipeline.Dir, weights.Options{})
		parts := start(t, other, func(r *Request) { r.Prompt, r.NegativePrompt = first, &short }, func(r *Request) { r.Prompt = second; empty := ""; r.NegativePrompt = &empty })
		for i, want := range []*conditioning{parts[0].cond, parts[1].cond} {
			if !sameBits(long.cond.windows[i].states, want.windows[0].states) {
				t.Errorf("%s: window %d is not its text", arch, i)
			}
		}
		if !sameBits(long.cond.pooled(), parts[0].cond.pooled()) {
			t.Errorf("%s: the pooled embedding is not the first window's", arch)
		}
		for i, want := range []*conditioning{parts[0].uncond, parts[1].uncond} {
			if !sameBits(long.uncond.windows[i].states, want.windows[0].states) {
				t.Errorf("%s: window %d of the negative prompt is not what it is filled up with", arch, i)
			}
		}
		if long.Context() != 2*77 || long.Windows() != 2 || long.Tokens() != 119 || long.uncond.tokens != long.cond.tokens {
			t.Errorf("%s: context %d, %d windows, %d tokens", arch, long.Context(), long.Windows(), long.Tokens())
		}
	}
}

// TestOneWindowIsOneWindow: what fits is the same in both modes and both syntaxes.
func TestOneWindowIsOneWindow(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sdxl", 0), weights.Options{})
	change := func(long, syntax string) func(*Request) {
		return func(r *Request) { r.LongPrompt, r.PromptSyntax = long, syntax }
	}
	seqs := start(t, m, nil, change("truncate", "plain"), change("chunk", "plain"), change("chunk", "weighted"))
	for i, s := range seqs {
		if s.cond.windows[0] != seqs[0].cond.windows[0] || s.Context() != 77 {
			t.Errorf("request %d has a window of its own, context %d", i, s.Context())
		}
	}
}

// TestCutIsReported in both modes, for both texts.
func TestCutIsReported(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	long, longer := shirts(30), shirts(300)
	seqs := start(t, m,
		func(r *Request) { r.Prompt, r.NegativePrompt = long, &long },
		func(r *Request) { r.Prompt, r.NegativePrompt, r.LongPrompt = longer, &longer, "chunk" })
	if s := seqs[0]; !strings.HasSuffix(long, s.Cut()) || s.Cut() == "" || s.NegativeCut() != s.Cut() || s.Tokens() != 75 || s.Context() != 77 {
		t.Errorf("truncated: cut %q and %q, %d tokens", s.Cut(), s.NegativeCut(), s.Tokens())
	}
	if s := seqs[1]; !strings.HasPrefix(s.Cut(), "red cotton") || s.NegativeCut() != s.Cut() || s.Windows() != prompt.MaxWindows || s.Context() != 77*prompt.MaxWindows {
		t.Errorf("chunked: cut %.40q, %d windows, context %d", s.Cut(), s.Windows(), s.Context())
	}
}

// TestLongTextsBesideOthers: images of one context are packed to the bits of each alone,
// and those of another are refused in the same call.
func TestLongTextsBesideOthers(t *testing.T) {
	for _, arch := range []string{"tiny-sd", "tiny-sdxl"} {
		m := load(t, openRuntime(t), zooFolder(t, arch, 0), weights.Options{})
		blur := "(blur:1.2)"
		changes := []func(*Request){
			func(r *Request) { r.LongPrompt, r.Prompt = "chunk", shirts(30) },
			func(r *Request) {
				r.LongPrompt, r.Prompt, r.Sampler, r.NegativePrompt, r.PromptSyntax = "chunk", shirts(24)+" (tie:1.4)", "ddim", &blur, "weighted"
			},
			func(r *Request) { r.LongPrompt, r.Prompt, r.GuidanceScale = "chunk", shirts(26), 1 },
		}
		var want [][]float32
		for _, c := range changes {
			want = append(want, draw(t, m, request(c), 1)[0].latents)
		}
		seqs := start(t, m, changes...)
		for !seqs[0].Done() {
			if err := m.Step(t.Context(), seqs...); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range seqs {
			if !sameBits(s.latents, want[i]) {
				t.Errorf("%s: image %d has other bits among others", arch, i)
			}
		}
		mixed := start(t, m, nil, changes[0])
		if err := m.Step(t.Context(), mixed...); err == nil || !strings.Contains(err.Error(), "of one shape") {
			t.Errorf("%s: contexts of 77 and 154 tokens in a call: %v", arch, err)
		}
	}
}

func TestWrongTexts(t *testing.T) {
	bad := "a (dress:1e9)"
	for want, change := range map[string]func(*Request){
		`prompt: the weight is "abc"`:                   func(r *Request) { r.Prompt, r.PromptSyntax = "(x:abc)", "weighted" },
		`negative prompt: the weight is "1e9"`:          func(r *Request) { r.NegativePrompt, r.PromptSyntax = &bad, "weighted" },
		`long prompt: is "wrap", expected chunk or tru`: func(r *Request) { r.LongPrompt = "wrap" },
		`prompt syntax: is "html", expected plain or w`: func(r *Request) { r.PromptSyntax = "html" },
	} {
		err := request(change).Check()
		var wrong *Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %s", err, want)
		}
	}
}

func TestWeigh(t *testing.T) {
	states := []float32{1, 2, 3, -1, 4, 0.5} // three tokens of width 2
	plain := slices.Clone(states)
	weigh(states, nil)
	if !slices.Equal(states, plain) {
		t.Error("no weights change states")
	}
	weigh(states, []float32{1, 2, 1})
	// The mean was 9.5/6 and is 11.5/6 after the second token was doubled.
	for i, x := range []float32{1, 2, 6, -2, 4, 0.5} {
		if d := states[i] - x*9.5/11.5; d > 1e-6 || d < -1e-6 {
			t.Errorf("state %d is %v, expected %v", i, states[i], x*9.5/11.5)
		}
	}
	zero := []float32{0, 0, 0, 0}
	weigh(zero, []float32{2, 1})
	if !slices.Equal(zero, make([]float32, 4)) {
		t.Errorf("states of mean 0 become %v", zero)
	}
}
