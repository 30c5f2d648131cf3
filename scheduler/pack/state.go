package pack

import "cosmicman/job"

// Sequence is an active image.
type Sequence struct {
	Group *Group // from Book.Group
	Rows  int    // of a UNet call
	Left  int    // network calls; 0: waits to be decoded
	Alone bool   // to be stepped by itself, first of its group: a call that it was in failed

	Preview bool // a preview is to be decoded before anything else is done with it
}

// Waiting is an image that is leased and not begun.
type Waiting struct {
	Group job.Group // as far as it is known: a model at least; no size: unknown
	Rows  int
	Alone bool // to be begun by itself
}

// Model is one that the worker can run.
type Model struct {
	Name    string
	Bytes   int64 // of memory that it takes when loaded
	Loaded  bool
	Pinned  bool    // never unloaded
	Used    float64 // when it was used last
	RetryAt float64 // not loaded before: loading failed
}

// State is what a choice depends on. Times are seconds on any one clock.
type State struct {
	Now       float64
	Active    []Sequence // oldest first
	Waiting   []Waiting  // in the order they were leased
	Models    []Model
	Memory    int64   // budget of the loaded models in bytes, 0: unbounded
	KeepAlive float64 // an unused model is unloaded after, 0: never
	Full      bool    // finished images pile up: none is decoded, none leased
	Book      *Book
	// Pad returns how many rows the device is given when n are wanted; nil: n.
	Pad func(g job.Group, n int) int
}

func (s *State) model(name string) *Model {
	for i := range s.Models {
		if s.Models[i].Name == name {
			return &s.Models[i]
		}
	}
	return nil
}

func (s *State) pad(g job.Group, n int) int {
	if s.Pad == nil {
		return n
	}
	return max(n, s.Pad(g, n))
}

// Action is what a choice does.
type Action string

// The actions.
const (
	Idle   Action = "idle"   // nothing, until something comes or Choice.Until
	Begin  Action = "begin"  // Choice.Items of State.Waiting, all of Choice.Model
	Step   Action = "step"   // Choice.Items of State.Active, all of Choice.Group
	Decode Action = "decode" // Choice.Items[0] of State.Active
	// Preview is Choice.Items[0] of State.Active, decoded as it is.
	Preview Action = "preview"
	Load    Action = "load"   // Choice.Model
	Unload  Action = "unload" // Choice.Model
)

// Choice is the device's next turn.
type Choice struct {
	Action Action
	Items  []int // indexes
	Model  string
	Group  *Group
	Rows   int     // of a step, padding not counted
	Weight float64 // of a step, for Book.Stepped
	Until  float64 // when to choose again at the latest, of Idle; 0: when something comes
}

// tally is what a state holds of one group.
type tally struct {
	group    *Group
	rows     int // of sequences to step
	images   int // of sequences to step
	ready    int // of these, how many can be stepped now: no preview is due
	oldest   int // index of the first that can
	suspect  int // index of the first to be stepped by itself, or -1
	decoding int // images that wait to be decoded
}

// count sums the active sequences up by group, in the order of their oldest.
func (s *State) count() (tallies []tally) {
	index := make(map[*Group]int, 8)
	var last *Group
	at := 0
	for i := range s.Active {
		q := &s.Active[i]
		if q.Group != last {
			var found bool
			if at, found = index[q.Group]; !found {
				at = len(tallies)
				index[q.Group] = at
				tallies = append(tallies, tally{group: q.Group, oldest: -1, suspect: -1})
			}
			last = q.Group
		}
		t := &tallies[at]
		if q.Left <= 0 {
			if !q.Preview {
				t.decoding++
			}
			continue
		}
		t.rows += q.Rows
		t.images++
		if q.Preview {
			continue
		}
		t.ready++
		if t.oldest < 0 {
			t.oldest = i
		}
		if q.Alone && t.suspect < 0 {
			t.suspect = i
		}
	}
	return tallies
}
