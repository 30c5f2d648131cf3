package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/pack"
)

// Config of a simulation.
type Config struct {
	Seed    uint64
	Workers int
	Span    time.Duration // of arrivals; then everything that was accepted is drawn
	Warm    time.Duration // of the span, in which no images or times are counted for Rate and percentiles
	Costs   func(worker int) Costs
	Params  pack.Params
	Options scheduler.Options // Now and Observe are the simulator's
	Traffic Traffic
	Faults  Faults
	// Memory of a worker in models; 0: all of them fit.
	Memory int64
	// Clients, where above 0, replace Traffic's arrivals: each has one job of one image
	// in the queue or on a device at any time.
	Clients int
	// Ahead multiplies how many images a worker holds; 0 is 1: what the policy wants.
	Ahead float64
	// LoadOffer multiplies the LoadSeconds that a worker offers, thus how long images of
	// a model that it has not loaded are left to others; 0 is 1.
	LoadOffer float64
	// LoadPause is how many times the time of a load must have passed since a worker's
	// last one before it offers, while it has anything to do, a model that is not loaded.
	LoadPause float64
}

// simulation is one run.
type simulation struct {
	c      Config
	ctx    context.Context
	r      *rand.Rand
	clock  clock
	store  *localq.Store
	ledger ledger
	report *Report
	source *source
	hungry []*device // whose call of Lease waits
	err    error     // an answer of the store that should not be
	owner  map[job.ID]int
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *simulation) wall() time.Time { return epoch.Add(s.clock.now) }

// Run plays a simulation to its end. An error is an answer of the store that it
// should not give, or the end of ctx; what was lost is in the report.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	begun := time.Now()
	c.Options = c.Options.WithDefaults()
	s := &simulation{c: c, ctx: ctx, r: rand.New(rand.NewPCG(c.Seed, 1)), report: newReport(), owner: map[job.ID]int{}}
	s.report.Workers, s.report.Span, s.report.Warm = c.Workers, c.Span, c.Warm
	s.ledger = ledger{jobs: map[job.ID]*account{}, clock: &s.clock, report: s.report, warm: c.Warm, span: c.Span, ended: s.jobEnded}
	s.c.Options.Now, s.c.Options.Observe = s.wall, s.ledger.observe
	s.store = localq.OpenMemory(s.c.Options)
	defer func() { err = cmp.Or(err, s.store.Close()) }()
	var deaf []*device
	defer func() {
		for _, d := range deaf {
			d.deaf()
		}
	}()
	s.source = newSource(c.Traffic, rand.New(rand.NewPCG(c.Seed, 2)))
	for i := range c.Workers {
		d := &device{s: s, number: i, costs: c.Costs(i), slower: 1, place: -1, book: pack.NewBook(c.Params)}
		d.print = fingerprint(d.costs)
		if s.r.Float64() < c.Faults.Stragglers {
			d.slower = c.Faults.Slower
		}
		deaf = append(deaf, d)
		d.start()
		c.Faults.plan(d)
	}
	if c.Clients > 0 {
		for i := range c.Clients {
			s.submitFor(i)
		}
	} else {
		s.source.plan(c.Span, s.estimate, float64(c.Workers))
		s.arrive(s.source.next(0))
	}
	s.sweep()
	for s.err == nil && s.clock.next() {
		if s.clock.now > c.Span && (s.ledger.open == 0 || s.clock.now > 2*c.Span+24*time.Hour) {
			break
		}
		if s.err == nil {
			s.err = ctx.Err()
		}
	}
	if c.Clients == 0 {
		s.ledger.close()
	}
	s.report.close()
	s.report.Took = time.Since(begun)
	return s.report, s.err
}

func fingerprint(c Costs) string {
	if c.Fixed > c.PerRow {
		return "gpu"
	}
	return "cpu"
}

// estimate is an image's device seconds in good company, as the HTTP side makes it.
func (s *simulation) estimate(d job.Drawing) float64 {
	c := s.c.Costs(0)
	rows := 4
	if c.Fixed > c.PerRow {
		rows = 64
	}
	return c.Image(d, rows)
}

// sweep lets the store see what is due, as its janitor would.
func (s *simulation) sweep() {
	s.store.Sweep()
	s.clock.after(time.Second, s.sweep)
}

