package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"cosmicman/job"
)

// Files keeps artifacts as files in one folder, each until it expires. A file's
// modification time is when it expires, so that there is nothing beside the files
// and any number of processes can share the folder. Methods may be called by many
// goroutines.
type Files struct {
	dir  *os.Root
	path string
	max  int64

	stop    context.CancelFunc
	sweeper sync.WaitGroup
	write   func(dir *os.Root, name string, data []byte, modified time.Time) error

	mu      sync.Mutex
	bytes   int64     // in the folder at the last look, and what was put since; never too few of our own
	pending int64     // being put
	looked  time.Time // when that was
	expires time.Time // of the file that expires first, zero when there is none
}

const (
	sweepEvery = time.Minute
	// lookEvery is how old the count of bytes may be: others write into the folder too.
	lookEvery = 10 * time.Second
	// abandoned is how long after its last change a file that was being written is removed.
	abandoned = time.Hour
	// fullPause is when to try again on a disk that others have filled.
	fullPause = 10 * time.Second
)

// OpenFiles opens a folder of artifacts, which is made if it is not there, of
// together at most maxBytes bytes (0: as many as the disk takes). Expired files are
// removed until Close.
func OpenFiles(dir string, maxBytes int64) (*Files, error) {
	if maxBytes < 0 {
		return nil, job.Errorf(job.Invalid, "the bound of the artifacts is %d bytes, expected no negative number", maxBytes)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unusable(dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &Files{dir: root, path: dir, max: maxBytes, stop: stop, write: write}
	if err := f.Sweep(); err != nil {
		stop()
		return nil, errors.Join(err, root.Close())
	}
	f.sweeper.Go(func() { f.sweeps(ctx) })
	return f, nil
}

func unusable(dir string, cause error) error {
	return &job.Error{Kind: job.Unavailable, Message: "the folder of artifacts " + dir + " cannot be used", Cause: cause}
}

// Close stops removing what expires, and gives up the folder.
func (f *Files) Close() error {
	f.stop()
	f.sweeper.Wait()
	return f.dir.Close()
}

func (f *Files) sweeps(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = f.Sweep() // Put and Get say what is wrong with the folder
		}
	}
}

// Put stores data whole under a name, or not at all, until ttl has passed. A full
// store or disk is a job.Overloaded.
func (f *Files) Put(ctx context.Context, name string, data []byte, ttl time.Duration) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if ttl <= 0 {
		return &job.Error{Kind: job.Invalid, Field: "ttl", Message: fmt.Sprintf("an artifact's time to live is %v, expected more than nothing", ttl)}
	}
	if f.max > 0 && int64(len(data)) > f.max {
		return job.Errorf(job.Invalid, "the artifact has %d bytes, the store holds at most %d", len(data), f.max)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.reserve(int64(len(data)), int64(len(data))); err != nil {
		return err
	}
	err := f.write(f.dir, name, data, time.Now().Add(ttl))
	f.mu.Lock()
	f.pending -= int64(len(data))
	if err == nil {
		f.bytes += int64(len(data))
	}
	f.mu.Unlock()
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &job.Error{Kind: job.Overloaded, Message: "the disk of the artifacts is full", RetryAfter: fullPause, Cause: err}
	}
	return &job.Error{Kind: job.Unavailable, Message: "the artifact could not be stored", Cause: err}
}

// Room says why n bytes more would be over the bound now, as Put would; nil: they
// would not. What a disk has left may be another the next moment, so it is not asked.
func (f *Files) Room(_ context.Context, n int64) error { return f.reserve(n, 0) }

// reserve counts held of n bytes in, if there is room for them all.
func (f *Files) reserve(n, held int64) error {
	for fresh := false; ; fresh = true {
		f.mu.Lock()
		fits := f.bytes+f.pending+n <= f.max
		if f.max == 0 || fits && (fresh || time.Since(f.looked) <= lookEvery) {
			f.pending += held
			f.mu.Unlock()
			return nil
		}
		bytes, expires := f.bytes+f.pending, f.expires
		f.mu.Unlock()
		if fresh {
			pause := fullPause
			if !expires.IsZero() {
				pause = max(time.Until(expires), time.Second)
			}
			return &job.Error{Kind: job.Overloaded, RetryAfter: pause,
				Message: fmt.Sprintf("the store of images is full: %d of %d bytes are taken", bytes, f.max)}
		}
		if err := f.Sweep(); err != nil {
			return err
		}
	}
}

// Get returns what was put, job.NotFound once it has expired.
func (f *Files) Get(ctx context.Context, name string) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, expires, err := f.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !expires.After(time.Now()):
		return nil, job.Errorf(job.NotFound, "there is no artifact %s, or it has expired", name)
	case err != nil:
		return nil, &job.Error{Kind: job.Unavailable, Message: "the artifact could not be read", Cause: err}
	}
	return data, nil
}

func (f *Files) read(name string) (data []byte, expires time.Time, err error) {
	file, err := f.dir.Open(name)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	data, err = io.ReadAll(file)
	return data, info.ModTime(), err
}

// Delete removes an artifact. One that is not there is no error.
func (f *Files) Delete(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := f.dir.Stat(name)
	if err == nil {
		err = f.dir.Remove(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &job.Error{Kind: job.Unavailable, Message: "the artifact could not be removed", Cause: err}
	}
	f.mu.Lock()
	f.bytes = max(0, f.bytes-info.Size())
	f.mu.Unlock()
	return nil
}

// Sweep removes what has expired, and what a process that died left half written.
func (f *Files) Sweep() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := fs.ReadDir(f.dir.FS(), ".")
	if err != nil {
		return unusable(f.path, err)
	}
	now := time.Now()
	var bytes int64
	var first time.Time
	for _, e := range entries {
		half := strings.HasPrefix(e.Name(), unfinished)
		if !half && CheckName(e.Name()) != nil {
			continue // not ours
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // another process has removed it
		}
		expires := info.ModTime()
		if half {
			expires = expires.Add(abandoned)
		}
		if !expires.After(now) {
			if err := f.dir.Remove(e.Name()); err == nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if half {
			continue // counted as pending by whoever writes it
		}
		bytes += info.Size()
		if first.IsZero() || expires.Before(first) {
			first = expires
		}
	}
	f.bytes, f.looked, f.expires = bytes, now, first
	return nil
}
