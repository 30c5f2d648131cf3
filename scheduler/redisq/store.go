package redisq

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// schema is the version of the keys and records that this program writes.
const schema = 1

// Store is the queue. It implements [scheduler.Queue].
type Store struct {
	o       scheduler.Options
	keep    bool   // Config.Keep
	base    string // of all keys
	keys    []string
	head    []any // arguments that every script begins with
	process string
	scripts scripts

	client   redis.UniversalClient
	listener redis.UniversalClient
	health   health

	life  context.Context // of the store's own goroutines
	end   context.CancelFunc
	tasks sync.WaitGroup // those goroutines
	calls sync.WaitGroup // calls to Redis under way

	door   sync.RWMutex
	closed bool

	bell    bell
	watches watches
	revoked revocations
	orphans orphans
}

var _ scheduler.Queue = (*Store)(nil)

// Open reaches the queue's Redis. The error is job.Invalid for a bad Config,
// job.Unavailable when Redis cannot be reached or is older than 7.0, and job.TooNew
// when a newer program wrote what is there.
func Open(ctx context.Context, c Config) (*Store, error) {
	k, err := c.connector()
	if err != nil {
		return nil, err
	}
	sc, err := loadScripts()
	if err != nil {
		return nil, err
	}
	silence()
	base := "{" + cmp.Or(c.Prefix, "cosmicman") + "}:"
	s := &Store{
		keep: c.Keep, base: base, keys: keysOf(base),
		process: rand.Text(), scripts: sc, client: k.client(k.options.PoolSize), listener: k.client(2),
		bell:    newBell(),
		watches: watches{all: map[job.ID]map[*watch]struct{}{}, kick: make(chan struct{}, 1)},
	}
	s.life, s.end = context.WithCancel(context.Background())
	err = s.check(ctx)
	if err == nil {
		s.o, err = s.agree(ctx, c.Options, c.Keep)
	}
	if err != nil {
		s.end()
		_ = s.client.Close()
		_ = s.listener.Close()
		return nil, err
	}
	ms := func(d time.Duration) any { return max(1, d.Milliseconds()) }
	s.head = []any{ms(s.o.LeaseTTL), ms(s.o.Retention), ms(s.o.DeadFor), s.o.MaxAttempts}
	s.tasks.Go(s.listen)
	s.tasks.Go(s.tidy)
	s.tasks.Go(s.refresh)
	select { // so that the first hints are heard
	case <-s.bell.up:
	case <-time.After(answerTime):
	case <-ctx.Done():
	}
	return s, nil
}

// check looks at the server and the schema.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.inspect(ctx); err != nil {
		return err
	}
	if err := s.client.SetNX(ctx, s.base+"schema", schema, 0).Err(); err != nil {
		if e := failure(err); job.KindOf(e) != job.Overloaded { // a full Redis takes no new key; what is there counts
			return e
		}
	}
	text, err := s.client.Get(ctx, s.base+"schema").Result()
	if err != nil {
		if err == redis.Nil {
			return nil
		}
		return failure(err)
	}
	if v, err := strconv.Atoi(text); err != nil || v > schema {
		return job.Errorf(job.TooNew, "the queue in Redis under %s has schema %.20s, this program knows %d: use a newer one, or another prefix", s.base, text, schema)
	}
	return nil
}

// Close stops the store's goroutines and waits for them. Watches end with an update
// that says so; the jobs live on for WatchTTL without them.
func (s *Store) Close() error {
	s.door.Lock()
	was := s.closed
	s.closed = true
	s.door.Unlock()
	if was {
		return nil
	}
	s.end()
	s.tasks.Wait()
	// What was under way may have to give back a lease that nobody wants any more.
	s.calls.Wait()
	s.orphans.giveBack(s)
	err := s.client.Close()
	if e := s.listener.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("closing the connections to Redis: %w", err)
	}
	return nil
}

// enter counts a call to Redis as under way, false when the store is closed.
func (s *Store) enter() bool {
	s.door.RLock()
	defer s.door.RUnlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

// spawn starts a goroutine of the store's, false when it is closed.
func (s *Store) spawn(f func()) bool {
	s.door.RLock()
	defer s.door.RUnlock()
	if s.closed {
		return false
	}
	s.tasks.Go(f)
	return true
}
