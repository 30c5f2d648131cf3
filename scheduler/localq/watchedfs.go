package localq

import (
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchedFS counts syncs, and notes a failed write before pebble does, so that
// nothing is appended to a log that has failed.
type watchedFS struct {
	vfs.FS
	j *journal
}

func (fs watchedFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return watchedFile{f, fs.j}, nil
}

func (fs watchedFS) Unwrap() vfs.FS { return fs.FS }

func (fs watchedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil && isLog(name) {
		_ = fs.j.fail(err)
	}
	return fs.wrap(f, err)
}

func (fs watchedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, c)
	if err != nil && isLog(to) {
		_ = fs.j.fail(err)
	}
	return fs.wrap(f, err)
}

func (fs watchedFS) OpenDir(name string) (vfs.File, error) { return fs.wrap(fs.FS.OpenDir(name)) }

func isLog(name string) bool { return strings.HasSuffix(filepath.Base(name), ".log") }

type watchedFile struct {
	vfs.File
	j *journal
}

func (f watchedFile) note(err error) error {
	if err != nil {
		_ = f.j.fail(err)
	}
	return err
}

func (f watchedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.note(err)
}

func (f watchedFile) Sync() error {
	f.j.syncs.Add(1)
	return f.note(f.File.Sync())
}

func (f watchedFile) SyncData() error {
	f.j.syncs.Add(1)
	return f.note(f.File.SyncData())
}

func (f watchedFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	if full {
		f.j.syncs.Add(1)
	}
	return full, f.note(err)
}
