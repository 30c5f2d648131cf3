package redisq

import (
	"context"
	"strconv"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// shared are the options that all processes of a queue must have alike, by their
// names in the key options. Durations are in milliseconds.
func shared(o *scheduler.Options) (durations map[string]*time.Duration, numbers map[string]*int) {
	return map[string]*time.Duration{
		"lease_ttl": &o.LeaseTTL, "watch_ttl": &o.WatchTTL, "retention": &o.Retention, "dead_for": &o.DeadFor, "ageing": &o.Ageing,
	}, map[string]*int{"max_attempts": &o.MaxAttempts}
}

// agree writes a keeper's options into the queue, and fills in a joiner's from there.
func (s *Store) agree(ctx context.Context, o scheduler.Options, keep bool) (scheduler.Options, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := s.base + "options"
	if keep {
		o = o.WithDefaults()
		durations, numbers := shared(&o)
		var fields []any
		for name, d := range durations {
			fields = append(fields, name, d.Milliseconds())
		}
		for name, n := range numbers {
			fields = append(fields, name, *n)
		}
		if err := s.client.HSet(ctx, key, fields...).Err(); err != nil {
			if e := failure(err); job.KindOf(e) != job.Overloaded { // a full Redis takes none; what is there counts for others
				return o, e
			}
		}
		return o, nil
	}
	said, err := s.client.HGetAll(ctx, key).Result()
	if err != nil {
		return o, failure(err)
	}
	durations, numbers := shared(&o)
	for name, d := range durations {
		if ms, err := strconv.ParseInt(said[name], 10, 64); err == nil && ms > 0 && *d == 0 {
			*d = time.Duration(ms) * time.Millisecond
		}
	}
	for name, n := range numbers {
		if v, err := strconv.Atoi(said[name]); err == nil && v > 0 && *n == 0 {
			*n = v
		}
	}
	return o.WithDefaults(), nil
}

// Options returns what the store goes by.
func (s *Store) Options() scheduler.Options { return s.o }
