package inference

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDifferentBitsAreRecorded(t *testing.T) {
	n := &network{settings: Settings{Proofs: &Proofs{}}}
	one := rowOutputs{"output": {{1, 2}, {3, 4}}}
	for _, c := range []struct {
		name  string
		other rowOutputs
		ok    bool
		known bool
	}{
		{"same", rowOutputs{"output": {{1, 2}, {3, 4}}}, true, true},
		{"one bit", rowOutputs{"output": {{1, 2}, {3, 4.0000005}}}, false, true},
	} {
		n.record(c.name, 3, one, c.other)
		if ok, known := n.usable(c.name, 3); ok != c.ok || known != c.known {
			t.Errorf("%s: usable %t, known %t", c.name, ok, known)
		}
	}
	nan := float32(0)
	nan /= nan
	n.record("NaN", 3, rowOutputs{"output": {{nan}}}, rowOutputs{"output": {{1}}})
	if _, known := n.usable("NaN", 3); known {
		t.Error("a result that is not finite has proven something")
	}
}

// TestProofsOutliveAProcess: the file spares the comparison; a broken one or one of
// another version is begun anew; another engine's proofs are kept.
func TestProofsOutliveAProcess(t *testing.T) {
	folder, path := zooFolder(t, "tiny-sd", 0), filepath.Join(t.TempDir(), "rows.json")
	first := func() []int {
		proofs, err := OpenProofs(path)
		if err != nil {
			t.Fatal(err)
		}
		m := loadWith(t, folder, Settings{Threads: 2, Proofs: proofs})
		rows := calls(m.unet, "sample")
		if err := m.Step(t.Context(), start(t, m, nil, unguided)...); err != nil {
			t.Fatal(err)
		}
		return *rows
	}
	compared, spared := []int{2, 2, 2, 3}, []int{3}
	if got := first(); !slices.Equal(got, compared) {
		t.Errorf("at first: %v, want %v", got, compared)
	}
	if got := first(); !slices.Equal(got, spared) {
		t.Errorf("again: %v, want %v", got, spared)
	}
	for _, broken := range []string{"", "{", `{"version":1,"networks":[]}`, `{"version":2}`, `{"version":1,"networks":{"x":null,"y":{"z":null}}}`} {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := first(); !slices.Equal(got, compared) {
			t.Errorf("after %q: %v, want %v", broken, got, compared)
		}
	}
	one, err := OpenProofs(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenProofs(path)
	if err != nil {
		t.Fatal(err)
	}
	one.set("a", "s", 3, true)
	other.set("b", "s", 3, false)
	both, err := OpenProofs(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"a", "b"} {
		if _, known := both.get(network, "s", 3); !known {
			t.Errorf("the proof of %s is lost among %v", network, slices.Collect(maps.Keys(both.known)))
		}
	}
	if _, err := OpenProofs(filepath.Join(path, "below-a-file")); err == nil {
		t.Error("a path that can't be written was accepted")
	}
}

func TestProofsAreBounded(t *testing.T) {
	var p Proofs
	for i := range maxShapes + 10 {
		p.set("n", shapeName("", i, 1, 77), 2, true)
	}
	if n := len(p.known["n"]); n != 10 {
		t.Errorf("%d shapes are kept, want 10 since it began anew", n)
	}
}
