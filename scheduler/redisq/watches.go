package redisq

import (
	"sync"
	"time"

	"cosmicman/job"
)

// watches are those of this process.
type watches struct {
	mu   sync.Mutex
	all  map[job.ID]map[*watch]struct{}
	kick chan struct{} // asks for a refresh of all

	// asking is held while Redis is asked about watches, so that one that has left is
	// not registered again by an answer on its way.
	asking sync.RWMutex
}

func (ws *watches) add(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all[w.id] == nil {
		ws.all[w.id] = map[*watch]struct{}{}
	}
	ws.all[w.id][w] = struct{}{}
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all[w.id], w)
	if len(ws.all[w.id]) == 0 {
		delete(ws.all, w.id)
	}
}

func (ws *watches) of(id job.ID) (list []*watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all[id] {
		list = append(list, w)
	}
	return list
}

func (ws *watches) each(id job.ID, do func(*watch)) {
	for _, w := range ws.of(id) {
		do(w)
	}
}

func (ws *watches) list() (list []*watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, one := range ws.all {
		for w := range one {
			list = append(list, w)
		}
	}
	return list
}

func (ws *watches) askAll() {
	select {
	case ws.kick <- struct{}{}:
	default:
	}
}

// left takes a watcher off whose reader has gone.
func (s *Store) left(w *watch) {
	s.watches.remove(w)
	if s.enter() {
		defer s.calls.Done()
		s.unwatch(w)
	}
}

// unwatch tells Redis that a watcher has left, unless it watches a second time.
func (s *Store) unwatch(w *watch) {
	for _, other := range s.watches.of(w.id) {
		if other != w && other.watcher == w.watcher {
			return
		}
	}
	s.watches.asking.RLock()
	defer s.watches.asking.RUnlock()
	// If Redis is not reached now, the registration runs out.
	_, _ = s.run(s.scripts.unwatch, string(w.id), w.watcher, s.process)
}

// refresh keeps this process's watchers alive and up to date, for as long as the
// store lives.
func (s *Store) refresh() {
	every := max(min(2*time.Second, s.o.WatchTTL/4), 25*time.Millisecond)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-ticker.C:
		case <-s.watches.kick:
		}
		list := s.watches.list()
		for len(list) > 0 && s.life.Err() == nil {
			n := min(len(list), 100)
			if s.ask(list[:n]) != nil {
				break // the next turn asks again
			}
			list = list[n:]
		}
	}
}

// ask refreshes some watches.
func (s *Store) ask(list []*watch) error {
	s.watches.asking.Lock()
	defer s.watches.asking.Unlock()
	args := []any{s.process, s.o.WatchTTL.Milliseconds()}
	var asked []*watch
	for _, w := range list {
		if s.watches.has(w) {
			asked = append(asked, w)
			args = append(args, string(w.id), w.watcher, w.revision())
		}
	}
	if len(asked) == 0 {
		return nil
	}
	r, err := s.run(s.scripts.refresh, args...)
	if err != nil {
		return err
	}
	for i, w := range asked {
		if one := r.list(i + 2); one != nil {
			w.asked(one)
		} else if i+2 < len(r) {
			w.stop(job.Errorf(job.Lost, "the queue has lost the job: its Redis came back without it, or kept it no longer"))
		}
	}
	return nil
}

func (ws *watches) has(w *watch) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	_, has := ws.all[w.id][w]
	return has
}
