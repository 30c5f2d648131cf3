package localq

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"cosmicman/job"
)

// schema is the version of the records that this program writes and of their keys.
const schema = 1

const schemaKey = "schema"

// journal is the durable side of a store.
type journal struct {
	dir   string
	db    *pebble.DB
	lock  *pebble.Lock
	syncs atomic.Int64
	await atomic.Int64          // appended changes that are not known to be on disk
	fault atomic.Pointer[error] // of the first write that failed

	opening atomic.Bool
}

// openJournal opens the folder on fs, made if it is not there, and holds it.
func openJournal(dir string, fs vfs.FS) (*journal, error) {
	if err := makeFolder(dir, fs); err != nil {
		return nil, unavailable(err, "the queue's folder %s cannot be made", dir)
	}
	j := &journal{dir: dir}
	fs = watchedFS{fs, j}
	lock, err := pebble.LockDirectory(dir, fs)
	if err != nil {
		return nil, unavailable(err, "the queue in %s is held by another process (or the folder cannot be written)", dir)
	}
	j.lock = lock
	j.opening.Store(true)
	events := pebble.EventListener{BackgroundError: func(err error) { j.fail(err) }}
	j.db, err = pebble.Open(dir, &pebble.Options{
		FS:                          fs,
		Lock:                        lock,
		Logger:                      quiet{j},
		EventListener:               &events,
		FormatMajorVersion:          pebble.FormatWALSyncChunks,
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 8,
		L0StopWritesThreshold:       1000, // writers, who hold the store's mutex, had better not wait
		CacheSize:                   4 << 20,
		WALMinSyncInterval:          j.pause,
	})
	if err == nil {
		err = j.checkSchema()
	}
	if fault := j.failed(); fault != nil {
		err = fault
	}
	j.opening.Store(false)
	if err != nil {
		err = errors.Join(err, j.close())
		var ours *job.Error
		if errors.As(err, &ours) {
			return nil, ours
		}
		return nil, unavailable(err, "the queue in %s cannot be opened", dir)
	}
	return j, nil
}

// makeFolder makes a folder and those above it, and lasts: a folder is on disk when
// the one above it has been synced.
func makeFolder(dir string, fs vfs.FS) error {
	var above []string // that get a new entry
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := fs.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		above = append(above, filepath.Dir(at))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, at := range above {
		f, err := fs.OpenDir(at)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// checkSchema refuses a store of a newer program and marks a new one.
func (j *journal) checkSchema() error {
	value, done, err := j.db.Get([]byte(schemaKey))
	if errors.Is(err, pebble.ErrNotFound) {
		return j.db.Set([]byte(schemaKey), []byte(strconv.Itoa(schema)), pebble.Sync)
	}
	if err != nil {
		return err
	}
	text := string(value)
	if err := done.Close(); err != nil {
		return err
	}
	found, err := strconv.Atoi(text)
	switch {
	case err != nil || found < 1:
		return job.Errorf(job.Unavailable, "the queue in %s is damaged: its key %s is %q, expected a version", j.dir, schemaKey, text)
	case found > schema:
		return job.Errorf(job.TooNew, "the queue in %s has schema %d, of a newer program; this one knows schemas up to %d", j.dir, found, schema)
	}
	return nil
}

// append adds a change's records to the log. The caller holds the store's mutex, so
// that the log has the order of the changes; wait then waits for the disk.
func (j *journal) append(records []record) (wait func() error, err error) {
	if err := j.failed(); err != nil {
		return nil, err
	}
	batch := j.db.NewBatch()
	for _, r := range records {
		if r.value == nil {
			err = batch.Delete([]byte(r.key), nil)
		} else {
			err = batch.Set([]byte(r.key), r.value, nil)
		}
		if err != nil {
			return nil, j.fail(err)
		}
	}
	if err := j.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return nil, j.fail(err)
	}
	j.await.Add(1)
	return func() error {
		defer j.await.Add(-1)
		if err := batch.SyncWait(); err != nil {
			return j.fail(err)
		}
		// A log's fault is hidden from pebble.
		if err := j.failed(); err != nil {
			return err
		}
		return batch.Close()
	}, nil
}

// pause is the least time between the end of a sync and the next one: none while few
// wait, so that an idle store syncs at once; under load enough for others to join.
func (j *journal) pause() time.Duration {
	const many = 8
	if j.await.Load() < many {
		return 0
	}
	return 500 * time.Microsecond
}

// each calls f with every record of a prefix, in the order of the keys.
func (j *journal) each(prefix string, f func(key string, value []byte) error) (err error) {
	it, err := j.db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: []byte(prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("record %s: %w", it.Key(), err)
		}
		if err := f(string(it.Key()), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// fail records the first failed write and returns it as what callers are told.
func (j *journal) fail(err error) error {
	j.fault.CompareAndSwap(nil, &err)
	return j.failed()
}

func (j *journal) failed() error {
	if cause := j.fault.Load(); cause != nil {
		return unavailable(*cause, "the queue in %s could not be written and accepts nothing until it is opened anew", j.dir)
	}
	return nil
}

func (j *journal) close() (err error) {
	if j.db != nil {
		err = j.db.Close()
	}
	return errors.Join(err, j.lock.Close())
}

func unavailable(cause error, format string, args ...any) *job.Error {
	err := job.Errorf(job.Unavailable, format, args...)
	err.Cause = cause
	return err
}

// quiet drops what pebble would log. What it calls fatal is a write that failed.
type quiet struct{ j *journal }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (q quiet) Fatalf(format string, args ...any) {
	_ = q.j.fail(fmt.Errorf(format, args...))
}