// arrive submits a job at its time and plans the next.
func (s *simulation) arrive(at time.Duration) {
	if at > s.c.Span {
		return
	}
	s.clock.after(at-s.clock.now, func() {
		spec, kind := s.source.job(s.wall())
		spec.Seconds = s.estimate(spec.Drawing)
		id := s.submit(spec, kind.Name)
		if s.source.r.Float64() < kind.Cancel {
			s.clock.after(duration(s.source.r.ExpFloat64()*60), func() { s.cancel(id) })
		}
		s.arrive(s.source.next(at))
	})
}

// submitFor submits a client's next job.
func (s *simulation) submitFor(client int) {
	id := job.NewID()
	s.owner[id] = client
	s.send(job.Submission{ID: id, Spec: job.Spec{Needs: job.Version, Model: s.c.Traffic.Models[0], Count: 1, Detached: true, Drawing: s.source.t.Drawing(s.source.r)}}, "client")
}

func (s *simulation) submit(spec job.Spec, kind string) job.ID {
	id := job.NewID()
	sub := job.Submission{ID: id, Spec: spec}
	s.send(sub, kind)
	if s.source.r.Float64() < s.source.t.Repeat {
		s.clock.after(time.Second, func() { s.repeat(sub) })
	}
	return id
}

func (s *simulation) send(sub job.Submission, kind string) {
	s.ledger.jobs[sub.ID] = &account{kind: kind, class: sub.Spec.Priority, images: make([]page, sub.Spec.Count)}
	if _, err := s.store.Submit(s.ctx, sub); job.KindOf(err) != job.Overloaded {
		s.check(err)
	}
	s.wake(sub.Spec.Count)
}

// repeat sends a submission again. One that was refused, or that the store has
// forgotten, would be another job.
func (s *simulation) repeat(sub job.Submission) {
	if s.ledger.jobs[sub.ID].queued {
		_, err := s.store.Submit(s.ctx, sub)
		s.check(err)
	}
}

func (s *simulation) cancel(id job.ID) {
	if err := s.store.Cancel(s.ctx, id); job.KindOf(err) != job.NotFound { // refused at the door, or forgotten
		s.check(err)
	}
	s.wake(1)
}

// jobEnded is called from within the store's answer: what follows is planned.
func (s *simulation) jobEnded(id job.ID) {
	if client, is := s.owner[id]; is && s.clock.now < s.c.Span {
		s.clock.after(0, func() {
			delete(s.owner, id)
			delete(s.ledger.jobs, id)
			s.submitFor(client)
		})
	}
}

// want returns how many images a device asks for now.
func (s *simulation) want(state pack.State) int {
	if s.c.Ahead == 0 {
		return pack.Want(state)
	}
	target, gulp := pack.Target(state)
	return max(0, min(gulp, int(s.c.Ahead*float64(target))-pack.Held(state)))
}

// hungers adds a device to those that wait for images.
func (s *simulation) hungers(d *device) {
	if d.place < 0 {
		d.place = len(s.hungry)
		s.hungry = append(s.hungry, d)
	}
}

// full removes a device from those that wait.
func (s *simulation) full(d *device) {
	if d.place < 0 {
		return
	}
	last := len(s.hungry) - 1
	s.hungry[d.place] = s.hungry[last]
	s.hungry[d.place].place = d.place
	s.hungry = s.hungry[:last]
	d.place = -1
}

// wake lets devices that wait look, by chance, until so many images can have found
// one or a few in a row have found nothing. They look after what happens now.
func (s *simulation) wake(images int) {
	if len(s.hungry) == 0 {
		return
	}
	s.clock.after(0, func() {
		for misses := 0; misses < 4 && images > 0 && len(s.hungry) > 0; {
			if s.hungry[s.r.IntN(len(s.hungry))].look() {
				images--
				misses = 0
			} else {
				misses++
			}
		}
	})
}

// check keeps the first answer that should not be.
func (s *simulation) check(err error) {
	if err != nil && s.err == nil {
		s.err = err
	}
}

// settle reports whether a write was taken; one that comes too late is not a fault.
func (s *simulation) settle(err error) bool {
	if kind := job.KindOf(err); kind == job.Fenced || kind == job.NotFound {
		return false
	}
	s.check(err)
	return err == nil
}
