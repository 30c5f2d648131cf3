package pack

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cosmicman/job"
)

func at(size int) job.Group {
	return job.Group{Model: "m", Height: size / 8, Width: size / 8, Tokens: 77}
}

// taught returns a book that has measured groups of the given fit at some row counts.
func taught(p Params, fit Fit, groups ...job.Group) *Book {
	b := NewBook(p)
	for _, g := range groups {
		for _, rows := range []int{1, 2, 4, 8, 16, 32} {
			for range 3 {
				b.Stepped(b.Group(g), rows, fit.Seconds(rows), 1)
			}
		}
		b.Group(g).account = 0
	}
	b.clock, b.owedBegin, b.owedDecode = 0, 0, 0
	return b
}

func repeat[T any](n int, v T) []T { return slices.Repeat([]T{v}, n) }

func loaded(names ...string) (ms []Model) {
	for _, n := range names {
		ms = append(ms, Model{Name: n, Bytes: 10, Loaded: true})
	}
	return ms
}

func TestChoiceOfTheNextTurn(t *testing.T) {
	small, large, other := at(512), at(1024), job.Group{Model: "n", Height: 64, Width: 64, Tokens: 77}
	gpu := func() *Book { return taught(Params{}, Fit{Fixed: 0.16, PerRow: 0.01}, small, large, other) }
	seq := func(b *Book, g job.Group, rows, left int) Sequence {
		return Sequence{Group: b.Group(g), Rows: rows, Left: left}
	}
	tests := []struct {
		name  string
		state func() State
		want  Action
		items []int
		model string
		rows  int
	}{
		{"nothing to do", func() State { return State{Book: gpu(), Models: loaded("m")} }, Idle, nil, "", 0},
		{"an image is begun before others step on", func() State {
			b := gpu()
			return State{Book: b, Models: loaded("m"), Active: repeat(1, seq(b, small, 2, 5)), Waiting: repeat(3, Waiting{Group: small, Rows: 2})}
		}, Begin, []int{0, 1, 2}, "m", 0},
		{"a preview comes before its image's next step", func() State {
			b := gpu()
			due := seq(b, small, 2, 5)
			due.Preview = true
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), due}}
		}, Preview, []int{1}, "m", 0},
		{"after a preview, the others are stepped, without one that waits for its own", func() State {
			b := gpu()
			b.Previewed(b.Group(small), 0.2)
			due := seq(b, small, 2, 5)
			due.Preview, due.Alone = true, true
			return State{Book: b, Models: loaded("m"), Active: []Sequence{due, seq(b, small, 2, 5), seq(b, small, 2, 5)}}
		}, Step, []int{1, 2}, "m", 4},
		{"when all wait for previews, they are decoded at once", func() State {
			b := gpu()
			b.Previewed(b.Group(small), 0.2)
			due := seq(b, small, 2, 5)
			due.Preview = true
			return State{Book: b, Models: loaded("m"), Active: []Sequence{due, due}}
		}, Preview, []int{0}, "m", 0},
		{"a finished image is decoded before a preview is", func() State {
			b := gpu()
			due := seq(b, small, 2, 5)
			due.Preview = true
			return State{Book: b, Models: loaded("m"), Active: []Sequence{due, seq(b, small, 2, 0)}}
		}, Decode, []int{1}, "m", 0},
		{"an ended image's last preview comes before its decode", func() State {
			b := gpu()
			due := seq(b, small, 2, 0)
			due.Preview = true
			return State{Book: b, Models: loaded("m"), Active: []Sequence{due}}
		}, Preview, []int{0}, "m", 0},
		{"after a begin, steps have their turn", func() State {
			b := gpu()
			b.Began(0.5)
			return State{Book: b, Models: loaded("m"), Active: repeat(1, seq(b, small, 2, 5)), Waiting: repeat(3, Waiting{Group: small, Rows: 2})}
		}, Step, []int{0}, "m", 2},
		{"what a begin owes holds nobody up where nothing steps", func() State {
			b := gpu()
			b.Began(0.5)
			return State{Book: b, Models: loaded("m"), Waiting: repeat(1, Waiting{Group: small, Rows: 2})}
		}, Begin, []int{0}, "m", 0},
		{"after a begin, what has ended has its turn", func() State {
			b := gpu()
			b.Began(0.5)
			return State{Book: b, Models: loaded("m"), Active: repeat(1, seq(b, small, 2, 0)), Waiting: repeat(1, Waiting{Group: small, Rows: 2})}
		}, Decode, []int{0}, "m", 0},
		{"what a begin owes holds nobody up where nothing can be decoded", func() State {
			b := gpu()
			b.Began(0.5)
			return State{Book: b, Full: true, Models: loaded("m"), Active: repeat(1, seq(b, small, 2, 0)), Waiting: repeat(1, Waiting{Group: small, Rows: 2})}
		}, Begin, []int{0}, "m", 0},
		{"without room nothing is begun", func() State {
			b := taught(Params{MaxRows: 4}, Fit{Fixed: 0.16, PerRow: 0.01}, small)
			return State{Book: b, Models: loaded("m"), Active: repeat(2, seq(b, small, 2, 5)), Waiting: repeat(1, Waiting{Group: small, Rows: 2})}
		}, Step, []int{0, 1}, "m", 4},
		{"another size has room of its own", func() State {
			b := taught(Params{MaxRows: 4}, Fit{Fixed: 0.16, PerRow: 0.01}, small, large)
			return State{Book: b, Models: loaded("m"), Active: repeat(2, seq(b, small, 2, 5)), Waiting: []Waiting{{Group: small, Rows: 2}, {Group: large, Rows: 2}}}
		}, Begin, []int{1}, "m", 0},
		{"one begin is of one model", func() State {
			return State{Book: gpu(), Models: loaded("m", "n"), Waiting: []Waiting{{Group: other, Rows: 2}, {Group: small, Rows: 2}, {Group: other, Rows: 1}}}
		}, Begin, []int{0, 2}, "n", 0},
		{"one that ran out of memory is begun by itself", func() State {
			return State{Book: gpu(), Models: loaded("m"), Waiting: []Waiting{{Group: small, Rows: 2, Alone: true}, {Group: small, Rows: 2}}}
		}, Begin, []int{0}, "m", 0},
		{"an ended image is decoded before others step on", func() State {
			b := gpu()
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), seq(b, small, 2, 0), seq(b, small, 2, 7)}}
		}, Decode, []int{1}, "m", 0},
		{"after a decode, steps have their turn", func() State {
			b := gpu()
			b.Decoded(b.Group(small), 1)
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), seq(b, small, 2, 0), seq(b, small, 1, 7)}}
		}, Step, []int{0, 2}, "m", 3},
		{"decodes that outnumber steps go on", func() State {
			b := gpu()
			b.Decoded(b.Group(small), 1)
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), seq(b, small, 2, 0)}}
		}, Decode, []int{1}, "m", 0},
		{"nothing is decoded that cannot be handed on", func() State {
			b := gpu()
			return State{Book: b, Full: true, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 0)}}
		}, Idle, nil, "", 0},
		{"oldest first when not all fit", func() State {
			b := taught(Params{MaxRows: 6}, Fit{Fixed: 0.16, PerRow: 0.01}, small)
			return State{Book: b, Models: loaded("m"), Active: repeat(5, seq(b, small, 2, 5))}
		}, Step, []int{0, 1, 2}, "m", 6},
		{"a single row fills what two cannot", func() State {
			b := taught(Params{MaxRows: 3}, Fit{Fixed: 0.16, PerRow: 0.01}, small)
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), seq(b, small, 2, 5), seq(b, small, 1, 5)}}
		}, Step, []int{0, 2}, "m", 3},
		{"a sequence is stepped whatever the limit", func() State {
			b := taught(Params{MaxRows: 1}, Fit{PerRow: 0.01}, small)
			return State{Book: b, Models: loaded("m"), Active: repeat(3, seq(b, small, 2, 5))}
		}, Step, []int{0}, "m", 2},
		{"a suspect is stepped by itself", func() State {
			b := gpu()
			return State{Book: b, Models: loaded("m"), Active: []Sequence{{Group: b.Group(small), Rows: 2, Left: 3, Alone: true}, seq(b, small, 2, 5)}}
		}, Step, []int{0}, "m", 2},
		{"a suspect is stepped before others, to clear it", func() State {
			b := gpu()
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), {Group: b.Group(small), Rows: 2, Left: 3, Alone: true}, seq(b, small, 2, 5)}}
		}, Step, []int{1}, "m", 2},
		{"the group that received least is next", func() State {
			b := gpu()
			b.Stepped(b.Group(small), 4, 0.2, 1)
			return State{Book: b, Models: loaded("m"), Active: []Sequence{seq(b, small, 2, 5), seq(b, large, 2, 5)}}
		}, Step, []int{1}, "m", 2},
		{"padding is filled", func() State {
			b := taught(Params{MaxRows: 5}, Fit{Fixed: 0.16, PerRow: 0.01}, small)
			return State{Book: b, Models: loaded("m"), Active: repeat(9, seq(b, small, 2, 5)), Pad: func(_ job.Group, n int) int { return (n + 7) / 8 * 8 }}
		}, Step, []int{0, 1, 2, 3}, "m", 8},
		{"no bucket is above what memory allows", func() State {
			b := taught(Params{}, Fit{Fixed: 0.16, PerRow: 0.01}, small)
			b.OutOfMemory(b.Group(small), 12)
			return State{Book: b, Models: loaded("m"), Active: repeat(9, seq(b, small, 1, 5)), Pad: func(_ job.Group, n int) int { return (n + 3) / 4 * 4 }}
		}, Step, []int{0, 1, 2, 3}, "m", 4},
		{"a model that is wanted and fits is loaded", func() State {
			return State{Book: gpu(), Memory: 20, Models: append(loaded("m"), Model{Name: "n", Bytes: 10}), Waiting: []Waiting{{Group: other, Rows: 2}}}
		}, Load, nil, "n", 0},
		{"the least recently used makes place", func() State {
			ms := append(loaded("m", "o", "p"), Model{Name: "n", Bytes: 10})
			ms[0].Used, ms[1].Used, ms[2].Used, ms[2].Pinned = 5, 3, 1, true
			return State{Book: gpu(), Memory: 30, Models: ms, Waiting: []Waiting{{Group: other, Rows: 2}}}
		}, Unload, nil, "o", 0},
		{"a model in use is not unloaded, and is given nothing new", func() State {
			b := gpu()
			return State{Book: b, Memory: 10, Models: append(loaded("m"), Model{Name: "n", Bytes: 10}), Active: repeat(1, seq(b, small, 2, 5)),
				Waiting: []Waiting{{Group: other, Rows: 2}, {Group: small, Rows: 2}}}
		}, Step, []int{0}, "m", 2},
		{"images leased before the one that wants another model are begun first", func() State {
			b := gpu()
			return State{Book: b, Memory: 10, Models: append(loaded("m"), Model{Name: "n", Bytes: 10}), Active: repeat(1, seq(b, small, 2, 5)),
				Waiting: []Waiting{{Group: small, Rows: 2}, {Group: other, Rows: 2}, {Group: small, Rows: 2}}}
		}, Begin, []int{0}, "m", 0},
		{"a model larger than the budget is tried when nothing else is loaded", func() State {
			return State{Book: gpu(), Memory: 5, Models: []Model{{Name: "n", Bytes: 10}}, Waiting: []Waiting{{Group: other, Rows: 2}}}
		}, Load, nil, "n", 0},
		{"a broken model is left alone until its time", func() State {
			return State{Now: 5, Book: gpu(), Models: []Model{{Name: "n", Bytes: 10, RetryAt: 6}}, Waiting: []Waiting{{Group: other, Rows: 2}}}
		}, Idle, nil, "", 0},
		{"an unused model is unloaded after its keep-alive time", func() State {
			return State{Now: 100, KeepAlive: 60, Book: gpu(), Models: loaded("m")}
		}, Unload, nil, "m", 0},
		{"a pinned model is kept", func() State {
			return State{Now: 100, KeepAlive: 60, Book: gpu(), Models: []Model{{Name: "m", Loaded: true, Pinned: true}}}
		}, Idle, nil, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Choose(tt.state())
			if c.Action != tt.want || !slices.Equal(c.Items, tt.items) || c.Model != tt.model || c.Rows != tt.rows {
				t.Errorf("%s %v of %q, %d rows, want %s %v of %q, %d rows", c.Action, c.Items, c.Model, c.Rows, tt.want, tt.items, tt.model, tt.rows)
			}
		})
	}
}

