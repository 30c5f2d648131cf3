package localq

import (
	"time"

	"cosmicman/job"
)

// order holds what is queued, as package scheduler orders it.
type order struct {
	ageing time.Duration
	lanes  map[laneKey]*lane
	models map[string][]*lane // the lanes of a model, one for each version in use
}

type laneKey struct {
	model string
	needs int
}

// lane holds the queued images of one model that need one version.
type lane struct {
	laneKey
	classes [3]class             // high, normal, low
	back    map[string]*backLine // images that came back, by the fingerprint they were started on
	images  int
}

// class holds one priority's images of a lane, those that came back excepted.
type class struct {
	tenants    map[string]*tenant
	poorest    heap[*tenant] // the least account first
	jobs       ranking
	gave       time.Time // when it last gave an image
	lastServed float64   // account of the tenant that was served last
}

// tenant has images queued in a class.
type tenant struct {
	name    string
	account float64 // device seconds received
	jobs    heap[*entry]
	place   int
}

func newOrder(ageing time.Duration) *order {
	return &order{ageing: ageing, lanes: map[laneKey]*lane{}, models: map[string][]*lane{}}
}

// lane returns the lane of a job, made anew if need be.
func (o *order) lane(e *entry) *lane {
	key := laneKey{e.spec.Model, e.spec.Needs}
	l := o.lanes[key]
	if l != nil {
		return l
	}
	l = &lane{laneKey: key, back: map[string]*backLine{}}
	for i := range l.classes {
		l.classes[i].tenants = map[string]*tenant{}
		l.classes[i].poorest = heap[*tenant]{
			less:  poorer,
			place: func(t *tenant) *int { return &t.place },
		}
	}
	o.lanes[key] = l
	o.models[key.model] = append(o.models[key.model], l)
	return l
}

// poorer orders tenants by their accounts, equal ones by their oldest image.
func poorer(a, b *tenant) bool {
	if a.account != b.account {
		return a.account < b.account
	}
	return a.jobs.min().seq < b.jobs.min().seq
}

// tidy forgets a lane in which nothing is left.
func (o *order) tidy(l *lane) {
	if l.images > 0 {
		return
	}
	delete(o.lanes, l.laneKey)
	rest := o.models[l.model][:0]
	for _, other := range o.models[l.model] {
		if other != l {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(o.models, l.model)
	} else {
		o.models[l.model] = rest
	}
}

func (l *lane) class(e *entry) *class { return &l.classes[e.spec.Priority-job.High] }

// stand puts an image into its place in its class.
func (o *order) stand(img *image) {
	e, l := img.entry, o.lane(img.entry)
	c := l.class(e)
	l.images++
	img.standing = true
	e.standing++
	e.next = min(e.next, img.number)
	c.jobs.set(e, e.standing)
	if e.standing > 1 {
		return
	}
	t := c.tenants[e.spec.Tenant]
	if t == nil {
		t = &tenant{name: e.spec.Tenant, account: c.lastServed, place: -1, jobs: heap[*entry]{
			less:  func(a, b *entry) bool { return a.seq < b.seq },
			place: func(e *entry) *int { return &e.place },
		}}
		if c.poorest.len() > 0 {
			t.account = c.poorest.min().account
		}
		c.tenants[t.name] = t
		t.jobs.push(e)
		c.poorest.push(t)
		return
	}
	t.jobs.push(e)
	c.poorest.fix(t)
}

// step takes an image out of its class.
func (o *order) step(img *image) {
	e, l := img.entry, o.lane(img.entry)
	c := l.class(e)
	l.images--
	img.standing = false
	e.standing--
	c.jobs.set(e, e.standing)
	if e.standing == 0 {
		t := c.tenants[e.spec.Tenant]
		if t.jobs.len() == 1 {
			c.poorest.remove(t)
			t.jobs.remove(e)
			delete(c.tenants, t.name)
		} else {
			t.jobs.remove(e)
			c.poorest.fix(t)
		}
	}
	o.tidy(l)
}

// remove takes an image out of wherever it is queued.
func (o *order) remove(img *image) {
	switch {
	case img.back != nil:
		o.leaveBack(img)
	case img.standing:
		o.step(img)
	}
}

// give takes out an image that is started now and charges its tenant.
func (o *order) give(img *image, now time.Time) {
	e := img.entry
	c := o.lane(e).class(e)
	if t := c.tenants[e.spec.Tenant]; t != nil {
		t.account += max(e.spec.Seconds, 0.001)
		if img.standing {
			c.gave, c.lastServed = now, t.account
		}
		c.poorest.fix(t)
	}
	o.remove(img)
}

// nextOf returns the first image of a job that stands in its class.
func nextOf(e *entry) *image {
	for !e.images[e.next].standing {
		e.next++
	}
	return &e.images[e.next]
}

// oldest returns the job accepted first that has images queued in a lane.
func (l *lane) oldest() (first *entry) {
	for i := range l.classes {
		if e := l.classes[i].jobs.first(); e != nil && (first == nil || e.seq < first.seq) {
			first = e
		}
	}
	for _, b := range l.back {
		if e := b.all.min().entry; first == nil || e.seq < first.seq {
			first = e
		}
	}
	return first
}

// position returns how many images are before the first queued one of a job: those
// of higher classes, and earlier ones of its own, as if all tenants had the same
// account. An image that came back has none before it.
func (o *order) position(e *entry) int {
	if e.standing == 0 || e.returned > 0 {
		return 0
	}
	l := o.lane(e)
	before := l.class(e).jobs.before(e)
	for _, b := range l.back {
		before += b.all.len()
	}
	for p := job.High; p < e.spec.Priority; p++ {
		before += l.classes[p-job.High].jobs.images()
	}
	return before
}
