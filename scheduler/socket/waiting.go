package socket

import (
	"context"
	"net/http"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// lease answers the call that may wait for long. It ends with its connection, with
// serving, or when its caller asks for its end on another connection.
func (s *server) lease(w http.ResponseWriter, r *http.Request) {
	in, ok := arguments[scheduler.LeaseRequest](w, r)
	if !ok {
		return
	}
	in.InProcess = false // a process of its own outlives this one's crash
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	if name := r.Header.Get(callHeader); name != "" {
		s.mu.Lock()
		s.calls[name] = cancel
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			delete(s.calls, name)
			s.mu.Unlock()
		}()
	}
	leases, err := s.q.Lease(ctx, in)
	if err != nil {
		refuse(w, http.StatusBadRequest, public(err))
		return
	}
	if err = r.Context().Err(); err == nil {
		err = answer(w, leases)
	}
	if err != nil && len(leases) > 0 {
		refs := make([]job.Ref, len(leases))
		for i, l := range leases {
			refs[i] = l.Ref
		}
		// Should this fail as well, the leases run out.
		_ = s.q.Release(context.WithoutCancel(ctx), refs...)
	}
}

// end ends a lease that waits. Its caller repeats the request until it has the
// lease's answer, since this may come before the lease itself.
func (s *server) end(w http.ResponseWriter, r *http.Request) {
	name, ok := arguments[string](w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	cancel := s.calls[name]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	_ = answer(w, none{})
}

func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	in, ok := arguments[watchArgs](w, r)
	if !ok {
		return
	}
	// The watcher leaves when its process goes, and stays when ours does.
	ctx, leave := context.WithCancel(context.WithoutCancel(r.Context()))
	gone := func() {
		if s.closing.Err() == nil {
			leave()
		}
	}
	defer gone()
	defer context.AfterFunc(r.Context(), gone)()
	updates, err := s.q.Watch(ctx, in.Job, in.Watcher)
	if err != nil {
		leave()
		refuse(w, http.StatusBadRequest, public(err))
		return
	}
	stream(s, w, r, updates, func(u job.Update) bool { return u.Status.State.Terminal() || u.Status.Error != nil })
}

func (s *server) revocations(w http.ResponseWriter, r *http.Request) {
	worker, ok := arguments[string](w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	refs, err := s.q.Revocations(ctx, worker)
	if err != nil {
		refuse(w, http.StatusBadRequest, public(err))
		return
	}
	stream(s, w, r, refs, func(job.Ref) bool { return false })
}

// stream writes what a channel brings, and the end if the last value was one after
// which nothing can follow.
func stream[T any](s *server, w http.ResponseWriter, r *http.Request, values <-chan T, last func(T) bool) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	write := func(l line[T]) bool {
		b, err := encode(l)
		if err == nil {
			_, err = w.Write(b)
		}
		return err == nil && out.Flush() == nil
	}
	if out.Flush() != nil {
		return
	}
	ended := false
	for {
		select {
		case v, open := <-values:
			if !open {
				if ended {
					write(line[T]{End: true})
				}
				return
			}
			ended = last(v)
			if !write(line[T]{Value: &v}) {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.closing.Done():
			return
		}
	}
}
