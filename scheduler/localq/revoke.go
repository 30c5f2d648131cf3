package localq

import (
	"context"

	"cosmicman/job"
)

// revocationsKept is how many revocations wait for a worker that does not read
// them. More are dropped: its next beat tells.
const revocationsKept = 1024

// Revocations is that of [scheduler.Source].
func (s *Store) Revocations(ctx context.Context, worker string) (<-chan job.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	ch := make(chan job.Ref, revocationsKept)
	if s.revokes[worker] == nil {
		s.revokes[worker] = map[chan job.Ref]struct{}{}
	}
	s.revokes[worker][ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, open := s.revokes[worker][ch]; open {
			s.dismissWorker(worker, ch)
		}
	})
	return ch, nil
}

// revoke tells a worker that a start must stop. The mutex is held.
func (s *Store) revoke(r revocation) {
	for ch := range s.revokes[r.worker] {
		select {
		case ch <- r.ref:
		default:
		}
	}
}

func (s *Store) dismissWorker(worker string, ch chan job.Ref) {
	close(ch)
	delete(s.revokes[worker], ch)
	if len(s.revokes[worker]) == 0 {
		delete(s.revokes, worker)
	}
}

func (s *Store) dismissWorkers() {
	for worker, channels := range s.revokes {
		for ch := range channels {
			s.dismissWorker(worker, ch)
		}
	}
}
