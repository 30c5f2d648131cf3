package inference

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/ort"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

const loraFiles = "../weights/lora/testdata"

func adapter(t *testing.T, m *Model, file string) *Adapter {
	t.Helper()
	a, err := m.Adapter(filepath.Join(loraFiles, file))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestLoRAsInOneCall packs requests with different LoRAs, those of one variant into one
// call: every image is the one drawn alone, to the bit.
func TestLoRAsInOneCall(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "zero-snr", 0), weights.Options{})
	with := func(change func(*Request), loras ...LoRA) *Request {
		return request(func(r *Request) {
			r.Steps, r.Sampler, r.LoRAs = 3, "ddim", loras
			if change != nil {
				change(r)
			}
		})
	}
	peft, old, kohya := adapter(t, m, "sd-peft.safetensors"), adapter(t, m, "sd-lora.safetensors"), adapter(t, m, "sd-kohya.safetensors")
	requests := []*Request{
		with(nil),
		with(nil, LoRA{"peft", peft, 1}),
		with(nil, LoRA{"old", old, 0.7}),
		with(func(r *Request) { r.GuidanceScale = 1 }, LoRA{"peft", peft, 0.2}),
		with(func(r *Request) { r.Seed = 4 }, LoRA{"old", old, 0.7}, LoRA{"peft", peft, -0.5}),
		with(nil, LoRA{"kohya", kohya, 1}),
		with(unguided, LoRA{"kohya", kohya, 0.4}, LoRA{"old", old, 1}),
		with(unguided),
	}
	var starts []Start
	for _, r := range requests {
		starts = append(starts, Start{Request: r})
	}
	packed, errs := m.Begin(t.Context(), starts)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	most := 0
	m.unet.fault = nil
	for _, v := range []lora.Targets{lora.Attention, lora.All} {
		n, err := m.adapted[lora.UNet].network(v)
		if err != nil {
			t.Fatal(err)
		}
		n.fault = func(inputs map[string]ort.Tensor) error {
			for name, in := range inputs {
				if strings.HasSuffix(name, ".lora_A") {
					most = max(most, int(in.Shape[0]))
				}
			}
			return nil
		}
	}
	groups := map[string][]*Sequence{}
	for _, s := range packed {
		groups[s.Variant()] = append(groups[s.Variant()], s)
	}
	if len(groups[""]) != 2 || len(groups["attention-8"]) != 4 || len(groups["all-8"]) != 2 {
		t.Fatalf("variants are %v", groups)
	}
	if err := m.Step(t.Context(), packed...); err == nil {
		t.Error("different variants shared a call")
	}
	for _, name := range []string{"", "attention-8", "all-8"} {
		for seqs := groups[name]; !seqs[0].Done(); slices.Reverse(seqs) {
			if err := m.Step(t.Context(), seqs...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if most != 4 {
		t.Errorf("a call had %d LoRAs at most, want 4", most)
	}
	for i, r := range requests {
		alone := draw(t, m, r, 1)[0]
		if !sameBits(packed[i].latents, alone.latents) {
			t.Errorf("image %d is %g away from itself alone", i, distance(packed[i].latents, alone.latents))
		}
		for k := range i {
			if d := distance(packed[i].latents, packed[k].latents); d < 1e-3 {
				t.Errorf("images %d and %d are %g apart only", k, i, d)
			}
		}
	}
	fresh := load(t, m.unet.runtime, m.Pipeline.Dir, weights.Options{})
	r := with(nil, LoRA{"peft", adapter(t, fresh, "sd-peft.safetensors"), 1})
	if alone := draw(t, fresh, r, 1)[0]; !sameBits(packed[1].latents, alone.latents) {
		t.Error("the first image of a new model is another one")
	}
}

// TestLoRAOfWeightZero is the image without.
func TestLoRAOfWeightZero(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "zero-snr", 0), weights.Options{})
	plain := draw(t, m, request(nil), 1)[0]
	r := request(func(r *Request) { r.LoRAs = []LoRA{{"peft", adapter(t, m, "sd-peft.safetensors"), 0}} })
	if s := draw(t, m, r, 1)[0]; s.Variant() != "" || !sameBits(s.latents, plain.latents) {
		t.Errorf("with a weight of 0 the variant is %q and the image %g away", s.Variant(), distance(s.latents, plain.latents))
	}
}