func TestIdleEndsWhenAKeepAliveTimeDoes(t *testing.T) {
	c := Choose(State{Now: 30, KeepAlive: 60, Book: NewBook(Params{}), Models: []Model{{Name: "a", Loaded: true, Used: 10}, {Name: "b", Loaded: true, Used: 5}}})
	if c.Action != Idle || c.Until != 65 {
		t.Errorf("%s until %v, want idle until 65", c.Action, c.Until)
	}
}

func TestRowLimits(t *testing.T) {
	tests := []struct {
		name     string
		fit      Fit
		params   Params
		low, top int
	}{
		{"no fixed part, as on a CPU", Fit{PerRow: 0.3}, Params{}, 1, 1},
		{"a small fixed part", Fit{Fixed: 0.03, PerRow: 0.3}, Params{}, 2, 4},
		{"a fixed part worth 16 rows", Fit{Fixed: 0.16, PerRow: 0.01}, Params{}, 40, 64},
		{"no step above its bound", Fit{Fixed: 1, PerRow: 0.25}, Params{}, 2, 4},
		{"not even two rows are quick enough", Fit{Fixed: 3, PerRow: 3}, Params{}, 1, 1},
		{"never above the setting", Fit{Fixed: 0.16, PerRow: 0.01}, Params{MaxRows: 12}, 12, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := taught(tt.params, tt.fit, at(512)).Limit(at(512))
			if got < tt.low || got > tt.top {
				t.Errorf("limit %d, want %d to %d", got, tt.low, tt.top)
			}
		})
	}
}

