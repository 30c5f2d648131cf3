package localq

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Store is the embedded queue. Its methods may be called by many goroutines.
type Store struct {
	o       scheduler.Options
	manual  bool     // the clock is Options.Now: only Sweep tells that time has passed
	journal *journal // nil in memory
	calls   sync.WaitGroup
	janitor janitor

	mu        sync.Mutex // guards what follows
	closed    bool
	broken    error         // a change could not be written
	failed    chan struct{} // closed when broken is set
	seq       uint64        // of the job accepted last
	changes   uint64
	jobs      map[job.ID]*entry
	keys      map[tenantKey]*entry // by tenant and idempotency key
	held      map[string]map[*image]struct{}
	order     *order
	crew      *crew
	agenda    *agenda
	alarm     time.Time // when the janitor wakes by itself; zero: never
	waiters   map[*waiter]struct{}
	watchers  map[*watcher]struct{}
	positions *due // when watchers are told their positions; nil: nothing has moved
	revokes   map[string]map[chan job.Ref]struct{}

	open    int // jobs that have not ended
	queued  int // images
	running int // images
	dead    map[*entry]struct{}
	seconds float64 // of images that have not ended
}

var _ scheduler.Queue = (*Store)(nil)

// Open opens the store in a folder, which is made if it is not there and held until
// Close: a second opener gets a job.Unavailable that names the folder. A store of a
// newer schema is a job.TooNew. With Options.Now set, no time passes unless Sweep is called.
func Open(dir string, o scheduler.Options) (*Store, error) { return openOn(vfs.Default, dir, o) }

func openOn(fs vfs.FS, dir string, o scheduler.Options) (*Store, error) {
	j, err := openJournal(dir, fs)
	if err != nil {
		return nil, err
	}
	s := newStore(o)
	s.journal = j
	if err := s.load(); err != nil {
		_ = j.close() // what is wrong with the records is the better answer
		return nil, err
	}
	s.startJanitor()
	return s, nil
}

// OpenMemory makes a store that keeps nothing. With Options.Now set it starts no
// goroutine, and no time passes unless Sweep is called.
func OpenMemory(o scheduler.Options) *Store {
	s := newStore(o)
	s.startJanitor()
	return s
}

func newStore(o scheduler.Options) *Store {
	manual := o.Now != nil
	o = o.WithDefaults()
	return &Store{
		o:        o,
		manual:   manual,
		failed:   make(chan struct{}),
		jobs:     map[job.ID]*entry{},
		keys:     map[tenantKey]*entry{},
		held:     map[string]map[*image]struct{}{},
		order:    newOrder(o.Ageing),
		crew:     newCrew(),
		agenda:   newAgenda(),
		waiters:  map[*waiter]struct{}{},
		watchers: map[*watcher]struct{}{},
		revokes:  map[string]map[chan job.Ref]struct{}{},
		dead:     map[*entry]struct{}{},
	}
}

// Syncs returns how often the store has had data put on disk since Open.
func (s *Store) Syncs() int64 {
	if s.journal == nil {
		return 0
	}
	return s.journal.syncs.Load()
}

// usable returns why the store cannot be used. The mutex is held.
func (s *Store) usable() error {
	if s.closed {
		return job.Errorf(job.Unavailable, "the queue is closed")
	}
	if s.broken == nil && s.journal != nil {
		if err := s.journal.failed(); err != nil {
			s.poison(err)
		}
	}
	return s.broken
}

// poison ends the use of a store whose disk does not have what its memory has.
func (s *Store) poison(err error) {
	if s.broken != nil {
		return
	}
	if job.KindOf(err) != job.Unavailable {
		err = unavailable(err, "the queue could not write a change and accepts nothing until it is opened anew")
	}
	s.broken = err
	close(s.failed)
	s.dismissWatchers(err)
	s.wakeAll()
}

// Failed is closed when a change could not be written: from then on every call fails,
// until the store is opened anew. Err says why.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns why the store has failed, nil while it has not.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Close ends the store: calls that wait return, watchers' channels are closed
// without their watchers leaving, and the folder is given up.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.dismissWatchers(nil)
	s.dismissWorkers()
	s.wakeAll()
	s.mu.Unlock()
	s.stopJanitor()
	s.calls.Wait()
	if s.journal == nil {
		return nil
	}
	if err := s.journal.close(); err != nil {
		return unavailable(err, "the queue in %s could not be closed", s.journal.dir)
	}
	return nil
}
