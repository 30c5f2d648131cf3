package pack

import "slices"

const (
	window    = 7  // samples kept of one row count
	priorRows = 4  // what the fixed part is taken to be worth while only one row count was measured
	lookEvery = 64 // calls, of which one looks whether more rows pay by now
)

// Fit is the cost of a UNet call: Fixed + PerRow times the rows, in seconds.
type Fit struct{ Fixed, PerRow float64 }

// Seconds returns what a call with so many rows costs.
func (f Fit) Seconds(rows int) float64 { return f.Fixed + f.PerRow*float64(rows) }

// samples are the last few measurements of one thing.
type samples struct {
	ring  []float64
	count int // of all there ever were
}

func (s *samples) add(seconds float64) {
	if len(s.ring) < window {
		s.ring = append(s.ring, seconds)
	} else {
		s.ring[s.count%window] = seconds
	}
	s.count++
}

// median is the lower one of an even number: of two, the one that was not disturbed.
func (s *samples) median() float64 {
	if len(s.ring) == 0 {
		return 0
	}
	var sorted [window]float64
	n := copy(sorted[:], s.ring)
	slices.Sort(sorted[:n])
	return sorted[(n-1)/2]
}

// cell is what is known of calls with one row count.
type cell struct {
	rows    int
	samples samples
	seconds float64
}

// curve is the cost of calls by rows.
type curve struct {
	cells []*cell // by rows
	steps int     // calls so far
	fit   Fit
}

func (c *curve) add(rows int, seconds float64) {
	i, found := slices.BinarySearchFunc(c.cells, rows, func(c *cell, rows int) int { return c.rows - rows })
	if !found {
		c.cells = slices.Insert(c.cells, i, &cell{rows: rows})
	}
	c.steps++
	c.cells[i].samples.add(seconds)
	c.cells[i].seconds = c.cells[i].samples.median()
	c.refit()
}

// refit draws the line through the medians by least squares of relative errors,
// and keeps it plausible: neither part is negative, and rows are never free.
func (c *curve) refit() {
	if len(c.cells) == 0 {
		return
	}
	if len(c.cells) == 1 {
		only := c.cells[0]
		c.fit.PerRow = only.seconds / float64(only.rows+priorRows)
		c.fit.Fixed = only.seconds - c.fit.PerRow*float64(only.rows)
		return
	}
	var w, wn, wnn, ws, wns float64
	for _, cell := range c.cells {
		weight := float64(min(cell.samples.count, window)) / (cell.seconds * cell.seconds)
		n, s := float64(cell.rows), cell.seconds
		w += weight
		wn += weight * n
		wnn += weight * n * n
		ws += weight * s
		wns += weight * n * s
	}
	perRow := (w*wns - wn*ws) / (w*wnn - wn*wn)
	fixed := (ws - perRow*wn) / w
	if fixed < 0 {
		fixed, perRow = 0, wns/wnn
	}
	last := c.cells[len(c.cells)-1]
	if least := last.seconds / float64(last.rows) / 20; !(perRow >= least) {
		perRow = least
		fixed = max(0, (ws-perRow*wn)/w)
	}
	c.fit = Fit{Fixed: fixed, PerRow: perRow}
}

// at returns the measured cost of a row count where there are measurements enough,
// the line's otherwise.
func (c *curve) at(rows int) float64 {
	i, found := slices.BinarySearchFunc(c.cells, rows, func(c *cell, rows int) int { return c.rows - rows })
	if found && c.cells[i].samples.count >= 3 {
		return c.cells[i].seconds
	}
	return c.fit.Seconds(rows)
}

// knee returns the fewest rows up to most that have nearly the best throughput in
// a call of at most longest seconds, at least 1. One call in many may have twice
// as many, so that what was measured in a bad hour is measured again.
func (c *curve) knee(most int, efficiency, longest float64) int {
	best := 0.0
	for n := 1; n <= most; n++ {
		if seconds := c.at(n); n == 1 || seconds <= longest {
			best = max(best, float64(n)/seconds)
		}
	}
	for n := 1; n <= most; n++ {
		if seconds := c.at(n); seconds <= longest && float64(n)/seconds >= efficiency*best {
			if twice := min(most, 2*n); c.steps%lookEvery == lookEvery-1 && 2*seconds <= longest {
				return twice
			}
			return n
		}
	}
	return 1
}

// measurable refuses what cannot be the duration of a call, and would upset sums of
// squares.
func measurable(seconds float64) bool { return seconds >= 1e-9 && seconds <= 1e9 }