// TestLimitGrowsToWhatPays drives a flood with no knowledge at all.
func TestLimitGrowsToWhatPays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fit      Fit
		low, top int
	}{
		{"GPU-like", Fit{Fixed: 0.08, PerRow: 0.005}, 40, 64},
		{"CPU-like", Fit{Fixed: 0.002, PerRow: 0.2}, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBook(Params{})
			g := b.Group(at(512))
			for range 200 {
				rows := b.Limit(g.Group)
				b.Stepped(g, rows, tt.fit.Seconds(rows), 1)
			}
			if got := b.Limit(g.Group); got < tt.low || got > tt.top {
				t.Errorf("limit %d, want %d to %d", got, tt.low, tt.top)
			}
		})
	}
}

func TestOutliersDoNotMoveCosts(t *testing.T) {
	fit := Fit{Fixed: 0.16, PerRow: 0.01}
	b := taught(Params{}, fit, at(512))
	limit := b.Limit(at(512))
	for _, rows := range []int{1, 8, 32} {
		b.Stepped(b.Group(at(512)), rows, 100*fit.Seconds(rows), 1)
	}
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		b.Stepped(b.Group(at(512)), 4, bad, 1)
	}
	if got := b.Limit(at(512)); got != limit {
		t.Errorf("limit %d after outliers, want %d as before", got, limit)
	}
}