func TestWrongLoRAs(t *testing.T) {
	rt := openRuntime(t)
	m := load(t, rt, zooFolder(t, "zero-snr", 0), weights.Options{})
	xl := load(t, rt, zooFolder(t, "stats-xl", 0), weights.Options{})
	for _, read := range []func(string) error{
		func(path string) error { _, err := m.Outline(path); return err }, func(path string) error { _, err := m.Adapter(path); return err },
	} {
		if err := read(filepath.Join(loraFiles, "xl-peft.safetensors")); err == nil || !strings.Contains(err.Error(), "the model has no module") {
			t.Errorf("SDXL's LoRA on SD: %v", err)
		}
		if err := read(filepath.Join(loraFiles, "none.safetensors")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
		if err := read(filepath.Join(loraFiles, "sd-peft.safetensors")); err != nil {
			t.Errorf("SD's LoRA on SD: %v", err)
		}
	}
	own, other := adapter(t, m, "sd-peft.safetensors"), adapter(t, xl, "xl-peft.safetensors")
	if o := own.Outline(); o.Rank != 3 || !slices.Equal(o.Parts, []string{"unet", "text_encoder"}) || len(own.Digest()) != 64 {
		t.Errorf("outline %v, digest %s", o, own.Digest())
	}
	for name, c := range map[string]struct {
		loras []LoRA
		want  string
	}{
		"NaN":           {[]LoRA{{"a", own, math.NaN()}}, "lora: a has the weight NaN, expected a number from -10 to 10"},
		"much":          {[]LoRA{{"a", own, 1}, {"b", own, 10.5}}, "lora: b has the weight 10.5"},
		"many":          {slices.Repeat([]LoRA{{"a", own, 1}}, 9), "lora: has 9 entries, at most 8"},
		"nothing":       {[]LoRA{{"a", nil, 1}}, "lora: a has no file"},
		"another model": {[]LoRA{{"a", other, 1}}, "lora: a was opened for another model"},
	} {
		_, err := m.Sequences(t.Context(), request(func(r *Request) { r.LoRAs = c.loras }), 1)
		var wrong *Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestLoRAThatChanges: what was opened is drawn with, or nothing; requests beside it are drawn.
func TestLoRAThatChanges(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "zero-snr", 0), weights.Options{})
	path := filepath.Join(t.TempDir(), "a.safetensors")
	put := func(file string) {
		data, err := os.ReadFile(filepath.Join(loraFiles, file))
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("sd-lora.safetensors")
	a, err := m.Adapter(path)
	if err != nil {
		t.Fatal(err)
	}
	r := request(func(r *Request) { r.LoRAs = []LoRA{{"a", a, 1}} })
	for what, change := range map[string]func(){
		"another file": func() { put("sd-processors.safetensors") },
		"another kind": func() { put("xl-peft.safetensors") },
		"gone":         func() { os.Remove(path) },
	} {
		change()
		seqs, errs := m.Begin(t.Context(), []Start{{Request: r}, {Request: request(nil)}})
		if !errors.Is(errs[0], ErrAdapterChanged) || errs[1] != nil || seqs[1] == nil {
			t.Errorf("%s: %v", what, errs)
		}
	}
	put("sd-lora.safetensors")
	if _, errs := m.Begin(t.Context(), []Start{{Request: r}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	put("sd-processors.safetensors")
	if _, errs := m.Begin(t.Context(), []Start{{Request: r}}); errs[0] != nil {
		t.Errorf("what is in memory needs no file: %v", errs[0])
	}
}

// TestFewAdaptedSessions: those used last stay, and count as memory.
func TestFewAdaptedSessions(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "zero-snr", 0), weights.Options{})
	v := m.adapted[lora.UNet]
	before := m.Bytes()
	var taken []*variant
	for _, class := range classes {
		f, err := v.take(class)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.load(); err != nil {
			t.Fatal(err)
		}
		taken = append(taken, f)
	}
	each := taken[0].own()
	if got := m.Bytes() - before; each <= 0 || got != 3*each {
		t.Errorf("three sessions in use take %d bytes more, each %d", got, each)
	}
	open := func() (all []bool) {
		for _, f := range taken {
			all = append(all, f.open())
		}
		return all
	}
	for _, f := range taken {
		v.give(f)
	}
	if got := open(); !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("sessions that stay: %v", got)
	}
	if got := m.Bytes() - before; got != 2*each {
		t.Errorf("two sessions take %d bytes more", got)
	}
	if err := m.Close(); err != nil || slices.Contains(open(), true) {
		t.Errorf("after Close sessions are open: %v %v", open(), err)
	}
}

// TestEveryModuleCanBeAdapted compares what files may change with the graphs.
func TestEveryModuleCanBeAdapted(t *testing.T) {
	for _, entry := range []string{"zero-snr", "stats-xl", "odd-blocks", "odd-xl", "odd-time"} {
		m := load(t, &ort.Runtime{}, zooFolder(t, entry, 0), weights.Options{})
		names, err := m.names()
		if err != nil {
			t.Fatal(err)
		}
		inputs := map[string]bool{}
		for part, v := range m.adapted {
			n, err := v.network(lora.All)
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range n.graph.Inputs {
				inputs[part+"."+in.Name] = true
			}
		}
		for _, module := range names.Modules() {
			if !inputs[module.String()+".lora_A"] || !inputs[module.String()+".lora_B"] {
				t.Errorf("%s: %s has no factors in the graph", entry, module)
			}
		}
	}
}
