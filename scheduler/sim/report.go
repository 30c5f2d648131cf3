package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cosmicman/job"
)

// Report is what came out of a simulation.
type Report struct {
	Workers int
	Span    time.Duration // of arrivals
	Warm    time.Duration // of the span, not measured
	Took    time.Duration // of real time

	Jobs, Images int // accepted
	Shed         int // jobs refused at the door
	Starts       int // of images
	Drawn        int // images recorded
	Counted      int // images recorded while jobs arrived, after the warm part
	Ended        map[job.State]int
	Retried      int // images that went back with an attempt counted
	Returned     int // images that went back without
	Revoked      int // starts stopped because the job had ended
	Fenced       int // writes of workers that came too late
	Crashes      int
	Drains       int
	Loads        int // of models

	Lost       int // accepted jobs that did not end
	FaultCount int // of the books: every one is a fault of the queue or the simulator
	Faults     []string

	Utilisation float64 // busy device seconds of all there were, while jobs arrived
	Fill        float64 // rows of UNet calls against the row limits of the time
	RowsPerCall float64
	Calls       int

	// Seconds from acceptance to a job's first start, and to its completion, by "class
	// kind", such as "high person".
	Waits  map[string]*Times
	Totals map[string]*Times

	busy        time.Duration
	rows, limit int
}

func newReport() *Report {
	return &Report{Ended: map[job.State]int{}, Waits: map[string]*Times{}, Totals: map[string]*Times{}}
}

// Times are durations to be summed up.
type Times struct {
	seconds []float32
	sorted  bool
}

func (t *Times) add(d time.Duration) {
	t.seconds, t.sorted = append(t.seconds, float32(d.Seconds())), false
}

// Count returns how many there are.
func (t *Times) Count() int { return len(t.seconds) }

// Percentile returns the seconds that p of 100 do not exceed, 0 without any.
func (t *Times) Percentile(p float64) float64 {
	if len(t.seconds) == 0 {
		return 0
	}
	if !t.sorted {
		slices.Sort(t.seconds)
		t.sorted = true
	}
	return float64(t.seconds[min(len(t.seconds)-1, int(p/100*float64(len(t.seconds))))])
}

func (r *Report) waits(a *account) *Times  { return times(r.Waits, a) }
func (r *Report) totals(a *account) *Times { return times(r.Totals, a) }

func times(m map[string]*Times, a *account) *Times {
	key := a.class.String() + " " + a.kind
	if m[key] == nil {
		m[key] = &Times{}
	}
	return m[key]
}

// Rate returns images a second, after the warm part of the span.
func (r *Report) Rate() float64 { return float64(r.Counted) / (r.Span - r.Warm).Seconds() }

// All returns the times of all classes and kinds together.
func All(m map[string]*Times) *Times {
	all := &Times{}
	for _, t := range m {
		all.seconds = append(all.seconds, t.seconds...)
	}
	return all
}

func (r *Report) stepped(rows, limit int) {
	r.Calls++
	r.rows += rows
	r.limit += limit
}

// spent counts device time from now on, as far as it lies in the span.
func (r *Report) spent(now, took, span time.Duration) {
	r.busy += max(0, min(took, span-now))
}

func (r *Report) close() {
	r.Utilisation = r.busy.Seconds() / (r.Span.Seconds() * float64(r.Workers))
	if r.Calls > 0 {
		r.Fill = float64(r.rows) / float64(r.limit)
		r.RowsPerCall = float64(r.rows) / float64(r.Calls)
	}
}

// String tells it in a page.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers, %v of traffic, played in %.1f s\n", r.Workers, r.Span, r.Took.Seconds())
	fmt.Fprintf(&b, "accepted %d jobs of %d images, refused %d jobs; %d starts, %d images recorded (%.2f/s)\n",
		r.Jobs, r.Images, r.Shed, r.Starts, r.Drawn, r.Rate())
	fmt.Fprintf(&b, "ended    ")
	for _, s := range []job.State{job.Completed, job.Cancelled, job.Expired, job.Failed} {
		fmt.Fprintf(&b, "%d %s, ", r.Ended[s], s)
	}
	fmt.Fprintf(&b, "LOST %d, faults of the books %d\n", r.Lost, r.FaultCount)
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  FAULT %s\n", f)
	}
	fmt.Fprintf(&b, "device   utilisation %.1f %%, fill %.1f %% of the row limits, %.1f rows a call, %d calls, %d loads of models\n",
		100*r.Utilisation, 100*r.Fill, r.RowsPerCall, r.Calls, r.Loads)
	fmt.Fprintf(&b, "faults   %d crashes, %d drains; %d images retried, %d returned, %d revoked, %d late writes fenced\n",
		r.Crashes, r.Drains, r.Retried, r.Returned, r.Revoked, r.Fenced)
	fmt.Fprintf(&b, "%-16s %9s   %-30s %s\n", "", "jobs", "wait s: p50      p95      p99", "total s: p50     p95      p99")
	for _, key := range slices.Sorted(maps.Keys(r.Waits)) {
		w, t := r.Waits[key], r.Totals[key]
		if t == nil {
			t = &Times{}
		}
		fmt.Fprintf(&b, "%-16s %9d   %s   %s\n", key, w.Count(), line(w), line(t))
	}
	return b.String()
}

func line(t *Times) string {
	return fmt.Sprintf("%9.2f%9.2f%9.2f", t.Percentile(50), t.Percentile(95), t.Percentile(99))
}
