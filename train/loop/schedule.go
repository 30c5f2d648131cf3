package loop

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Schedule is how the learning rate follows the step, as diffusers' get_scheduler
// computes it.
type Schedule struct {
	Name   string  // one of Schedules
	Rate   float64 // the learning rate after the warm-up
	Warmup int64   // steps in which it rises from 0 in a line
	Cycles int     // of cosine_with_restarts, at least 1
	Power  float64 // of polynomial, above 0
}

// Schedules are the names of schedules.
var Schedules = []string{"constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"}

// polynomialEnd is the rate that the polynomial schedule ends at.
const polynomialEnd = 1e-7

// UsesSteps reports whether the rate depends on how many steps there are in all.
func (s Schedule) UsesSteps() bool { return !strings.HasPrefix(s.Name, "constant") }

// Check returns every fault, joined, for a run of so many steps; 0 is not known yet.
func (s Schedule) Check(steps int64) error {
	var faults []error
	want := func(ok bool, name string, value any, expected string) {
		if !ok {
			faults = append(faults, fmt.Errorf("schedule.%s is %v, expected %s", name, value, expected))
		}
	}
	want(slices.Contains(Schedules, s.Name), "name", fmt.Sprintf("%q", s.Name), "one of "+strings.Join(Schedules, ", "))
	want(s.Rate >= 0 && s.Rate <= math.MaxFloat32, "rate", s.Rate, "a number from 0 on")
	want(s.Warmup >= 0, "warmup", s.Warmup, "a number of steps from 0 on")
	want(s.Name != "constant" || s.Warmup == 0, "warmup", s.Warmup, "0 for constant; constant_with_warmup has one")
	if steps > 0 && s.UsesSteps() {
		want(s.Warmup <= steps, "warmup", s.Warmup, fmt.Sprintf("at most the %d steps of the run", steps))
	}
	if s.Name == "cosine_with_restarts" {
		want(s.Cycles >= 1, "cycles", s.Cycles, "a number from 1 on")
	}
	if s.Name == "polynomial" {
		want(s.Power > 0 && s.Power <= math.MaxFloat32, "power", s.Power, "a number above 0")
		want(s.Rate > polynomialEnd, "rate", s.Rate, fmt.Sprintf("more than %g, where polynomial ends", polynomialEnd))
	}
	return errors.Join(faults...)
}

// At is the learning rate of a step, counted from 1, of a run of so many.
func (s Schedule) At(step, steps int64) float64 {
	done := step - 1 // diffusers counts the steps before
	if s.Name == "constant" {
		return s.Rate
	}
	if done < s.Warmup {
		return s.Rate * (float64(done) / float64(s.Warmup))
	}
	progress := float64(done-s.Warmup) / float64(max(1, steps-s.Warmup))
	switch s.Name {
	case "linear":
		return s.Rate * max(0, float64(steps-done)/float64(max(1, steps-s.Warmup)))
	case "cosine":
		return s.Rate * max(0, 0.5*(1+math.Cos(math.Pi*0.5*2*progress)))
	case "cosine_with_restarts":
		if progress >= 1 {
			return 0
		}
		return s.Rate * max(0, 0.5*(1+math.Cos(math.Pi*math.Mod(float64(s.Cycles)*progress, 1))))
	case "polynomial":
		if done > steps {
			return polynomialEnd
		}
		return (s.Rate-polynomialEnd)*math.Pow(1-progress, s.Power) + polynomialEnd
	}
	return s.Rate
}
