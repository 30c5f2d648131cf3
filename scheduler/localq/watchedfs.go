package localq

import (
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchedFS counts syncs, and stops at the first write that fails: it notes the
// fault before pebble learns of it, and from then on changes nothing on the disk,
// which so stays as a crash would have left it. Pebble cannot go on after a failed
// write: of a log it makes a panic, of its list of files perhaps a damaged one.
// Writes to logs therefore seem to succeed; who waits for them asks the journal. So do
// all writes while the store is opened, when pebble repeats what fails for ever.
type watchedFS struct {
	vfs.FS
	j *journal
}

func (fs watchedFS) Unwrap() vfs.FS { return fs.FS }

// made returns a file that was made for writing under a name.
func (fs watchedFS) made(name string, open func() (vfs.File, error)) (vfs.File, error) {
	log := strings.HasSuffix(filepath.Base(name), ".log")
	err := fs.j.failed()
	opening := fs.j.opening.Load()
	if err == nil {
		var f vfs.File
		if f, err = open(); err == nil {
			return watchedFile{f, fs.j, log}, nil
		}
		err = fs.j.fail(err)
	} else if !log && !opening {
		time.Sleep(retryPause)
	}
	if log || opening {
		return lostFile{}, nil
	}
	return nil, err
}

// retryPause slows pebble down, which repeats a flush that failed at once.
const retryPause = 100 * time.Millisecond

func (fs watchedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.made(name, func() (vfs.File, error) { return fs.FS.Create(name, c) })
}

func (fs watchedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.made(to, func() (vfs.File, error) { return fs.FS.ReuseForWrite(from, to, c) })
}

func (fs watchedFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return watchedFile{f, fs.j, true}, nil // pebble panics here too
}

func (fs watchedFS) Rename(from, to string) error {
	return fs.unlessFailed(func() error { return fs.FS.Rename(from, to) })
}

func (fs watchedFS) Link(from, to string) error {
	return fs.unlessFailed(func() error { return fs.FS.Link(from, to) })
}

func (fs watchedFS) Remove(name string) error {
	return fs.unlessFailed(func() error { return fs.FS.Remove(name) })
}

func (fs watchedFS) RemoveAll(name string) error {
	return fs.unlessFailed(func() error { return fs.FS.RemoveAll(name) })
}

func (fs watchedFS) unlessFailed(do func() error) error {
	if err := fs.j.failed(); err != nil {
		if fs.j.opening.Load() {
			return nil
		}
		return err
	}
	return do()
}

// watchedFile is a file that is written, or a folder.
type watchedFile struct {
	vfs.File
	j    *journal
	hide bool // faults from pebble
}

// do does a step that changes the disk, unless one has failed.
func (f watchedFile) do(step func() error) error {
	err := f.j.failed()
	if err == nil {
		if err = step(); err != nil {
			err = f.j.fail(err)
		}
	}
	if f.hide || f.j.opening.Load() {
		return nil
	}
	return err
}

func (f watchedFile) Write(p []byte) (n int, err error) {
	err = f.do(func() (err error) { n, err = f.File.Write(p); return err })
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f watchedFile) Sync() error {
	f.j.syncs.Add(1)
	return f.do(f.File.Sync)
}

func (f watchedFile) SyncData() error {
	f.j.syncs.Add(1)
	return f.do(f.File.SyncData)
}

func (f watchedFile) SyncTo(length int64) (full bool, err error) {
	err = f.do(func() (err error) { full, err = f.File.SyncTo(length); return err })
	if full {
		f.j.syncs.Add(1)
	}
	return full, err
}

func (f watchedFile) Close() error {
	err := f.File.Close()
	if err != nil {
		err = f.j.fail(err)
	}
	if f.hide || f.j.opening.Load() {
		return nil
	}
	return err
}

// lostFile stands for a file that could not be made; what is written to it is lost.
type lostFile struct{ vfs.File }

func (lostFile) Read([]byte) (int, error)               { return 0, io.EOF }
func (lostFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (lostFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (lostFile) Stat() (vfs.FileInfo, error)            { return nil, io.EOF }
func (lostFile) Write(p []byte) (int, error)            { return len(p), nil }
func (lostFile) Sync() error                            { return nil }
func (lostFile) SyncData() error                        { return nil }
func (lostFile) SyncTo(int64) (bool, error)             { return true, nil }
func (lostFile) Preallocate(_, _ int64) error           { return nil }
func (lostFile) Prefetch(_ int64, _ int64) error        { return nil }
func (lostFile) Fd() uintptr                            { return vfs.InvalidFd }
func (lostFile) Close() error                           { return nil }
