package train

import "testing"

func TestChanceFollowsFromWhatItIsGiven(t *testing.T) {
	seen := map[uint64]string{}
	for name, r := range map[string]uint64{
		"seed 1":        Chance(1, "noise", 2, 3).Uint64(),
		"seed 2":        Chance(2, "noise", 2, 3).Uint64(),
		"other purpose": Chance(1, "flip", 2, 3).Uint64(),
		"other numbers": Chance(1, "noise", 3, 2).Uint64(),
		"fewer numbers": Chance(1, "noise", 2).Uint64(),
		"a seed":        SeedOf(1, "noise", 2, 3),
	} {
		if other, twice := seen[r]; twice {
			t.Errorf("%s and %s begin with the same number", name, other)
		}
		seen[r] = name
	}
	if a, b := Chance(1, "noise", 2, 3).Uint64(), Chance(1, "noise", 2, 3).Uint64(); a != b {
		t.Errorf("the same chance begins with %d and %d", a, b)
	}
	// What is drawn is part of a run's identity: a checkpoint's run goes on with it.
	const want = 17597862895466664796
	if got := Chance(1, "noise", 2, 3).Uint64(); got != want {
		t.Errorf("the first number is %d, expected %d", got, uint64(want))
	}
}
