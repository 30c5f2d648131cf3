package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"cosmicman/weights"
)

// partial is the end of the name of a file that has not come whole.
const partial = ".incomplete"

// download is one file on its way.
type download struct {
	h      *Hub
	ref    weights.HubRef
	commit string
	remote
	done *atomic.Int64 // of the pull

	file *os.File
	have int64  // bytes in file
	sum  sums   // of these
	etag string // of what they came from, "" where that is not known
	old  bool   // some of them have come by an earlier request

	restarts int
}

// fetch brings a blob, unless it is there. It has its name only if it has its hash.
func (h *Hub) fetch(ctx context.Context, ref weights.HubRef, commit string, r remote, done *atomic.Int64) error {
	c := h.cache
	l, err := c.lock(ctx, ref, r.hash, false, func() { h.logf("%s: %s is being fetched by another process", ref, r.name) })
	if err != nil {
		return err
	}
	defer l.Close()
	at := blobPath(ref, r.hash)
	if c.size(at) == r.size {
		done.Add(r.size)
		return nil
	}
	d := &download{h: h, ref: ref, commit: commit, remote: r, done: done}
	if err := d.open(at + partial); err != nil {
		return err
	}
	defer d.file.Close()
	if err := h.retry(ctx, func() (bool, error) {
		before := d.have
		err := d.attempt(ctx)
		if err == nil {
			err = d.check()
		}
		return d.have > before, err
	}); err != nil {
		if d.have == 0 {
			err = errors.Join(err, c.root.Remove(at+partial))
		}
		return full(err)
	}
	if err := d.file.Sync(); err != nil {
		return full(err)
	}
	return c.root.Rename(at+partial, at)
}

// open opens what has come so far.
func (d *download) open(at string) error {
	root := d.h.cache.root
	if err := d.h.cache.folder(path.Dir(at)); err != nil {
		return err
	}
	flags := os.O_RDWR
	info, err := root.Lstat(at)
	switch {
	case err == nil && info.Mode().IsRegular():
	case err == nil: // a link, which another would have us write to
		if err := root.Remove(at); err != nil {
			return err
		}
		fallthrough
	case errors.Is(err, fs.ErrNotExist):
		flags |= os.O_CREATE | os.O_EXCL
	default:
		return err
	}
	if d.file, err = root.OpenFile(at, flags, 0o666); err != nil {
		return err
	}
	d.sum = d.newSum()
	n, err := io.Copy(d.sum, io.LimitReader(d.file, d.size+1))
	if err == nil && n > d.size {
		return d.restart()
	}
	if err != nil {
		return errors.Join(err, d.file.Close())
	}
	d.have, d.old = n, n > 0
	d.done.Add(n)
	return nil
}

// sums are hashes of the same bytes, of which one has to be the file's.
type sums []hash.Hash

func (s sums) Write(p []byte) (int, error) {
	for _, h := range s {
		h.Write(p)
	}
	return len(p), nil
}

func (s sums) have(digits string) bool {
	return slices.ContainsFunc(s, func(h hash.Hash) bool { return hex.EncodeToString(h.Sum(nil)) == digits })
}

// newSum is what the file's name tells: sha256 of the bytes, or git's sha1 of a blob. Servers
// without git behind them tag files with the plain sha1, which proves as much.
func (d *download) newSum() sums {
	if len(d.hash) == 64 {
		return sums{sha256.New()}
	}
	git := sha1.New()
	fmt.Fprintf(git, "blob %d\x00", d.size)
	return sums{git, sha1.New()}
}

