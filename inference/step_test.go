package inference

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cosmicman/ort"
	"cosmicman/weights"
)

// TestOneBadSequence: NaN in one sequence ends it alone, in a first call of its
// count and later; the others become what they are without it.
func TestOneBadSequence(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	changes := []func(*Request){nil, unguided, func(r *Request) { r.Sampler = "heun" }}
	want := start(t, m, changes...)
	for _, s := range want {
		if err := errors.Join(drawErr(t, m, s)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []int{0, 2} {
		seqs := start(t, m, changes...)
		for call := 0; len(seqs) > 0; call++ {
			if call == at {
				seqs[1].latents[5] /= 0
				seqs[1].latents[5] -= seqs[1].latents[5]
			}
			errs, err := m.Advance(t.Context(), seqs)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range seqs {
				if failed := call >= at && s.uncond == nil; failed != (errs[i] != nil) {
					t.Fatalf("call %d of sequence %d: %v", call, i, errs[i])
				}
			}
			if call == at {
				before := slices.Clone(seqs[1].latents)
				if again, err := m.Advance(t.Context(), seqs[1:2]); err != nil || again[0] == nil || !sameBits(before, seqs[1].latents) {
					t.Errorf("a failed sequence was stepped again: %v, %v", again, err)
				}
				if img, err := m.Decode(t.Context(), seqs[1]); img != nil || err == nil || !strings.Contains(err.Error(), "finite") {
					t.Errorf("a failed sequence was decoded: %v", err)
				}
			}
			if seqs[0].Done() && !sameBits(seqs[0].latents, want[0].latents) || len(seqs) > 2 && seqs[2].Done() && !sameBits(seqs[2].latents, want[2].latents) {
				t.Error("a neighbour has changed")
			}
			seqs = slices.DeleteFunc(seqs, func(s *Sequence) bool { return s.Done() })
			if len(seqs) == 1 && seqs[0].failed != nil {
				break
			}
		}
	}
}

// TestFailedCallsMoveNothing: out of memory, and a context that ends within a call,
// leave every sequence as it was, and the same call works afterwards.
func TestFailedCallsMoveNothing(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sdxl", 0), weights.Options{})
	changes := []func(*Request){nil, unguided, func(r *Request) { r.Seed = 5 }}
	want, seqs := start(t, m, changes...), start(t, m, changes...)
	for _, s := range want {
		if err := errors.Join(drawErr(t, m, s)...); err != nil {
			t.Fatal(err)
		}
	}
	for fails := 0; !seqs[0].Done(); fails++ {
		before := latentsOf(seqs)
		done := seqs[0].call
		for _, limit := range []int64{5, 2} { // one row count fails; then all do
			m.unet.fault = func(inputs map[string]ort.Tensor) error {
				if inputs["sample"].Shape[0] >= limit {
					return &ort.Error{Code: ort.RuntimeException, Op: "run unet", Message: "std::bad_alloc"}
				}
				return nil
			}
			if errs, err := m.Advance(t.Context(), seqs); !errors.Is(err, ErrOutOfMemory) || errs != nil {
				t.Fatalf("%v, %v, want out of memory", errs, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		m.unet.fault = func(map[string]ort.Tensor) error { cancel(); return nil }
		if _, err := m.Advance(ctx, seqs); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, want cancelled", err)
		}
		m.unet.fault = nil
		for i, l := range latentsOf(seqs) {
			if seqs[i].call != done || !sameBits(l, before[i]) {
				t.Fatalf("sequence %d has moved", i)
			}
		}
		if err := m.Step(t.Context(), seqs...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range seqs {
		if !sameBits(seqs[i].latents, want[i].latents) {
			t.Errorf("image %d has changed", i)
		}
	}
}

func latentsOf(seqs []*Sequence) (out [][]float32) {
	for _, s := range seqs {
		out = append(out, slices.Clone(s.latents))
	}
	return out
}
