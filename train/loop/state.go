package loop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"time"
)

// state is what a checkpoint knows beside tensors.
type state struct {
	Version string        `json:"version"`
	Step    int64         `json:"step"`    // made
	Batches int64         `json:"batches"` // taken, the number of the next one
	Updates int64         `json:"updates"` // steps that changed the weights
	Images  int64         `json:"images"`  // learned from
	Skips   int64         `json:"skips"`   // steps that changed nothing
	InRow   int           `json:"skips_in_a_row"`
	Lost    int64         `json:"lost"`       // what could not be read, each time
	Names   []string      `json:"lost_names"` // what was told of it
	Held    int64         `json:"held"`       // the step at which held-out batches were judged last, -1 for never
	Elapsed time.Duration `json:"elapsed_ns"`
	Average bool          `json:"average"`

	Fixed map[string]string `json:"fixed"`
	Free  map[string]string `json:"free"`
}

// maxNames bounds what is remembered of unreadable things, so that each is told once.
const maxNames = 10_000

func parseState(data []byte) (*state, error) {
	var s state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("its state cannot be read: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("its state goes on after its end")
	}
	for _, n := range []int64{s.Step, s.Batches, s.Updates, s.Images, s.Skips, int64(s.InRow), s.Lost, int64(s.Elapsed)} {
		if n < 0 || n > math.MaxInt64/2 {
			return nil, fmt.Errorf("its state has a count of %d", n)
		}
	}
	if s.Updates > s.Step || s.Held > s.Step || s.Held < -1 || s.Step > math.MaxInt32 {
		return nil, fmt.Errorf("its state disagrees with itself: %d updates, judged at %d, of %d steps", s.Updates, s.Held, s.Step)
	}
	return &s, nil
}

// changed compares settings: a line for each that differs. One that was not known then
// was at its default.
func changed(was, is, defaults map[string]string) (lines []string) {
	all := maps.Clone(was)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, is)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, had := was[name]
		b, has := is[name]
		if d, known := defaults[name]; known && !had && d == b {
			continue
		}
		switch {
		case !had:
			lines = append(lines, fmt.Sprintf("%s was not set, it is %s now", name, b))
		case !has:
			lines = append(lines, fmt.Sprintf("%s was %s, it is not set now", name, a))
		case a != b && !((filepath.IsAbs(a) || filepath.IsAbs(b)) && samePath(a, b)): // two ways to one folder
			lines = append(lines, fmt.Sprintf("%s was %s, it is %s now", name, a, b))
		}
	}
	return lines
}
