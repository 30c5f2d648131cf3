package inference

import (
	"errors"
	"slices"
	"testing"

	"cosmicman/ort"
	"cosmicman/weights"
)

// loadWith is load with settings.
func loadWith(t *testing.T, folder string, s Settings) *Model {
	t.Helper()
	p, err := weights.Open(folder, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(openRuntime(t), p, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// calls counts the rows of a network's calls.
func calls(n *network, input string) *[]int {
	var rows []int
	n.fault = func(inputs map[string]ort.Tensor) error {
		rows = append(rows, int(inputs[input].Shape[0]))
		return nil
	}
	return &rows
}

func start(t *testing.T, m *Model, changes ...func(*Request)) []*Sequence {
	t.Helper()
	var starts []Start
	for _, change := range changes {
		starts = append(starts, Start{Request: request(change)})
	}
	seqs, errs := m.Begin(t.Context(), starts)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return seqs
}

func unguided(r *Request) { r.GuidanceScale = 1 }

// TestLeanSingleRow is the known trap: without packed weights a single row has
// other bits than the same row among others. It is found out, and such a row is
// run twice.
func TestLeanSingleRow(t *testing.T) {
	folder := zooFolder(t, "tiny-sd", 0)
	m := loadWith(t, folder, Settings{Threads: 1, Lean: true})
	rows := calls(m.unet, "sample")
	s := start(t, m, unguided)[0]
	single, err := m.unet.run(t.Context(), inputsOf(m, s, 1))
	if err != nil {
		t.Fatal(err)
	}
	double, err := m.unet.run(t.Context(), inputsOf(m, s, 2))
	if err != nil {
		t.Fatal(err)
	}
	a, b := single["output"].Float32(), double["output"].Float32()
	if sameBits(a, b[:len(a)]) {
		t.Fatal("a single row has the bits of two: the trap is gone, and the test with it")
	}
	*rows = nil
	for !s.Done() {
		if err := m.Step(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{2, 1, 2, 2, 2}; !slices.Equal(*rows, want) {
		t.Errorf("calls of %v rows, want %v: two and one to compare, then two", *rows, want)
	}
	if n := m.Rows("", int(s.height), int(s.width), s.Context(), 1); n != 2 {
		t.Errorf("a single row is given %d rows", n)
	}
	packed := loadWith(t, folder, Settings{Threads: 1})
	rows = calls(packed.unet, "sample")
	if err := errors.Join(drawErr(t, packed, start(t, packed, unguided)[0])...); err != nil {
		t.Fatal(err)
	}
	if want := []int{2, 1, 1, 1, 1}; !slices.Equal(*rows, want) {
		t.Errorf("packed: calls of %v rows, want %v", *rows, want)
	}
}

func drawErr(t *testing.T, m *Model, s *Sequence) (errs []error) {
	t.Helper()
	for !s.Done() {
		errs = append(errs, m.Step(t.Context(), s))
	}
	return errs
}

func inputsOf(m *Model, s *Sequence, rows int) map[string]ort.Tensor {
	var b batch
	b.add(s)
	return m.unetInputs(&b, make([]int, rows), s)
}

// TestRowCountsInUse steps packs of all sizes: the second call of a count is one
// call, and every image is the one drawn alone.
func TestRowCountsInUse(t *testing.T) {
	m := load(t, openRuntime(t), zooFolder(t, "tiny-sd", 0), weights.Options{})
	rows := calls(m.unet, "sample")
	for _, n := range []int{2, 5, 9} {
		var changes []func(*Request)
		for i := range n {
			changes = append(changes, func(r *Request) {
				r.Seed, r.Steps, r.Sampler = uint64(i), 3, "ddim"
				if i%2 == 0 {
					r.GuidanceScale = 1
				}
			})
		}
		seqs := start(t, m, changes...)
		want := 0
		for _, s := range seqs {
			want += s.Rows()
		}
		for call := range 3 {
			*rows = nil
			if err := m.Step(t.Context(), seqs...); err != nil {
				t.Fatal(err)
			}
			if call > 0 && !slices.Equal(*rows, []int{m.Rows("", 9, 8, 77, want)}) {
				t.Errorf("%d rows: calls of %v, want one of %d", want, *rows, m.Rows("", 9, 8, 77, want))
			}
		}
		alone := load(t, openRuntime(t), m.Pipeline.Dir, weights.Options{})
		for i, s := range start(t, alone, changes...) {
			if err := errors.Join(drawErr(t, alone, s)...); err != nil {
				t.Fatal(err)
			}
			if !sameBits(s.latents, seqs[i].latents) {
				t.Errorf("image %d of %d differs from the one drawn alone", i, n)
			}
		}
	}
}

// forbid makes row counts of the UNet known to change bits.
func forbid(t *testing.T, m *Model, counts ...int) {
	t.Helper()
	if err := m.Warm(); err != nil {
		t.Fatal(err)
	}
	for _, n := range counts {
		m.unet.settings.Proofs.set(m.unet.proofKey(), shapeName("", 9, 8, 77), n, false)
	}
}

// TestUnusableCounts: where counts differ, or even the order in the base count,
// pieces are run in halves or alone, and images stay what they are.
func TestUnusableCounts(t *testing.T) {
	folder := zooFolder(t, "tiny-sd", 0)
	three := []func(*Request){nil, unguided, func(r *Request) { r.Seed = 3 }}
	sure := loadWith(t, folder, Settings{Threads: 1})
	want := start(t, sure, three...)
	for _, s := range want {
		if err := errors.Join(drawErr(t, sure, s)...); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		bad   []int
		last  []int // rows of the last step's calls
		given int
	}{
		"none":            {nil, []int{5}, 5},
		"five":            {[]int{5}, []int{2, 3}, 5},
		"five and three":  {[]int{5, 3}, []int{2, 1, 2}, 5},
		"also one":        {[]int{5, 3, 1}, []int{2, 2, 2}, 6},
		"the base itself": {[]int{2}, []int{2, 2, 2}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			m := loadWith(t, folder, Settings{Threads: 1})
			forbid(t, m, c.bad...)
			seqs := start(t, m, three...)
			rows := calls(m.unet, "sample")
			for !seqs[0].Done() {
				*rows = nil
				if err := m.Step(t.Context(), seqs...); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(*rows, c.last) {
				t.Errorf("calls of %v rows, want %v", *rows, c.last)
			}
			if n := m.Rows("", 9, 8, 77, 5); n != c.given {
				t.Errorf("5 rows are given %d, want %d", n, c.given)
			}
			for i := range seqs {
				if !sameBits(seqs[i].latents, want[i].latents) {
					t.Errorf("image %d has changed", i)
				}
			}
		})
	}
}

// TestBuckets: padding adds little, and never takes away.
func TestBuckets(t *testing.T) {
	for n := 1; n <= 200; n++ {
		if b := bucket(n); b < n || b > n+n/4+1 || bucket(b) != b {
			t.Errorf("%d rows are padded to %d", n, b)
		}
	}
}
