package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cosmicman/weights"
)

// Request is what Pull is asked for.
type Request struct {
	Ref     weights.HubRef
	Want    weights.Wanted
	Variant string // of the weights, where there is one
}

// Pulled is what is in the cache now.
type Pulled struct {
	Ref     weights.HubRef
	Commit  string
	Dir     string // of the snapshot
	Files   int
	Bytes   int64 // of all files
	Fetched int64 // of them, now
}

// Progress is how far a pull is.
type Progress struct {
	Ref         weights.HubRef
	Done, Total int64  // bytes, with those that were there
	Began       int64  // bytes that were there
	Files       int    // that are whole
	AllFiles    int    //
	Finished    string // the file that has just become whole, "" between
}

const tick = 200 * time.Millisecond

// Pull brings the files of a model that weights.Open reads into the cache, those that are
// not there. The error says what to do where something can be done.
func (h *Hub) Pull(ctx context.Context, q Request) (*Pulled, error) {
	c, ref := h.cache, q.Ref
	held, err := c.lock(ctx, ref, whole, true, func() { h.logf("%s is being removed by another process", ref) })
	if err != nil {
		return nil, full(err)
	}
	defer held.Close()
	l, err := h.list(ctx, ref)
	if err != nil {
		return nil, err
	}
	files, early, err := h.choose(ctx, q, l)
	if err != nil {
		return nil, err
	}
	out := &Pulled{Ref: ref, Commit: l.commit, Dir: filepath.Join(c.path, filepath.FromSlash(snapshotPath(ref, l.commit))), Files: len(files)}
	var missing []remote
	var there int64
	for _, r := range files {
		out.Bytes += r.size
		if !c.linked(ref, l.commit, r.name, r.hash, r.size) {
			missing = append(missing, r)
			continue
		}
		there += r.size
	}
	if err := h.room(ref, missing); err != nil {
		return nil, err
	}
	began := there
	for _, r := range missing {
		began += max(0, min(r.size, max(c.size(blobPath(ref, r.hash)), c.size(blobPath(ref, r.hash)+partial))))
	}
	if err := h.fetchAll(ctx, q, l.commit, missing, Progress{Ref: ref, Done: there, Total: out.Bytes, Began: began, Files: len(files) - len(missing), AllFiles: len(files)}); err != nil {
		return nil, err
	}
	out.Fetched = out.Bytes - began + early
	if err := c.setRef(ref, l.commit); err != nil {
		return nil, full(err)
	}
	return out, nil
}

// choose decides which files are needed. Those that it has to read for that are fetched, of
// which early is the number of bytes.
func (h *Hub) choose(ctx context.Context, q Request, l *listing) (files []remote, early int64, err error) {
	names := slices.DeleteFunc(slices.Clone(l.names), func(n string) bool { return !relevant(n) })
	needed, err := weights.Needed(names, q.Want, q.Variant, func(name string) ([]byte, error) {
		const most = 64 << 20
		r, err := h.describeOnce(ctx, q.Ref, l, name)
		if err != nil {
			return nil, err
		}
		if r.size > most {
			return nil, fmt.Errorf("%s: has %d bytes, expected at most %d", name, r.size, most)
		}
		if h.cache.size(blobPath(q.Ref, r.hash)) != r.size {
			if err := h.fetch(ctx, q.Ref, l.commit, r, new(atomic.Int64)); err != nil {
				return nil, err
			}
			early += r.size
		}
		return h.cache.read(blobPath(q.Ref, r.hash), most)
	})
	if err != nil {
		if _, is := errors.AsType[*fault](err); !is && ctx.Err() == nil {
			err = fmt.Errorf("%s: %w", q.Ref, err)
		}
		return nil, 0, err
	}
	files = make([]remote, len(needed))
	var total int64
	for i, name := range needed {
		if files[i], err = h.describeOnce(ctx, q.Ref, l, name); err != nil {
			return nil, 0, err
		}
		if total += files[i].size; total > maxSize {
			return nil, 0, fmt.Errorf("%s: the files have over %s together, which no model has", q.Ref, bytesText(maxSize))
		}
	}
	return files, early, nil
}

