package sim

import (
	"fmt"
	"time"

	"cosmicman/job"
)

// ledger is kept beside the store, from its events and answers: what was accepted,
// and what became of it.
type ledger struct {
	jobs   map[job.ID]*account
	open   int // accepted and not ended
	clock  *clock
	report *Report
	ended  func(job.ID) // called for each job that ended
	warm   time.Duration
	span   time.Duration
}

// account is one job's page.
type account struct {
	kind     string
	class    job.Priority
	accepted time.Duration
	queued   bool
	started  bool
	ends     int
	state    job.State
	images   []page
}

type page struct{ finished, recorded uint8 } // by the store's event; by its answer to a worker

// observe is told every event of the store.
func (l *ledger) observe(e job.Event) {
	r := l.report
	switch e.Type {
	case job.EventShed:
		r.Shed++
		return
	case job.EventFenced:
		r.Fenced++
		return
	case job.EventRetried:
		r.Retried++
		return
	case job.EventReturned:
		r.Returned++
		return
	case job.EventRevoked:
		r.Revoked++
		return
	}
	a := l.jobs[e.Job]
	if a == nil {
		r.fault("event %s of a job that was never submitted", e.Type)
		return
	}
	switch e.Type {
	case job.EventQueued:
		if a.queued {
			r.fault("job %s entered twice", e.Job)
			return
		}
		a.queued, a.accepted = true, l.clock.now
		l.open++
		r.Jobs++
		r.Images += len(a.images)
	case job.EventLeased:
		r.Starts++
		if !a.started {
			a.started = true
			if l.clock.now >= l.warm {
				r.waits(a).add(l.clock.now - a.accepted)
			}
		}
	case job.EventFinished:
		a.images[e.Image].finished++
	case job.EventEnded:
		a.ends++
		a.state = e.State
		l.open--
		r.Ended[e.State]++
		if e.State == job.Completed && l.clock.now >= l.warm {
			r.totals(a).add(l.clock.now - a.accepted)
		}
		l.ended(e.Job)
	}
}

// counts reports whether what happens now is part of what is measured.
func (l *ledger) counts() bool { return l.clock.now >= l.warm && l.clock.now < l.span }

// recorded notes that a worker was told that its result counts.
func (l *ledger) recorded(ref job.Ref) {
	l.jobs[ref.Job].images[ref.Image].recorded++
	l.report.Drawn++
	if l.counts() {
		l.report.Counted++
	}
}

// close finds what was lost and what was done twice.
func (l *ledger) close() {
	for id, a := range l.jobs {
		switch {
		case !a.queued:
			continue // shed
		case a.ends == 0:
			l.report.Lost++
			l.report.fault("job %s did not end", id)
		case a.ends > 1:
			l.report.fault("job %s ended %d times", id, a.ends)
		}
		for i, p := range a.images {
			switch {
			case p.finished > 1 || p.recorded > 1:
				l.report.fault("image %d of job %s was recorded %d times", i, id, max(p.finished, p.recorded))
			case p.finished != p.recorded:
				l.report.fault("image %d of job %s: the store and the worker disagree about its result", i, id)
			case p.finished == 0 && a.state == job.Completed:
				l.report.fault("job %s is completed without image %d", id, i)
			}
		}
	}
}

// fault notes something that must not happen; the first few are kept.
func (r *Report) fault(format string, args ...any) {
	r.FaultCount++
	if len(r.Faults) < 10 {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}
