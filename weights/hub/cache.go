package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"cosmicman/weights"
)

// Cache is a Hugging Face cache. Nothing outside of its folder is touched, whatever links are
// in it.
type Cache struct {
	root *os.Root
	path string
}

// MakeCache opens a cache, which is made if it is not there.
func MakeCache(dir string) (*Cache, error) {
	if dir == "" {
		return nil, errors.New("no Hugging Face cache is known: set HF_HOME or HF_HUB_CACHE")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("the Hugging Face cache cannot be made: %w", err)
	}
	return OpenCache(dir)
}

// OpenCache opens a cache that is there; fs.ErrNotExist where it is not.
func OpenCache(dir string) (*Cache, error) {
	if dir == "" {
		return nil, fmt.Errorf("no Hugging Face cache is known: %w", fs.ErrNotExist)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the Hugging Face cache cannot be opened: %w", err)
	}
	return &Cache{root, dir}, nil
}

// Close gives up the folder.
func (c *Cache) Close() error { return c.root.Close() }

// Dir is the cache's folder.
func (c *Cache) Dir() string { return c.path }

func blobPath(ref weights.HubRef, hash string) string { return path.Join(ref.Folder(), "blobs", hash) }

func snapshotPath(ref weights.HubRef, commit string) string {
	return path.Join(ref.Folder(), "snapshots", commit)
}

// folder makes a folder and those above it. Links in the place of folders are refused:
// what is written would go where somebody else has said.
func (c *Cache) folder(name string) error {
	at := ""
	for element := range strings.SplitSeq(name, "/") {
		at = path.Join(at, element)
		if err := c.root.Mkdir(at, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := c.isFolder(at); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cache) isFolder(name string) error {
	info, err := c.root.Lstat(name)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s/%s is a link: it is not followed", c.path, name)
	case !info.IsDir():
		return fmt.Errorf("%s/%s is not a folder", c.path, name)
	}
	return nil
}

// size is that of a regular file, or of one below the cache that a link leads to; -1 where
// there is none.
func (c *Cache) size(name string) int64 {
	info, err := c.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}

// read returns a file of at most most bytes.
func (c *Cache) read(name string, most int64) ([]byte, error) {
	f, err := c.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has over %d bytes", name, most)
	}
	return data, err
}

// link makes a snapshot's file lead to its blob.
func (c *Cache) link(ref weights.HubRef, commit, name, hash string) error {
	at := path.Join(snapshotPath(ref, commit), name)
	if err := c.folder(path.Dir(at)); err != nil {
		return err
	}
	to := strings.Repeat("../", strings.Count(name, "/")+2) + "blobs/" + hash
	if have, err := c.root.Readlink(at); err == nil && have == to {
		return nil
	}
	return c.replace(at, func(aside string) error { return c.root.Symlink(to, aside) })
}

// linked reports whether a snapshot's file leads to its blob.
func (c *Cache) linked(ref weights.HubRef, commit, name, hash string, size int64) bool {
	at := path.Join(snapshotPath(ref, commit), name)
	have, err := c.root.Readlink(at)
	return err == nil && path.Base(have) == hash && c.size(at) == size
}

// setRef records the commit at which a branch or tag stands.
func (c *Cache) setRef(ref weights.HubRef, commit string) error {
	if ref.Revision == commit {
		return nil
	}
	at := path.Join(ref.Folder(), "refs", ref.Revision)
	if have, err := c.read(at, 4096); err == nil && string(have) == commit {
		return nil
	}
	if err := c.folder(path.Dir(at)); err != nil {
		return err
	}
	return c.replace(at, func(aside string) error { return c.root.WriteFile(aside, []byte(commit), 0o666) })
}

// replace makes something beside its name, and gives it the name.
func (c *Cache) replace(at string, make func(aside string) error) error {
	aside := path.Join(path.Dir(at), ".cosmicman-"+rand.Text())
	err := make(aside)
	if err == nil {
		err = c.root.Rename(aside, at)
	}
	if err != nil {
		_ = c.root.Remove(aside)
	}
	return err
}

// lock is a lock file that is held.
type lock struct{ *os.File }

const lockEvery = 100 * time.Millisecond

// errHeld says that somebody else holds a lock.
var errHeld = errors.New("held by another process")

// tryLock takes a lock, shared or for oneself, or returns errHeld.
func (c *Cache) tryLock(ref weights.HubRef, name string, shared bool) (*lock, error) {
	dir := path.Join(".locks", ref.Folder())
	if err := c.folder(dir); err != nil {
		return nil, err
	}
	at := path.Join(dir, name+".lock")
	if info, err := c.root.Lstat(at); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s/%s is no regular file", c.path, at)
	}
	f, err := c.root.OpenFile(at, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return &lock{f}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errHeld
	}
	return nil, errors.Join(err, f.Close())
}

// lock waits for a lock; waiting is called once if it has to.
func (c *Cache) lock(ctx context.Context, ref weights.HubRef, name string, shared bool, waiting func()) (*lock, error) {
	for first := true; ; first = false {
		l, err := c.tryLock(ref, name, shared)
		if !errors.Is(err, errHeld) {
			return l, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockEvery):
		}
	}
}

// whole is the lock of a model: pulls share it, and whoever removes has it alone. Its name
// is not one of a blob.
const whole = "cosmicman"

// free is the number of bytes that the disk takes.
func (c *Cache) free() (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(c.path, &s); err != nil {
		return 0, err
	}
	return int64(min(s.Bavail, 1<<62/uint64(s.Bsize))) * int64(s.Bsize), nil
}
