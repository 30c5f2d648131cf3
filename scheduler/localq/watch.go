package localq

import (
	"context"
	"time"

	"cosmicman/job"
)

// audience is who watches a job. Most jobs have none or one.
type audience struct {
	needed   bool                 // somebody watched: without watchers the job is for nobody
	present  map[string]*presence // by the watcher's name
	channels map[*watcher]struct{}
}

// presence is a watcher that is there, or was announced and is awaited.
type presence struct {
	attached int  // calls of Watch
	due      *due // until when it is awaited
}

// watcher is one call of Watch.
type watcher struct {
	entry  *entry
	name   string
	ch     chan job.Update // holds the latest update, and before it those with decoded previews
	told   bool
	seen   uint64      // revision of the last update
	before int         // position in it
	detach func() bool // from the context
}

func (a *audience) watching() bool { return len(a.channels) > 0 }

// mortal reports whether a job ends with its last watcher.
func (e *entry) mortal() bool { return e.key == "" && !e.spec.Detached }

// register announces a watcher, which has WatchTTL to come.
func (c *change) register(e *entry, name string) {
	c.enlist(e)
	p := e.audience.present[name]
	if p == nil {
		p = &presence{}
		if e.audience.present == nil {
			e.audience.present = map[string]*presence{}
		}
		e.audience.present[name] = p
	}
	if p.attached == 0 {
		p.due = c.at(p.due, c.now.Add(c.s.o.WatchTTL), func(c *change) { c.leave(e, name) })
	}
}

// enlist notes durably that a job has been watched.
func (c *change) enlist(e *entry) {
	if !e.audience.needed && e.mortal() {
		e.audience.needed = true
		if c.s.journal != nil {
			c.records = append(c.records, record{watchedKey(e.id), []byte("{}")})
		}
	}
}

// disband forgets who watched a job that has ended.
func (c *change) disband(e *entry) {
	for _, p := range e.audience.present {
		c.s.agenda.drop(p.due)
	}
	e.audience.present = nil
	if e.audience.needed {
		e.audience.needed = false
		if c.s.journal != nil {
			c.records = append(c.records, record{key: watchedKey(e.id)})
		}
	}
}

// await gives the watchers of a job that was read from disk WatchTTL to come back.
func (c *change) await(e *entry) { c.register(e, "") }

// leave lets a watcher go; with the last one the job may end.
func (c *change) leave(e *entry, name string) {
	p := e.audience.present[name]
	if p == nil || p.attached > 0 {
		return
	}
	c.s.agenda.drop(p.due)
	delete(e.audience.present, name)
	if len(e.audience.present) == 0 && e.mortal() && !e.state.Terminal() {
		c.end(e, job.Cancelled, job.Errorf(job.Withdrawn, "the last who waited for the job has left"))
	}
}

// Watch is that of [scheduler.Client]. A watcher without a name looks on: its
// coming and leaving mean nothing.
func (s *Store) Watch(ctx context.Context, id job.ID, name string) (<-chan job.Update, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.begin()
	if err != nil {
		return nil, err
	}
	e, err := s.find(id)
	if err != nil {
		_ = c.commit()
		return nil, err
	}
	status, pending := s.status(e), e.pending
	w := &watcher{entry: e, name: name, ch: make(chan job.Update, mostUnread)}
	if e.audience.channels == nil {
		e.audience.channels = map[*watcher]struct{}{}
	}
	e.audience.channels[w] = struct{}{}
	s.watchers[w] = struct{}{}
	if name != "" && !e.state.Terminal() {
		c.register(e, name)
		p := e.audience.present[name]
		p.attached++
		s.agenda.drop(p.due)
	}
	w.detach = context.AfterFunc(ctx, func() { s.unwatch(w) })
	err = c.commit()
	if err == nil {
		err = pending.settle()
	}
	if err != nil {
		return nil, err // the store is poisoned and has closed the channel
	}
	s.mu.Lock()
	if _, open := e.audience.channels[w]; open && !w.told {
		s.send(w, job.Update{Status: status})
	}
	s.mu.Unlock()
	return w.ch, nil
}

// unwatch ends a call of Watch because its context has ended.
func (s *Store) unwatch(w *watcher) {
	c, err := s.begin()
	if err != nil {
		return // the channel was closed with the store
	}
	e := w.entry
	if _, open := e.audience.channels[w]; open {
		delete(e.audience.channels, w)
		delete(s.watchers, w)
		close(w.ch)
		if p := e.audience.present[w.name]; w.name != "" && p != nil {
			p.attached--
			c.leave(e, w.name)
		}
	}
	_ = c.commit()
}

// tell sends an update to all who watch a job. The mutex is held.
func (s *Store) tell(e *entry, u job.Update) {
	for w := range e.audience.channels {
		s.send(w, u)
	}
}

// mostUnread bounds the updates that wait for a watcher.
const mostUnread = 8

// send puts an update in the place of those that were not read, but for decoded previews,
// which are few and dear. After that of a job's end the watcher is dismissed. The mutex is held, so that nobody else sends.
func (s *Store) send(w *watcher, u job.Update) {
	if w.told && u.Status.Revision < w.seen {
		return
	}
	var unread []job.Update
	for waiting := true; waiting; {
		select {
		case old := <-w.ch:
			if p := old.Preview; p != nil && p.Kind == job.Partial {
				unread = append(unread, old)
			}
		default:
			waiting = false
		}
	}
	for _, old := range unread[max(0, len(unread)-mostUnread+1):] {
		w.ch <- old
	}
	w.ch <- u
	w.told, w.seen, w.before = true, u.Status.Revision, u.Status.Position
	if u.Status.State.Terminal() {
		s.dismiss(w)
	}
}

// dismiss closes a watcher's channel. The mutex is held.
func (s *Store) dismiss(w *watcher) {
	w.detach()
	close(w.ch)
	a := &w.entry.audience
	delete(a.channels, w)
	delete(s.watchers, w)
	if len(a.channels) == 0 {
		for _, p := range a.present {
			s.agenda.drop(p.due)
		}
		a.present = nil
	}
}

// dismissWatchers closes all channels; err, if not nil, is their last update's.
func (s *Store) dismissWatchers(err error) {
	for w := range s.watchers {
		if err != nil {
			status := s.status(w.entry)
			status.Error = &job.Error{Kind: job.KindOf(err), Message: "the queue can no longer be written", Cause: err}
			select {
			case <-w.ch:
			default:
			}
			w.ch <- job.Update{Status: status}
		}
		s.dismiss(w)
	}
}

// positionsEvery is how often watchers are told that their jobs have moved up in the
// queue; with thousands of watchers it is as many times rarer.
const positionsEvery = time.Second

// moved notes that positions have changed.
func (c *change) moved() {
	s := c.s
	if len(s.watchers) == 0 || s.positions != nil {
		return
	}
	every := positionsEvery * time.Duration(1+len(s.watchers)/1000)
	s.positions = c.at(nil, c.now.Add(every), func(*change) {
		s.positions = nil
		for w := range s.watchers {
			e := w.entry
			if w.told && e.standing > 0 && e.pending == nil && s.order.position(e) != w.before {
				s.send(w, job.Update{Status: s.status(e)})
			}
		}
	})
}
