package redisq

import (
	"context"
	"slices"
	"sync"

	"cosmicman/job"
)

// watch is one watcher of a job. Messages and answers bring it up to date; its goroutine
// hands the last state to the reader, so that a reader that is slow misses what lies
// between and holds up nobody.
type watch struct {
	id      job.ID
	watcher string        // escaped
	news    chan struct{} // holds one when there is something to hand over

	mu       sync.Mutex
	begun    bool   // status is set
	early    string // the last record that came before
	status   job.Status
	fresh    bool           // status has not been handed over as it is
	last     bool           // nothing follows status
	previews []*job.Preview // not handed over yet; of an image's sketches the latest
}

func newWatch(id job.ID, watcher string) *watch {
	return &watch{id: id, watcher: watcher, news: make(chan struct{}, 1)}
}

// notify marks that there is something new. The mutex is held.
func (w *watch) notify() {
	w.fresh = true
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// begin takes the state with which a watch begins.
func (w *watch) begin(st job.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.begun, w.last = st, true, st.State.Terminal()
	if w.early != "" {
		w.update(w.early)
	}
	w.notify()
}

// changed takes a record that was told.
func (w *watch) changed(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun {
		w.early = text
		return
	}
	w.update(text)
}

// update takes a record unless it is older than what is known. The mutex is held.
func (w *watch) update(text string) {
	st, err := statusOf(w.id, text)
	if err != nil || w.last || st.Revision <= w.status.Revision {
		return
	}
	st.Spec = w.status.Spec
	for i := range st.Images {
		if i < len(w.status.Images) {
			before := w.status.Images[i]
			if im := &st.Images[i]; im.State == job.InProgress && before.Token == im.Token {
				im.Progress = before.Progress
			}
		}
		if st.Images[i].State == job.Queued {
			st.Position = w.status.Position
		}
	}
	w.status, w.last = st, st.State.Terminal()
	w.notify()
}

// progressed takes what was told of a start's progress.
func (w *watch) progressed(image int, token uint64, p job.Progress, preview *job.Preview) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun || w.last || image < 0 || image >= len(w.status.Images) {
		return
	}
	if im := w.status.Images[image]; im.Token != token || im.State != job.InProgress {
		return
	}
	w.status.Images = slices.Clone(w.status.Images) // the reader may have the old ones
	w.status.Images[image].Progress = p
	if preview != nil {
		w.previews = slices.DeleteFunc(w.previews, func(p *job.Preview) bool {
			return p.Image == image && p.Kind == job.Sketch && preview.Kind == job.Sketch
		})
		if w.previews = append(w.previews, preview); len(w.previews) > mostUnread {
			w.previews = slices.Delete(w.previews, 0, 1)
		}
	}
	w.notify()
}

// asked takes the answer of refresh: position, progress, and a record if it changed.
func (w *watch) asked(r reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun || w.last {
		return
	}
	if text := r.str(2); text != "" {
		w.update(text)
	}
	if w.last {
		return
	}
	images := slices.Clone(w.status.Images)
	setProgress(images, r.list(1))
	if p := int(r.int(0)); p != w.status.Position || !slices.Equal(images, w.status.Images) {
		w.status.Position, w.status.Images = p, images
		w.notify()
	}
}

// stop ends a watch with an error.
func (w *watch) stop(reason *job.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun || w.last {
		return
	}
	w.status.Error, w.last = reason, true
	w.notify()
}

func (w *watch) dropped() {
	w.mu.Lock()
	if w.begun && !w.last {
		w.status.State = job.Cancelled
	}
	w.mu.Unlock()
	w.stop(job.Errorf(job.Withdrawn, "the job was dropped"))
}

// next is what is to be handed over, some false when nothing is.
func (w *watch) next() (u job.Update, some, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u.Status = w.status
	if len(w.previews) > 0 {
		u.Preview = w.previews[0]
	}
	return u, w.fresh || u.Preview != nil, w.last
}

// handed notes that an update has been handed over.
func (w *watch) handed(u job.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := u.Preview; p != nil {
		w.previews = slices.DeleteFunc(w.previews, func(q *job.Preview) bool { return p == q })
	}
	select {
	case <-w.news:
		w.news <- struct{}{} // something came meanwhile
	default:
		w.fresh = false
	}
}

// revision is that of the state that is known.
func (w *watch) revision() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.Revision
}

// Watch is that of [scheduler.Client].
func (s *Store) Watch(ctx context.Context, id job.ID, watcher string) (<-chan job.Update, error) {
	w := newWatch(id, escape(watcher))
	s.watches.add(w)
	leave := func(reply, error) { s.unwatch(w) }
	r, err := s.call(ctx, s.scripts.watch, leave, string(id), w.watcher, s.process, s.o.WatchTTL.Milliseconds())
	if err == nil && r.str(0) == "missing" {
		err = missing(id)
	}
	var st job.Status
	if err == nil {
		st, err = fullStatus(id, r, 2)
	}
	if err != nil {
		s.watches.remove(w)
		return nil, err
	}
	w.begin(st)
	out := make(chan job.Update)
	if !s.spawn(func() { s.hand(ctx, w, out) }) {
		s.watches.remove(w)
		return nil, job.Errorf(job.Unavailable, "the queue is closed")
	}
	return out, nil
}

// hand gives a watch's updates to its reader until one is the last or somebody leaves.
func (s *Store) hand(ctx context.Context, w *watch, out chan<- job.Update) {
	defer close(out)
	defer s.watches.remove(w)
	for {
		select {
		case <-w.news:
		case <-ctx.Done():
			s.left(w)
			return
		case <-s.life.Done():
			select {
			case out <- s.farewell(w):
			default: // a reader that does not wait sees the channel closed
			}
			return
		}
		for {
			u, some, last := w.next()
			if !some {
				break
			}
			select {
			case out <- u:
				if last && u.Preview == nil {
					return
				}
				w.handed(u)
				if last {
					w.mark()
				}
				continue
			case <-w.news: // there is something newer to hand over
				continue
			case <-ctx.Done():
				s.left(w)
				return
			case <-s.life.Done():
				return
			}
		}
	}
}

// mostUnread bounds the previews that wait for a reader.
const mostUnread = 8

// mark makes the state be handed over once more: the last update has no preview.
func (w *watch) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = true
}

// farewell is the update with which a watch ends because the store is closed.
func (s *Store) farewell(w *watch) job.Update {
	w.stop(job.Errorf(job.Unavailable, "the queue was closed"))
	u, _, _ := w.next()
	u.Preview = nil
	return u
}