func TestCostsFollowADeviceThatSlowsDown(t *testing.T) {
	b := taught(Params{}, Fit{Fixed: 0.1, PerRow: 0.01}, at(512))
	for range window {
		b.Stepped(b.Group(at(512)), 8, 1.8, 1)
	}
	if got := b.Seconds(at(512), 8); got != 1.8 {
		t.Errorf("8 rows cost %v s, want the 1.8 s of the last steps", got)
	}
}

func TestUnmeasuredSizesBorrowFromTheNearestByPixels(t *testing.T) {
	b := taught(Params{}, Fit{Fixed: 0.16, PerRow: 0.01}, at(512))
	fit, known := b.Fit(at(1024))
	if !known || math.Abs(fit.Fixed-0.16) > 1e-9 || math.Abs(fit.PerRow-0.04) > 1e-9 {
		t.Errorf("%+v, %v, want the same fixed part and four times the part for a row", fit, known)
	}
	if _, known := b.Fit(job.Group{Model: "n", Height: 64, Width: 64}); known {
		t.Error("another model's costs are said to be known")
	}
}

func TestOutOfMemoryHalvesForGoodAndForLargerSizes(t *testing.T) {
	b := taught(Params{}, Fit{Fixed: 0.16, PerRow: 0.01}, at(512))
	if got := b.OutOfMemory(b.Group(at(512)), 32); got != 16 {
		t.Errorf("limit %d after 32 rows did not fit, want 16", got)
	}
	for range 100 {
		b.Stepped(b.Group(at(512)), 16, 0.32, 1)
	}
	if got := b.Limit(at(512)); got > 16 {
		t.Errorf("limit %d later on, want at most 16", got)
	}
	if got := b.Limit(at(1024)); got > 4 {
		t.Errorf("limit %d at four times the pixels, want at most 4", got)
	}
	if got := b.OutOfMemory(b.Group(at(512)), 1); got != 1 {
		t.Errorf("limit %d after one row did not fit, want 1", got)
	}
}