// describeOnce is describe for what the list does not tell; it is told in the list then.
func (h *Hub) describeOnce(ctx context.Context, ref weights.HubRef, l *listing, name string) (remote, error) {
	r, listed := l.files[name]
	if !listed {
		return r, fmt.Errorf("%s: there is no file %s", ref, name)
	}
	if r.known() {
		return r, nil
	}
	r, err := h.describe(ctx, ref, l.commit, r)
	if err == nil {
		l.files[name] = r
	}
	return r, err
}

// room refuses to begin what the disk cannot take.
func (h *Hub) room(ref weights.HubRef, missing []remote) error {
	var need int64
	seen := map[string]bool{}
	for _, r := range missing {
		if at := blobPath(ref, r.hash); !seen[r.hash] && h.cache.size(at) != r.size {
			need += r.size - max(0, min(r.size, h.cache.size(at+partial)))
		}
		seen[r.hash] = true
	}
	free, err := h.cache.free()
	if err == nil && need > free {
		return fmt.Errorf("%s: %s are missing, and the disk of %s has room for %s: make room, or set HF_HOME to a folder on another disk",
			ref, bytesText(need), h.cache.path, bytesText(free))
	}
	return nil // where it cannot be told, writing will
}

// fetchAll fetches files, several at once, and makes them part of the snapshot.
func (h *Hub) fetchAll(ctx context.Context, q Request, commit string, files []remote, p Progress) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	done.Store(p.Done)
	var mu sync.Mutex
	tell := func(finished string) {
		mu.Lock()
		defer mu.Unlock()
		if finished != "" {
			p.Files++
		}
		p.Done, p.Finished = min(done.Load(), p.Total), finished
		if h.watch != nil {
			h.watch(p)
		}
	}
	ended := make(chan struct{})
	var teller, workers sync.WaitGroup
	teller.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-ended:
				return
			case <-t.C:
				tell("")
			}
		}
	})
	queue := make(chan []remote)
	var faults []error
	for range min(h.parallel, len(files)) {
		workers.Go(func() {
			for same := range queue {
				for _, r := range same {
					err := h.fetch(ctx, q.Ref, commit, r, &done)
					if err == nil {
						err = full(h.cache.link(q.Ref, commit, r.name, r.hash))
					}
					if err == nil {
						tell(r.name)
						continue
					}
					mu.Lock()
					faults = append(faults, err)
					mu.Unlock()
					cancel(err) // what has come of the others is kept
				}
			}
		})
	}
	// The large ones last: what is wrong with a model is mostly seen in the small ones.
	slices.SortStableFunc(files, func(a, b remote) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.hash, b.hash))
	})
	for len(files) > 0 {
		n := 1 // files of one content are one blob
		for n < len(files) && files[n].hash == files[0].hash {
			n++
		}
		select {
		case queue <- files[:n]:
		case <-ctx.Done():
		}
		files = files[n:]
	}
	close(queue)
	workers.Wait()
	close(ended)
	teller.Wait()
	if len(faults) > 0 {
		return faults[0]
	}
	return context.Cause(ctx)
}

// Token is the token that the official client would take: HF_TOKEN, else
// HUGGING_FACE_HUB_TOKEN, else the file HF_TOKEN_PATH, else the file token in HF_HOME. ""
// where there is none, or HF_HUB_DISABLE_IMPLICIT_TOKEN is set.
func Token(getenv func(string) string) (string, error) {
	if True(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return "", nil
	}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := strings.TrimSpace(getenv(name)); token != "" {
			return token, nil
		}
	}
	at := getenv("HF_TOKEN_PATH")
	if at == "" {
		home := getenv("HF_HOME")
		if home == "" {
			cache := getenv("XDG_CACHE_HOME")
			if cache == "" {
				if getenv("HOME") == "" {
					return "", nil
				}
				cache = filepath.Join(getenv("HOME"), ".cache")
			}
			home = filepath.Join(cache, "huggingface")
		}
		at = filepath.Join(home, "token")
	}
	if rest, is := strings.CutPrefix(at, "~/"); is {
		at = filepath.Join(getenv("HOME"), rest)
	}
	info, err := os.Stat(at)
	if err != nil || !info.Mode().IsRegular() {
		return "", nil // it is not there
	}
	if info.Size() > 4096 {
		return "", fmt.Errorf("%s holds %d bytes, expected a token", at, info.Size())
	}
	data, err := os.ReadFile(at)
	return strings.TrimSpace(string(data)), err
}

// True reads a variable of the official client that is a switch.
func True(value string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(value))
}
