package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler/pack"
)

// Pace is how fast a server drew.
type Pace struct {
	Rows   int     // most in a batch
	Images float64 // a second
	Totals *Times  // of a request, from its submission to its image
}

// Batching says which of the waiting requests join the oldest one in a batch. All
// are of its shape.
type Batching int

// The choices.
const (
	// ByRequests takes the oldest, and counts each as two rows: any may have guidance.
	// So do servers whose batches are sized in requests.
	ByRequests Batching = iota
	// SameSteps fills the rows with requests of as many steps, then with the oldest.
	SameSteps
	// NearestSteps fills the rows with those whose number of steps is nearest. It looks
	// into the future of all that wait, and whoever asks for unusual ones waits long.
	NearestSteps
)

// request of a client of the classic server.
type request struct {
	drawing job.Drawing
	client  int
	asked   float64
	left    int
}

// Classic is the server to compare with: it takes a batch of whole requests, drops
// rows as they finish, decodes each image then, and begins the next batch when all
// of this one have ended. It is given the batch size, a power of two up to
// Params.MaxRows, that draws the most images a second. Only Seed, Span, Warm, Clients,
// Params.MaxRows, Traffic.Drawing and the Costs of worker 0 of the configuration count; the
// clients ask for the same as in Run.
func Classic(c Config, by Batching) (best Pace) {
	most := pack.NewBook(c.Params).Params().MaxRows
	for rows := 1; rows <= most; rows *= 2 {
		if p := classic(c, by, rows); best.Totals == nil || p.Images > best.Images {
			best = p
		}
	}
	return best
}

// classic measures from the end of a batch to the end of another.
func classic(c Config, by Batching, rows int) Pace {
	costs := c.Costs(0)
	source := newSource(c.Traffic, rand.New(rand.NewPCG(c.Seed, 2)))
	p := Pace{Rows: rows, Totals: &Times{}}
	now, begun, drawn := 0.0, -1.0, 0
	var queue []*request
	ask := func(client int) {
		d := source.t.Drawing(source.r)
		queue = append(queue, &request{drawing: d, client: client, asked: now, left: d.Steps})
	}
	for i := range c.Clients {
		ask(i)
	}
	for now < c.Span.Seconds() {
		if begun < 0 && now >= c.Warm.Seconds() {
			begun = now
		}
		batch := gather(&queue, by, rows)
		now += costs.Begin + costs.PerBegin*float64(len(batch))
		for len(batch) > 0 {
			sum := 0
			for _, q := range batch {
				sum += rowsOf(q.drawing)
				q.left--
			}
			now += costs.Step(groupOf("", batch[0].drawing), sum)
			batch = slices.DeleteFunc(batch, func(q *request) bool {
				if q.left > 0 {
					return false
				}
				now += costs.Decode * scale(groupOf("", q.drawing))
				if begun >= 0 {
					drawn++
					p.Totals.add(duration(now + costs.Record - q.asked))
				}
				ask(q.client)
				return true
			})
		}
	}
	p.Images = float64(drawn) / (now - begun)
	return p
}

// gather takes a batch out of the queue, the oldest request first.
func gather(queue *[]*request, by Batching, rows int) (batch []*request) {
	first := (*queue)[0]
	fit := slices.DeleteFunc(slices.Clone(*queue), func(q *request) bool {
		return q.drawing.Width != first.drawing.Width || q.drawing.Height != first.drawing.Height
	})
	distance := func(q *request) int {
		d := max(q.left-first.left, first.left-q.left)
		switch by {
		case ByRequests:
			return 0
		case SameSteps:
			return min(d, 1)
		}
		return d
	}
	slices.SortStableFunc(fit, func(a, b *request) int { return distance(a) - distance(b) })
	sum := 0
	for _, q := range fit {
		n := rowsOf(q.drawing)
		if by == ByRequests {
			n = 2
		}
		if len(batch) == 0 || sum+n <= rows {
			batch = append(batch, q)
			sum += n
		}
	}
	*queue = slices.DeleteFunc(*queue, func(q *request) bool { return slices.Contains(batch, q) })
	return batch
}

// Saturated returns a configuration of one worker with so many clients that always
// have a request of mixed steps and guidance in it, in calls of at most so many rows.
func Saturated(costs Costs, rows, clients int, span time.Duration, seed uint64) Config {
	t := Day()
	t.Models, t.Drawing = t.Models[:1], Mixed
	return Config{Seed: seed, Workers: 1, Span: span, Warm: span / 10, Clients: clients, Traffic: t,
		Params: pack.Params{MaxRows: rows}, Costs: func(int) Costs { return costs }}
}
