package journal

import (
	"errors"
	"os"
)

// appender writes whole pieces to the end of a file. What a full disk did not take is
// kept and tried again with the next piece, so that the file never has half of one with
// others after it.
type appender struct {
	file    *os.File
	end     int64  // of what is written whole
	pending []byte // what comes next
	err     error  // why there is something pending
}

// maxPending bounds what is kept of what cannot be written; more is left out.
const maxPending = 16 << 20

// openAppender opens a file, which is made if it is not there, and cuts it to keep bytes.
func openAppender(path string, keep int64) (*appender, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(keep); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &appender{file: f, end: keep}, nil
}

// add writes a piece, or says why that is not possible for now.
func (a *appender) add(piece []byte) error {
	if len(a.pending)+len(piece) <= maxPending {
		a.pending = append(a.pending, piece...)
	}
	return a.flush()
}

func (a *appender) flush() error {
	if len(a.pending) == 0 {
		return a.err
	}
	n, err := a.file.WriteAt(a.pending, a.end)
	if a.err = err; err != nil {
		if n > 0 {
			a.err = errors.Join(err, a.file.Truncate(a.end))
		}
		return a.err
	}
	a.end += int64(n)
	a.pending = a.pending[:0]
	return nil
}

// sync has all of it put on disk.
func (a *appender) sync() error { return errors.Join(a.flush(), a.file.Sync()) }

func (a *appender) close() error { return errors.Join(a.flush(), a.file.Close()) }
