package redisq

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
)

// quiet is how long nothing may be heard before the connection is tried.
const quiet = 3 * time.Second

// listen hears what scripts tell this process, for as long as the store lives.
func (s *Store) listen() {
	wait := 50 * time.Millisecond
	for s.life.Err() == nil {
		if s.hear() {
			wait = 50 * time.Millisecond
		}
		select {
		case <-s.life.Done():
		case <-time.After(wait + rand.N(wait)):
		}
		wait = min(2*wait, time.Second)
	}
}

// hear listens on one connection until it breaks; heard says that it was ever of use.
func (s *Store) hear() (heard bool) {
	ps := s.listener.Subscribe(s.life)
	stop := context.AfterFunc(s.life, func() { _ = ps.Close() })
	defer func() {
		stop()
		_ = ps.Close()
	}()
	if err := ps.Subscribe(s.life, s.base+"proc:"+s.process, s.base+"revoked"); err != nil {
		return false
	}
	silent := false
	for s.life.Err() == nil {
		m, err := ps.ReceiveTimeout(s.life, quiet)
		if err != nil {
			if e, ok := err.(interface{ Timeout() bool }); !ok || !e.Timeout() || silent {
				return heard
			}
			silent = true
			if ps.Ping(s.life) != nil {
				return heard
			}
			continue
		}
		silent, heard = false, true
		switch m := m.(type) {
		case *redis.Subscription:
			if m.Count == 2 { // of two channels
				s.bell.listening()
			}
			// Whatever was told before now went unheard.
			s.bell.ringAll()
			s.watches.askAll()
		case *redis.Message:
			s.told(m)
		}
	}
	return heard
}

// told takes one message: W, model; S, id, record; D, id; P, id, image, token, done, all, preview; or, of
// revocations, worker, id, image, token.
func (s *Store) told(m *redis.Message) {
	if strings.HasSuffix(m.Channel, ":revoked") {
		if p := strings.Split(m.Payload, "\x00"); len(p) == 4 {
			s.revoked.tell(unescape(p[0]), job.Ref{Job: job.ID(p[1]), Image: number(p[2]), Token: uint64(number(p[3]))})
		}
		return
	}
	kind, rest, _ := strings.Cut(m.Payload, "\x00")
	if kind == "W" {
		if !s.bell.ring(rest) {
			s.passOn(rest)
		}
		return
	}
	id, rest, _ := strings.Cut(rest, "\x00")
	switch kind {
	case "S":
		s.watches.each(job.ID(id), func(w *watch) { w.changed(rest) })
	case "D":
		s.watches.each(job.ID(id), func(w *watch) { w.dropped() })
	case "P":
		if p := strings.SplitN(rest, "\x00", 5); len(p) == 5 {
			token, _ := strconv.ParseUint(p[1], 10, 64)
			preview, _ := decoded[job.Preview](p[4])
			s.watches.each(job.ID(id), func(w *watch) {
				w.progressed(number(p[0]), token, job.Progress{Done: number(p[2]), All: number(p[3])}, preview)
			})
		}
	}
}

// revocations are the listeners to what workers must stop.
type revocations struct {
	mu  sync.Mutex
	all map[string]map[chan job.Ref]struct{} // by worker
}

func (r *revocations) tell(worker string, ref job.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.all[worker] {
		select {
		case c <- ref:
		default: // the next beat says it
		}
	}
}

// Revocations is that of [scheduler.Source].
func (s *Store) Revocations(ctx context.Context, worker string) (<-chan job.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := make(chan job.Ref, 256)
	r := &s.revoked
	r.mu.Lock()
	if r.all == nil {
		r.all = map[string]map[chan job.Ref]struct{}{}
	}
	if r.all[worker] == nil {
		r.all[worker] = map[chan job.Ref]struct{}{}
	}
	r.all[worker][c] = struct{}{}
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all[worker], c)
		if len(r.all[worker]) == 0 {
			delete(r.all, worker)
		}
		close(c)
	}
	if !s.spawn(func() {
		select {
		case <-ctx.Done():
		case <-s.life.Done():
		}
		leave()
	}) {
		leave()
		return nil, job.Errorf(job.Unavailable, "the queue is closed")
	}
	return c, nil
}