// restart forgets what has come.
func (d *download) restart() error {
	d.done.Add(-d.have)
	d.have, d.sum, d.etag, d.old = 0, d.newSum(), "", false
	d.restarts++
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

// attempt asks for what is missing, and writes what comes.
func (d *download) attempt(ctx context.Context) error {
	if d.have == d.size {
		return nil
	}
	h := d.h
	if d.restarts > h.attempts {
		return d.named(permanent("has been begun anew %d times, and never comes whole", d.restarts))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := newWatchdog(cancel, h.stall)
	defer dog.stop()
	header := http.Header{}
	if d.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		if d.etag != "" {
			header.Set("If-Range", d.etag)
		}
	}
	res, err := h.send(ctx, http.MethodGet, h.fileAddress(d.ref, d.commit, d.name), header)
	if err != nil {
		return d.named(err)
	}
	defer drop(res.Body)
	host := res.Request.URL.Host
	switch res.StatusCode {
	case http.StatusOK:
		if d.have > 0 { // the range was not heeded, or the file has changed
			if err := d.restart(); err != nil {
				return err
			}
		}
	case http.StatusPartialContent:
		if want := fmt.Sprintf("bytes %d-%d/%d", d.have, d.size-1, d.size); res.Header.Get("Content-Range") != want {
			if err := d.restart(); err != nil {
				return err
			}
			return d.named(passing("%s answers with another range than was asked for", host))
		}
		d.old = true
	case http.StatusRequestedRangeNotSatisfiable:
		if err := d.restart(); err != nil {
			return err
		}
		return d.named(passing("%s has nothing after byte %s", host, strings.TrimPrefix(header.Get("Range"), "bytes=")))
	default:
		return h.refusal(res, d.ref, d.name)
	}
	if e := encoding(res); e != "" {
		return d.named(permanent("%s answers with the content encoding %.40q, which was not asked for", host, e))
	}
	if n := res.ContentLength; n >= 0 && n != d.size-d.have {
		return d.named(passing("%s sends %d bytes, expected %d", host, n+d.have, d.size))
	}
	// A weak tag does not promise the same bytes.
	if d.etag = res.Header.Get("ETag"); strings.HasPrefix(d.etag, "W/") || len(d.etag) > 200 {
		d.etag = ""
	}
	return d.named(d.copy(ctx, res, dog))
}

// copy writes a body to the file.
func (d *download) copy(ctx context.Context, res *http.Response, dog *watchdog) error {
	host := res.Request.URL.Host
	buffer := make([]byte, 256<<10)
	for {
		n, err := res.Body.Read(buffer)
		if n > 0 {
			dog.feed()
			if int64(n) > d.size-d.have {
				return d.tooMuch(host)
			}
			if _, err := d.file.Write(buffer[:n]); err != nil {
				return err
			}
			_, _ = d.sum.Write(buffer[:n]) // it never fails
			d.have += int64(n)
			d.done.Add(int64(n))
		}
		switch {
		case d.have == d.size && (err == nil || err == io.EOF):
			// One byte more would be one too many.
			if extra, _ := res.Body.Read(buffer[:1]); extra > 0 {
				return d.tooMuch(host)
			}
			return nil
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return passing("%s breaks off after %d of %d bytes", host, d.have, d.size)
		}
	}
}

func (d *download) tooMuch(host string) error {
	if err := d.restart(); err != nil {
		return err
	}
	return passing("%s sends more than the %d bytes that are expected", host, d.size)
}

// check compares the hash. What does not have it is thrown away; it is fetched once more if
// it had come in pieces, of which one may have been of something else.
func (d *download) check() error {
	if d.sum.have(d.hash) {
		return nil
	}
	old := d.old
	if err := d.restart(); err != nil {
		return err
	}
	if old {
		return d.named(passing("what had come before does not have the expected hash, and is thrown away"))
	}
	return d.named(permanent("what has come does not have the hash %s: nothing of it was kept", d.hash))
}

// named puts the file before what is wrong with it.
func (d *download) named(err error) error {
	f, is := errors.AsType[*fault](err)
	if !is {
		return err
	}
	return &fault{text: d.ref.String() + ": " + d.name + ": " + f.text, again: f.again, after: f.after}
}

// full explains a disk without room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk of the Hugging Face cache is full; what has come is kept, and the same command goes on from there: %w", err)
	}
	return err
}

func bytesText(n int64) string {
	if n < 1e9 {
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', 2, 64) + " GB"
}
