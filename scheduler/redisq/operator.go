package redisq

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Stats is that of [scheduler.Operator]. Settings of Redis with which work is lost
// make it an error of kind job.Unavailable.
func (s *Store) Stats(ctx context.Context) (scheduler.Stats, error) {
	warnings, old, broken := s.health.get()
	if old {
		look, cancel := context.WithTimeout(ctx, patience)
		err := s.inspect(look)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return scheduler.Stats{}, err
		}
		warnings, _, broken = s.health.get()
	}
	if broken != nil {
		return scheduler.Stats{Warning: warnings}, broken
	}
	r, err := s.call(ctx, s.scripts.stats, nil)
	if err != nil {
		return scheduler.Stats{}, err
	}
	st := scheduler.Stats{
		Queued: int(r.int(2)), Running: int(r.int(3)), Jobs: int(r.int(4)), Dead: int(r.int(5)), Seconds: float64(r.int(6)) / 1e6,
		Oldest: at(r.int(7)), Models: map[string]int{}, Warning: warnings,
		LeaseTTL: s.o.LeaseTTL,
	}
	models, workers := r.list(8), r.list(9)
	for i := 0; i+1 < len(models); i += 2 {
		st.Models[unescape(models.str(i))] = int(models.int(i + 1))
	}
	for i := 0; i+1 < len(workers); i += 2 {
		var w scheduler.Worker
		if err := json.Unmarshal([]byte(workers.str(i)), &w); err != nil {
			continue // of another program's making; the rest is of use
		}
		w.Seen = at(workers.int(i + 1))
		st.Workers = append(st.Workers, w)
	}
	slices.SortFunc(st.Workers, func(a, b scheduler.Worker) int { return strings.Compare(a.ID, b.ID) })
	return st, nil
}

// Dead is that of [scheduler.Operator].
func (s *Store) Dead(ctx context.Context, n int) ([]job.Status, error) {
	r, err := s.call(ctx, s.scripts.dead, nil, n)
	if err != nil {
		return nil, err
	}
	var list []job.Status
	for i := 2; i < len(r); i++ {
		one := r.list(i)
		st, err := fullStatus(job.ID(one.str(0)), one, 1)
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	return list, nil
}

// Retry is that of [scheduler.Operator]; job.Conflict for a job that is no dead letter.
func (s *Store) Retry(ctx context.Context, id job.ID) error {
	r, err := s.call(ctx, s.scripts.retry, nil, string(id), rand.Text())
	switch {
	case err != nil:
		return err
	case r.str(0) == "missing":
		return missing(id)
	case r.str(0) == "not dead":
		return job.Errorf(job.Conflict, "the job %s is no dead letter, it is %s", id, states[r.str(2)])
	}
	return nil
}

// Drop is that of [scheduler.Operator].
func (s *Store) Drop(ctx context.Context, id job.ID) error {
	return s.change(ctx, id, job.Errorf(job.Withdrawn, "the job was dropped"), s.scripts.drop)
}

// change ends a job for a reason.
func (s *Store) change(ctx context.Context, id job.ID, reason *job.Error, script *redis.Script) error {
	text, err := json.Marshal(reason)
	if err != nil {
		return err
	}
	r, err := s.call(ctx, script, nil, string(id), text)
	if err == nil && r.str(0) == "missing" {
		return missing(id)
	}
	return err
}
