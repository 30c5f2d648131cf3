package main

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"cosmicman/diffusion"
	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler/worker"
)

// openEngine opens the models with an engine of their own.
func openEngine(t *testing.T, s inference.Settings, refs ...modelRef) *engine {
	t.Helper()
	rt, err := ort.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	e, err := newEngine(rt, refs, s, "")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func openModel(t *testing.T, e *engine, name string) worker.Model {
	t.Helper()
	m, err := e.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// begin starts one image.
func begin(t *testing.T, m worker.Model, s worker.Start) worker.Sequence {
	t.Helper()
	seqs, errs := m.Begin(t.Context(), []worker.Start{s})
	if errs[0] != nil {
		t.Fatalf("%+v: %v", s, errs[0])
	}
	return seqs[0]
}

// step lets sequences go on.
func step(t *testing.T, m worker.Model, seqs ...worker.Sequence) {
	t.Helper()
	errs, err := m.Step(t.Context(), seqs)
	for _, e := range append(errs, err) {
		if e != nil {
			t.Fatal(e)
		}
	}
}

func finished(s worker.Sequence) bool {
	done, all := s.Calls()
	return done == all
}

func encode(t *testing.T, m worker.Model, s worker.Sequence) []byte {
	t.Helper()
	p, err := m.Decode(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// randomDrawing is a small image with everything varied that an image depends on.
func randomDrawing(r *rand.Rand) job.Drawing {
	prompts := []string{"a headshot, an Asian adult female", "a full-body shot, a beige wall", "", "white cotton shirt, white cotton shirt", "résumé 図"}
	sizes := [][2]int{{32, 32}, {64, 32}, {32, 96}}
	size := sizes[r.IntN(len(sizes))]
	d := job.Drawing{
		Prompt: prompts[r.IntN(len(prompts))], Sampler: diffusion.Names()[r.IntN(len(diffusion.Names()))], Steps: 1 + r.IntN(3),
		GuidanceScale: []float64{0, 1, 1.5, 7.5}[r.IntN(4)], Seed: r.Uint64N(1000),
		Width: size[0], Height: size[1],
	}
	if r.IntN(2) == 0 {
		d.NegativePrompt = &prompts[r.IntN(len(prompts))]
	}
	if d.Sampler == "ddim" && r.IntN(2) == 0 {
		d.Eta = 0.7
	}
	if d.Sampler == "pndm" {
		d.Steps += 3 // its Runge-Kutta start, where a config has it
	}
	if r.IntN(3) == 0 {
		d.Steps += 2
		d.Init, d.Strength = []string{"in_1", "in_2"}[r.IntN(2)], []float64{0.4, 0.8, 1}[r.IntN(3)]
		if r.IntN(2) == 0 {
			d.Mask = "in_mask"
		}
	}
	return d
}

// uploaded is what random drawings begin from, by name.
var uploaded = sync.OnceValue(func() map[string][]byte {
	files := map[string][]byte{}
	for name, step := range map[string]int{"in_1": 3, "in_2": 7, "in_mask": 11} {
		img := image.NewGray(image.Rect(0, 0, 50, 41))
		for i := range img.Pix {
			img.Pix[i] = uint8(i * step)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			panic(err)
		}
		files[name] = b.Bytes()
	}
	return files
})

func startOf(d job.Drawing, i int) worker.Start {
	return worker.Start{Drawing: d, Image: i, Init: uploaded()[d.Init], Mask: uploaded()[d.Mask]}
}

// mix is some images that arrive, are packed and leave at random.
type mix struct {
	*rand.Rand
	m       worker.Model
	waiting []worker.Start
	starts  map[worker.Sequence]worker.Start
	live    []worker.Sequence
	rows    int // the most that one call had
	left    int // images cancelled on their way
}

// turn lets some images arrive and leave, and steps some of one group, in any order.
func (x *mix) turn(t *testing.T) {
	if n := x.IntN(5); len(x.live) == 0 || n > 0 {
		n = min(max(n, 1), len(x.waiting))
		seqs, errs := x.m.Begin(t.Context(), x.waiting[:n])
		for i, s := range seqs {
			if errs[i] != nil {
				t.Fatalf("%+v: %v", x.waiting[i], errs[i])
			}
			x.starts[s] = x.waiting[i]
			x.live = append(x.live, s)
		}
		x.waiting = x.waiting[n:]
	}
	if len(x.live) == 0 {
		return
	}
	if x.IntN(15) == 0 {
		i := x.IntN(len(x.live))
		x.live = slices.Delete(x.live, i, i+1)
		x.left++
		return
	}
	x.Shuffle(len(x.live), func(i, j int) { x.live[i], x.live[j] = x.live[j], x.live[i] })
	var pack []worker.Sequence
	rows := 0
	for _, s := range x.live {
		if s.Group() == x.live[0].Group() && (len(pack) == 0 || x.IntN(4) > 0) {
			pack = append(pack, s)
			rows += s.Rows()
		}
	}
	x.rows = max(x.rows, rows)
	if given := x.m.Rows(x.live[0].Group(), rows); given < rows {
		t.Errorf("%d rows would be given for %d", given, rows)
	}
	step(t, x.m, pack...)
}

// TestTwoHundredMixes: an image is the one drawn alone, by another engine that
// has packed nothing before, byte for byte, whatever is drawn beside it and whenever it
// joins. The engines are such that a single row has other bits, and such that it has not.
func TestTwoHundredMixes(t *testing.T) {
	const mixes = 50 // of each
	for seed, c := range []struct {
		name, arch string
		settings   inference.Settings
	}{
		{"SD", "tiny-sd", inference.Settings{Threads: 1}},
		{"SD, lean", "tiny-sd", inference.Settings{Threads: 1, Lean: true}},
		{"SDXL", "tiny-sdxl", inference.Settings{Threads: 2}},
		{"SDXL, lean", "tiny-sdxl", inference.Settings{Threads: 1, Lean: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 4))
			ref := modelRef{Name: "tiny", Ref: tiny(t, c.arch)}
			packs := openModel(t, openEngine(t, c.settings, ref), "tiny")
			single := openModel(t, openEngine(t, c.settings, ref), "tiny")
			pool := make([]job.Drawing, 40)
			for i := range pool {
				pool[i] = randomDrawing(r)
			}
			compared, cancelled, most := compareMixes(t, r, packs, single, pool, mixes)
			t.Logf("%d mixes, %d images compared with those drawn alone, %d cancelled on their way, up to %d rows a call", mixes, compared, cancelled, most)
			if compared < 2*mixes || cancelled == 0 || most < 6 {
				t.Error("the mixes hold too little")
			}
		})
	}
}

// compareMixes draws mixes of a pool's images with one model, and each of those that are
// drawn to their end alone with another. It returns how many were compared and cancelled,
// and the most rows of a call.
func compareMixes(t *testing.T, r *rand.Rand, packs, single worker.Model, pool []job.Drawing, mixes int) (compared, cancelled, most int) {
	alone := map[int][]byte{}
	for range mixes {
		x := &mix{Rand: r, m: packs, starts: map[worker.Sequence]worker.Start{}}
		for range 2 + r.IntN(7) {
			x.waiting = append(x.waiting, startOf(pool[r.IntN(len(pool))], 0))
		}
		for len(x.waiting)+len(x.live) > 0 {
			x.turn(t)
			x.live = slices.DeleteFunc(x.live, func(s worker.Sequence) bool {
				if !finished(s) {
					return false
				}
				i := slices.IndexFunc(pool, func(d job.Drawing) bool { return reflect.DeepEqual(d, x.starts[s].Drawing) })
				if alone[i] == nil {
					only := begin(t, single, x.starts[s])
					for !finished(only) {
						step(t, single, only)
					}
					alone[i] = encode(t, single, only)
				}
				if !bytes.Equal(encode(t, packs, s), alone[i]) {
					t.Errorf("image %d of the pool is another one in a mix: %+v", i, pool[i])
				}
				compared++
				return true
			})
		}
		cancelled += x.left
		most = max(most, x.rows)
	}
	return compared, cancelled, most
}