func TestSavedCostsComeBack(t *testing.T) {
	dir := t.TempDir()
	b := taught(Params{}, Fit{Fixed: 0.16, PerRow: 0.01}, at(512), at(768))
	b.OutOfMemory(b.Group(at(768)), 16)
	b.Decoded(b.Group(at(512)), 0.25)
	b.Loaded("m", 12)
	if err := b.Save(dir, "cpu", "m"); err != nil {
		t.Fatal(err)
	}
	c := NewBook(Params{})
	if err := c.Load(dir, "cpu", "m"); err != nil {
		t.Fatal(err)
	}
	for _, g := range []job.Group{at(512), at(768)} {
		if got, want := c.Limit(g), b.Limit(g); got != want {
			t.Errorf("%v: limit %d, want %d", g, got, want)
		}
	}
	if c.LoadSeconds("m") != 12 || c.DecodeSeconds(at(512)) != 0.25 {
		t.Errorf("load %v s, decode %v s, want 12 and 0.25", c.LoadSeconds("m"), c.DecodeSeconds(at(512)))
	}
	if err := c.Load(dir, "another", "m"); err != nil {
		t.Errorf("no file of another engine: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".costs-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUnusableCostFilesChangeNothing(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":             "{",
		"of a newer program":   `{"version":2,"fingerprint":"cpu","model":"m","groups":[]}`,
		"of another model":     `{"version":1,"fingerprint":"cpu","model":"n","groups":[]}`,
		"a negative duration":  `{"version":1,"fingerprint":"cpu","model":"m","groups":[{"height":64,"width":64,"tokens":77,"steps":[{"rows":1,"seconds":-1,"samples":1}]}]}`,
		"no time at all":       `{"version":1,"fingerprint":"cpu","model":"m","groups":[{"height":64,"width":64,"tokens":77,"steps":[{"rows":1,"seconds":5e-324,"samples":1}]}]}`,
		"loading for ages":     `{"version":1,"fingerprint":"cpu","model":"m","load_seconds":1e300,"groups":[]}`,
		"row counts unordered": `{"version":1,"fingerprint":"cpu","model":"m","groups":[{"height":64,"width":64,"tokens":77,"steps":[{"rows":2,"seconds":1,"samples":1},{"rows":2,"seconds":1,"samples":1}]}]}`,
		"no size":              `{"version":1,"fingerprint":"cpu","model":"m","groups":[{"height":0,"width":64,"tokens":77,"steps":[]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, FileName("cpu", "m")), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b := NewBook(Params{})
			if err := b.Load(dir, "cpu", "m"); err == nil {
				t.Error("no error")
			}
			if len(b.groups) != 0 {
				t.Errorf("%d groups were taken from it", len(b.groups))
			}
		})
	}
}

func TestAhead(t *testing.T) {
	cpu := func() *Book { return taught(Params{}, Fit{PerRow: 0.3}, at(512)) }
	gpu := func() *Book { return taught(Params{MaxRows: 32}, Fit{Fixed: 0.16, PerRow: 0.01}, at(512)) }
	active := func(b *Book, n int) []Sequence {
		return repeat(n, Sequence{Group: b.Group(at(512)), Rows: 2, Left: 9})
	}
	for _, tt := range []struct {
		name  string
		state func() State
		want  int
	}{
		{"an idle CPU takes one, and one ahead, one at a time", func() State { return State{Book: cpu()} }, 1},
		{"a CPU that draws has one ahead", func() State { b := cpu(); return State{Book: b, Active: active(b, 1)} }, 1},
		{"and no more", func() State { b := cpu(); return State{Book: b, Active: active(b, 2)} }, 0},
		{"a GPU takes a quarter of its batch at once", func() State { b := gpu(); return State{Book: b, Active: active(b, 1)} }, 4},
		{"up to a batch and a quarter", func() State { b := gpu(); return State{Book: b, Active: active(b, 20)} }, 0},
		{"nothing when finished images pile up", func() State { return State{Book: gpu(), Full: true} }, 0},
		{"nothing while models are in another's way", func() State {
			b := gpu()
			return State{Book: b, Memory: 10, Models: append(loaded("m"), Model{Name: "n", Bytes: 10}), Active: active(b, 1), Waiting: []Waiting{{Group: job.Group{Model: "n"}, Rows: 2}}}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Want(tt.state()); got != tt.want {
				t.Errorf("%d images, want %d", got, tt.want)
			}
		})
	}
}
