package localq

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Unix(1_000_000, 0)} }

// drill drives a store and the naive order with the same things.
type drill struct {
	t     *testing.T
	r     *rand.Rand
	clock *clock
	s     *Store
	n     *naive
	seq   int
	known map[job.ID]naiveImage // number 0
	held  map[string][]naiveRun
}

type naiveRun struct {
	naiveImage
	ref job.Ref
}

func TestTheOrderIsThatOfTheDocumentation(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			clock := newClock()
			o := scheduler.Options{Now: clock.Now, LeaseTTL: 20 * time.Second, MaxAttempts: 1000, Ageing: 5 * time.Second}
			d := &drill{
				t: t, r: rand.New(rand.NewPCG(seed, 4)), clock: clock, s: inMemory(t, o),
				n:     &naive{ageing: o.Ageing, ttl: o.LeaseTTL, classes: map[naiveClass]*naiveState{}, workers: map[string]scheduler.LeaseRequest{}},
				known: map[job.ID]naiveImage{}, held: map[string][]naiveRun{},
			}
			for range 600 {
				d.step()
				if t.Failed() {
					return
				}
			}
		})
	}
}

func (d *drill) step() {
	d.clock.now = d.clock.now.Add(time.Duration(d.r.IntN(4)) * time.Second / 2)
	switch d.r.IntN(12) {
	case 0, 1, 2, 3:
		d.submit()
	case 4, 5, 6, 7, 8:
		d.lease(fmt.Sprint("w", d.r.IntN(3)))
	case 9:
		d.comeBack(true)
	case 10:
		d.comeBack(false)
	case 11:
		for id := range d.known {
			if err := d.s.Cancel(bg, id); err != nil {
				d.t.Error(err)
			}
			d.n.remove(id)
			delete(d.known, id)
			break
		}
	}
	for id, w := range d.n.workers {
		refs := []job.Ref{}
		for _, run := range d.held[id] {
			refs = append(refs, run.ref)
		}
		if _, err := d.s.Beat(bg, scheduler.Worker{ID: id, Fingerprint: w.Fingerprint, Models: w.Offers, Version: w.Version}, refs); err != nil {
			d.t.Error(err)
		}
	}
}

func (d *drill) submit() {
	spec := job.Spec{
		Needs: 1 + d.r.IntN(2), Tenant: fmt.Sprint("t", d.r.IntN(4)), Priority: job.Priority(d.r.IntN(3) - 1),
		Model: string(rune('a' + d.r.IntN(2))), Count: 1 + d.r.IntN(3), Seconds: float64(d.r.IntN(4)),
	}
	st, err := d.s.Submit(bg, job.Submission{ID: job.NewID(), Spec: spec})
	if err != nil {
		d.t.Fatal(err)
	}
	d.seq++
	im := naiveImage{id: st.ID, seq: d.seq, spec: spec, accepted: d.clock.now}
	d.known[st.ID] = im
	for i := range spec.Count {
		im.number = i
		d.n.enter(im)
	}
}

func (d *drill) lease(worker string) {
	r := request(worker)
	r.Fingerprint = "of " + worker
	r.Version = 1 + d.r.IntN(2)
	r.Offers = [][]scheduler.Offer{{{Model: "a"}}, {{Model: "b"}, {Model: "a"}}, {{Model: "b"}}}[d.r.IntN(3)]
	if _, alive := d.n.workers[worker]; !alive {
		d.n.workers[worker] = r // its first lease says what it offers until it beats
	}
	want, ok := d.n.choose(r, d.clock.now)
	leases, err := d.s.Lease(bg, r)
	if err != nil || len(leases) > 1 || ok != (len(leases) == 1) {
		d.t.Fatalf("lease gave %v, %v; expected %v %+v", leases, err, ok, want)
	}
	if !ok {
		return
	}
	l := leases[0]
	if l.Ref.Job != want.id || l.Ref.Image != want.number {
		d.t.Fatalf("lease gave %v of %+v, expected image %d of %+v", l.Ref, d.known[l.Ref.Job], want.number, want)
	}
	d.n.give(want, d.clock.now)
	want.fingerprint = r.Fingerprint
	d.held[worker] = append(d.held[worker], naiveRun{want, l.Ref})
}

// comeBack lets a worker leave, or one of its images fail.
func (d *drill) comeBack(leaves bool) {
	for worker := range d.n.workers {
		runs := d.held[worker]
		if leaves {
			if err := d.s.Leave(bg, worker); err != nil {
				d.t.Error(err)
			}
			delete(d.n.workers, worker)
			delete(d.held, worker)
		} else if len(runs) > 0 {
			// A job that was cancelled fences it, which is as good.
			_ = d.s.Fail(bg, runs[0].ref, job.Errorf(job.Engine, "again"))
			d.held[worker], runs = runs[1:], runs[:1]
		}
		for _, run := range runs {
			if _, lives := d.known[run.id]; lives {
				run.back = d.clock.now
				d.n.enter(run.naiveImage)
			}
		}
		return
	}
}

func TestAFloodAboveDoesNotStarveALowerClass(t *testing.T) {
	clock := newClock()
	s := inMemory(t, scheduler.Options{Now: clock.Now, Ageing: time.Minute})
	low := submit(t, s, ofClass(job.Low), withImages(100))
	given := 0
	for range 600 { // an image a second for ten minutes, and more than that asked for
		submit(t, s, ofClass(job.High), withImages(2))
		if lease(t, s, request("w")).Ref.Job == low {
			given++
		}
		clock.now = clock.now.Add(time.Second)
		if _, err := s.Beat(bg, scheduler.Worker{ID: "w", Models: []scheduler.Offer{{Model: "m"}}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if given < 3 || given > 60 {
		t.Errorf("the lowest class was given %d images of 600, expected a few and not many", given)
	}
}

func TestOneImageIsNotBehindAnothersThousand(t *testing.T) {
	s := inMemory(t, scheduler.Options{})
	submit(t, s, of("many"), withImages(1000))
	for range 10 {
		lease(t, s, request("w"))
	}
	one := submit(t, s, of("one"))
	for n := 1; lease(t, s, request("w")).Ref.Job != one; n++ {
		if n > 1 {
			t.Fatalf("%d images were given before that of the other tenant", n)
		}
	}
}

func TestTheRankingCountsWhatIsBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var tree ranking
	entries := make([]*entry, 200)
	images := make([]int, len(entries))
	for i := range entries {
		entries[i] = &entry{seq: uint64(i)}
	}
	for range 5000 {
		i := r.IntN(len(entries))
		images[i] = r.IntN(4)
		tree.set(entries[i], images[i])
		i = r.IntN(len(entries))
		before, all := 0, 0
		var first *entry
		for k, n := range images {
			if k < i {
				before += n
			}
			if all += n; n > 0 && first == nil {
				first = entries[k]
			}
		}
		if got := tree.before(entries[i]); got != before || tree.images() != all || tree.first() != first {
			t.Fatalf("%d before %d of %d, first %v; expected %d of %d, %v", got, i, tree.images(), tree.first(), before, all, first)
		}
	}
}
