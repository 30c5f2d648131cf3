package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"cosmicman/job"
)

// longestPath is what fits into a socket's address on every system.
const longestPath = 103

// Listen makes a socket that only this user can use. It replaces one that a dead
// process left behind; where a live one answers, or something that is no socket
// lies there, the error is a job.Conflict. Closing the listener removes the socket.
func Listen(path string) (net.Listener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, unusable(path, err)
	}
	keep := false
	defer func() {
		if !keep {
			dir.Close()
		}
	}()
	// Two processes that find the same dead socket must not remove each other's new
	// one: the folder is locked while one looks and binds.
	if err := flock(dir, syscall.LOCK_EX); err != nil {
		return nil, unusable(path, err)
	}
	defer flock(dir, syscall.LOCK_UN)

	address, err := short(dir, path)
	if err != nil {
		return nil, err
	}
	if err := clear(path, address); err != nil {
		return nil, err
	}
	// On Linux bind takes the mode from the socket, so that there is no moment in
	// which others may connect.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
			return e
		}
		return err
	}}
	l, err := private.Listen(context.Background(), "unix", address)
	if err != nil {
		return nil, unusable(path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	mine, err := os.Lstat(address)
	if err == nil {
		err = os.Chmod(address, 0o600)
	}
	if err != nil {
		return nil, errors.Join(unusable(path, err), l.Close())
	}
	keep = true
	return &listener{Listener: l, dir: dir, address: address, mine: mine}, nil
}

// clear removes a socket that nobody listens on.
func clear(path, address string) error {
	info, err := os.Lstat(address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unusable(path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return job.Errorf(job.Conflict, "%s is there and is no socket", path)
	}
	conn, err := net.DialTimeout("unix", address, 5*time.Second)
	switch {
	case err == nil:
		conn.Close()
		return job.Errorf(job.Conflict, "another process serves the queue at %s", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		// Anything else, such as a full backlog, says that somebody is there.
		return &job.Error{Kind: job.Conflict, Message: fmt.Sprintf("another process may be serving the queue at %s", path), Cause: err}
	}
	if err := os.Remove(address); err != nil {
		return unusable(path, err)
	}
	return nil
}

// short returns a name of path that fits into a socket's address; it is valid as
// long as dir, its folder, is open.
func short(dir *os.File, path string) (string, error) {
	if len(path) <= longestPath {
		return path, nil
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if _, err := os.Stat(filepath.Dir(name)); err != nil || len(name) > longestPath {
		return "", job.Errorf(job.Invalid, "%s is too long for a socket: %d bytes, expected at most %d", path, len(path), longestPath)
	}
	return name, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}

func unusable(path string, cause error) error {
	return &job.Error{Kind: job.Unavailable, Message: fmt.Sprintf("no socket can be made at %s", path), Cause: cause}
}

// listener removes its socket when it closes, and nobody else's.
type listener struct {
	net.Listener
	dir     *os.File
	address string
	mine    os.FileInfo
	once    sync.Once
	err     error
}

func (l *listener) Close() error {
	l.once.Do(func() {
		defer l.dir.Close()
		if now, err := os.Lstat(l.address); err == nil && os.SameFile(now, l.mine) {
			l.err = os.Remove(l.address)
		}
		l.err = errors.Join(l.err, l.Listener.Close())
	})
	return l.err
}
