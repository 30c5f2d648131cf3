package loop

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// TestSchedulesEqualDiffusers compares the rate of every step.
func TestSchedulesEqualDiffusers(t *testing.T) {
	data, err := os.ReadFile("testdata/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Cases []struct {
			Name          string
			Rate, Power   float64
			Warmup, Steps int64
			Cycles        int
			Rates         []float64
		}
	}
	if err := json.Unmarshal(data, &fixture); err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, c := range fixture.Cases {
		met[c.Name] = true
		s := Schedule{Name: c.Name, Rate: c.Rate, Warmup: c.Warmup, Cycles: c.Cycles, Power: c.Power}
		if err := s.Check(c.Steps); err != nil {
			t.Error(err)
		}
		for i, want := range c.Rates {
			if got := s.At(int64(i)+1, c.Steps); math.Abs(got-want) > 1e-14*c.Rate {
				t.Errorf("%s with %d steps and warm-up %d: step %d has rate %.17g, diffusers' %.17g", c.Name, c.Steps, c.Warmup, i+1, got, want)
			}
		}
	}
	for _, name := range Schedules {
		if !met[name] {
			t.Errorf("no case of %s", name)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for want, s := range map[string]Schedule{
		`schedule.name is "cosin", expected one of constant, constant_with_warmup, linear`: {Name: "cosin", Rate: 1},
		"schedule.rate is NaN, expected a number from 0 on":                                {Name: "linear", Rate: math.NaN()},
		"schedule.warmup is -1, expected a number of steps":                                {Name: "linear", Rate: 1, Warmup: -1},
		"schedule.warmup is 5, expected 0 for constant":                                    {Name: "constant", Rate: 1, Warmup: 5},
		"schedule.warmup is 11, expected at most the 10 steps":                             {Name: "cosine", Rate: 1, Warmup: 11},
		"schedule.cycles is 0, expected a number from 1 on":                                {Name: "cosine_with_restarts", Rate: 1},
		"schedule.power is 0, expected a number above 0":                                   {Name: "polynomial", Rate: 1},
		"schedule.rate is 1e-08, expected more than 1e-07":                                 {Name: "polynomial", Rate: 1e-8, Power: 1},
	} {
		if err := s.Check(10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
