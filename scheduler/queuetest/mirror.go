package queuetest

import (
	"fmt"
	"math/rand/v2"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// mirrorAttempts are the attempts of stores that a mirror follows.
const mirrorAttempts = 3

var mirrored = []testCase{
	{promise: "a thousand steps at random leave what the states' picture says", options: scheduler.Options{MaxAttempts: mirrorAttempts}, check: func(s *store) {
		walk(s, rand.New(rand.NewPCG(7, 1)), 1000)
	}},
	{promise: "and so do a thousand others", options: scheduler.Options{MaxAttempts: mirrorAttempts}, check: func(s *store) {
		walk(s, rand.New(rand.NewPCG(7, 2)), 1000)
	}},
}

// mirror is what a queue should hold, kept in the simplest way: the picture of the
// states in package scheduler's documentation, without the order.
type mirror struct {
	s      *store
	random *rand.Rand
	jobs   []*mirrorJob
	refs   []job.Ref // all starts that were ever given
}

type mirrorJob struct {
	id      job.ID
	spec    job.Spec
	state   job.State
	dropped bool
	rev     uint64
	images  []mirrorImage
}

type mirrorImage struct {
	state    job.State
	token    uint64
	attempts int
	worker   string
}

// walk takes steps at random and compares the queue with its mirror.
func walk(s *store, random *rand.Rand, steps int) {
	m := &mirror{s: s, random: random}
	for step := range steps {
		m.step()
		if len(m.jobs) > 0 {
			m.compare(m.jobs[random.IntN(len(m.jobs))])
		}
		if step%50 == 0 || step == steps-1 {
			for _, j := range m.jobs {
				m.compare(j)
			}
			m.compareStats()
		}
	}
}

func (m *mirror) step() {
	n := m.random.IntN(100)
	switch {
	case n < 22 || len(m.jobs) == 0:
		m.submit()
	case n < 50:
		m.lease()
	case len(m.refs) == 0:
	case n < 68:
		m.finish(m.ref())
	case n < 78:
		m.fail(m.ref(), []job.Kind{job.Engine, job.Crashed, job.Engine, job.Invalid}[m.random.IntN(4)])
	case n < 85:
		m.release(m.ref(), m.ref(), m.ref())
	case n < 90:
		j := m.any()
		if err := m.s.q.Cancel(m.s.ctx, j.id); !j.dropped && err != nil || j.dropped && job.KindOf(err) != job.NotFound {
			m.s.t.Fatalf("cancel of a %s job: %v", j.state, err)
		}
		j.end(job.Cancelled)
	case n < 95:
		m.retry(m.any())
	case n < 97:
		j := m.any()
		if err := m.s.q.Drop(m.s.ctx, j.id); !j.dropped && err != nil || j.dropped && job.KindOf(err) != job.NotFound {
			m.s.t.Fatalf("drop of a %s job: %v", j.state, err)
		}
		j.dropped = true
	default:
		m.leave(m.worker())
	}
}

// ref is a start that was given, recent ones more often.
func (m *mirror) ref() job.Ref {
	recent := len(m.refs) - 1 - m.random.IntN(min(len(m.refs), 12))
	if m.random.IntN(5) == 0 {
		recent = m.random.IntN(len(m.refs))
	}
	return m.refs[recent]
}

func (m *mirror) any() *mirrorJob {
	return m.jobs[max(0, len(m.jobs)-1-m.random.IntN(min(len(m.jobs), 30)))]
}

func (m *mirror) worker() string { return fmt.Sprint("worker", m.random.IntN(3)) }

func (m *mirror) submit() {
	st := m.s.submit(count(1+m.random.IntN(3)), ofModel([]string{"a", "b"}[m.random.IntN(2)]), tenant(fmt.Sprint(m.random.IntN(3))),
		priority(job.Priority(m.random.IntN(3)-1)), seconds(float64(m.random.IntN(8))/4))
	j := &mirrorJob{id: st.ID, spec: st.Spec, state: job.Queued}
	for range st.Spec.Count {
		j.images = append(j.images, mirrorImage{state: job.Queued})
	}
	m.jobs = append(m.jobs, j)
}

func (m *mirror) lease() {
	name := m.worker()
	var offers []scheduler.Offer
	waiting := 0
	for _, model := range []string{"a", "b"} {
		if m.random.IntN(3) > 0 {
			offers = append(offers, scheduler.Offer{Model: model})
			waiting += m.queued(model)
		}
	}
	got := m.s.now(name, 1+m.random.IntN(3), offering(offers...))
	if waiting > 0 && len(got) == 0 {
		m.s.t.Fatalf("nothing was given while %d images are queued", waiting)
	}
	for _, l := range got {
		j := m.find(l.Ref.Job)
		im := &j.images[l.Ref.Image]
		if im.state != job.Queued || j.dropped || l.Ref.Token != im.token+1 || l.Attempt != im.attempts+1 {
			m.s.t.Fatalf("lease is %+v of an image that should be %+v", l, *im)
		}
		*im = mirrorImage{state: job.InProgress, token: l.Ref.Token, attempts: im.attempts, worker: name}
		j.state = job.InProgress
		m.refs = append(m.refs, l.Ref)
	}
}

// running returns the image of a start that may still write.
func (m *mirror) running(r job.Ref) (*mirrorJob, *mirrorImage, bool) {
	j := m.find(r.Job)
	im := &j.images[r.Image]
	return j, im, !j.dropped && im.token == r.Token && im.state == job.InProgress
}

func (m *mirror) finish(r job.Ref) {
	j, im, may := m.running(r)
	err := m.s.q.Finish(m.s.ctx, r, result(r))
	repeated := !j.dropped && im.token == r.Token && im.state == job.Completed
	if !may && !repeated {
		m.s.refused(fmt.Sprintf("finish of %v, which is %s#%d", r, im.state, im.token), err, job.Fenced, job.NotFound)
		return
	}
	if err != nil {
		m.s.t.Fatalf("finish of %v: %v", r, err)
	}
	im.state = job.Completed
	for _, im := range j.images {
		if im.state != job.Completed {
			return
		}
	}
	j.end(job.Completed)
}

func (m *mirror) fail(r job.Ref, kind job.Kind) {
	j, im, may := m.running(r)
	err := m.s.q.Fail(m.s.ctx, r, reason(kind))
	if !may {
		return
	}
	if err != nil {
		m.s.t.Fatalf("fail of %v: %v", r, err)
	}
	if kind != job.Invalid {
		if im.attempts++; im.attempts < mirrorAttempts {
			im.state = job.Queued
			return
		}
	}
	im.state = job.Failed
	j.end(job.Failed)
}

func (m *mirror) release(refs ...job.Ref) {
	_ = m.s.q.Release(m.s.ctx, refs...) // of some that are fenced, perhaps
	for _, r := range refs {
		if _, im, may := m.running(r); may {
			im.state = job.Queued
		}
	}
}

func (m *mirror) retry(j *mirrorJob) {
	err := m.s.q.Retry(m.s.ctx, j.id)
	if j.dropped || j.state != job.Failed {
		return
	}
	if err != nil {
		m.s.t.Fatalf("retry: %v", err)
	}
	j.state = job.InProgress
	for i := range j.images {
		if im := &j.images[i]; im.state != job.Completed {
			im.state, im.attempts = job.Queued, 0
		}
	}
}

func (m *mirror) leave(name string) {
	if err := m.s.q.Leave(m.s.ctx, name); err != nil {
		m.s.t.Fatalf("leave: %v", err)
	}
	for _, j := range m.jobs {
		for i := range j.images {
			if im := &j.images[i]; im.state == job.InProgress && im.worker == name {
				im.state = job.Queued
			}
		}
	}
}

func (j *mirrorJob) end(state job.State) {
	if j.dropped || j.state.Terminal() {
		return
	}
	j.state = state
	for i := range j.images {
		if im := &j.images[i]; !im.state.Terminal() {
			im.state = job.Cancelled
		}
	}
}

func (m *mirror) find(id job.ID) *mirrorJob {
	for _, j := range m.jobs {
		if j.id == id {
			return j
		}
	}
	m.s.t.Fatalf("the job %s was never submitted", id)
	return nil
}

func (m *mirror) queued(model string) (n int) {
	for _, j := range m.jobs {
		for _, im := range j.images {
			if !j.dropped && j.spec.Model == model && im.state == job.Queued {
				n++
			}
		}
	}
	return n
}

func (m *mirror) compare(j *mirrorJob) {
	st, err := m.s.q.Get(m.s.ctx, j.id)
	if j.dropped {
		m.s.refused("get of a dropped job", err, job.NotFound)
		return
	}
	if err != nil {
		m.s.t.Fatalf("get: %v", err)
	}
	if st.State != j.state || st.State.Terminal() == st.Ended.IsZero() || st.Revision < j.rev || (st.Error != nil) != (j.state == job.Failed || j.state == job.Cancelled) {
		m.s.t.Fatalf("job is %+v, expected %s", st, j.state)
	}
	j.rev = st.Revision
	for i, im := range st.Images {
		want := j.images[i]
		if im.State != want.state || im.Token != want.token || im.Attempts != want.attempts || (im.Result != nil) != (want.state == job.Completed) {
			m.s.t.Fatalf("image %d is %+v, expected %+v", i, im, want)
		}
	}
}

func (m *mirror) compareStats() {
	var want scheduler.Stats
	for _, j := range m.jobs {
		if j.dropped {
			continue
		}
		if j.state == job.Failed {
			want.Dead++
		}
		if !j.state.Terminal() {
			want.Jobs++
		}
		for _, im := range j.images {
			switch im.state {
			case job.Queued:
				want.Queued++
				want.Seconds += j.spec.Seconds
			case job.InProgress:
				want.Running++
				want.Seconds += j.spec.Seconds
			}
		}
	}
	st := m.s.stats()
	if st.Queued != want.Queued || st.Running != want.Running || st.Jobs != want.Jobs || st.Dead != want.Dead || max(st.Seconds-want.Seconds, want.Seconds-st.Seconds) > 1e-6 ||
		st.Models["a"] != m.queued("a") || st.Models["b"] != m.queued("b") || (want.Queued > 0) == st.Oldest.IsZero() {
		m.s.t.Fatalf("stats are %+v, expected %+v", st, want)
	}
}
