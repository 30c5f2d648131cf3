package encode

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Cache keeps results in a folder, which several processes may share. A nil Cache keeps
// nothing. Its methods may be called by several goroutines.
//
// Each process writes packs of its own: a .pack of results one after the other, and an
// .idx that says where they are and what their checksums are, written behind it. A
// process that dies leaves at most results that no index names, or an index whose last
// record is torn and so left aside. Nothing is ever changed in place.
type Cache struct {
	dir   string
	limit int64 // bytes of all packs; 0: none
	tell  func(string)

	mu      sync.Mutex
	entries map[Key][]place // the one to try first comes first
	packs   map[string]*pack
	bytes   int64
	own     *pack     // that is written to; nil: none yet
	off     bool      // nothing is written any more
	told    bool      // of a damaged entry
	looked  time.Time // for what other processes have written
	closed  bool
}

// place of a result in a pack.
type place struct {
	pack   *pack
	offset int64
	length uint32
	sum    uint32
}

// Most bytes of a pack, after which the next is begun, and of one result.
const (
	maxPack   = 1 << 30
	maxResult = 1 << 28
)

// For how long a pack that nobody reads from is kept when room is needed, and how often
// other processes' packs are looked at.
const (
	idle    = time.Hour
	refresh = 5 * time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenCache opens a folder, which is made if it is not there, for results of together at
// most maxBytes bytes; 0 is no bound. What happens to the cache without ending the work,
// such as a full disk, is told once each.
//
// When there is no more room, packs go that no process has read from for an hour, those
// of other models or images first of all; where there are none, nothing more is kept.
func OpenCache(dir string, maxBytes int64, tell func(string)) (*Cache, error) {
	if maxBytes < 0 {
		return nil, fmt.Errorf("a cache of %d bytes: expected 0, for no bound, or more", maxBytes)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the cache cannot be opened: %w", err)
	}
	c := &Cache{dir: dir, limit: maxBytes, tell: tell, entries: map[Key][]place{}, packs: map[string]*pack{}}
	if c.tell == nil {
		c.tell = func(string) {}
	}
	if err := c.look(); err != nil {
		return nil, errors.Join(fmt.Errorf("the cache %s cannot be read: %w", dir, err), c.Close())
	}
	return c, nil
}

// Len is how many results there are.
func (c *Cache) Len() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// Bytes are those of all packs on disk.
func (c *Cache) Bytes() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// look reads what is new in the folder's indexes.
func (c *Cache) look() error {
	c.looked = time.Now()
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, f := range files { // by name, and so by age
		name, is := nameOf(f)
		if !is || c.own != nil && c.own.name == name {
			continue
		}
		p := c.packs[name]
		if p == nil {
			p = &pack{dir: c.dir, name: name}
			c.packs[name] = p
		}
		before := p.bytes
		found, err := p.news()
		if errors.Is(err, fs.ErrNotExist) { // another process has removed it just now
			c.forget(p)
			continue
		}
		if err != nil {
			return err
		}
		c.bytes += p.bytes - before
		for _, r := range found {
			c.entries[r.key] = slices.Insert(c.entries[r.key], 0, r.place)
		}
	}
	return nil
}

// Has reports whether there is a result, which may turn out to be damaged.
func (c *Cache) Has(key Key) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.find(key)) > 0
}

// find looks at other processes' packs if a key is not known.
func (c *Cache) find(key Key) []place {
	if c.closed {
		return nil
	}
	if len(c.entries[key]) == 0 && time.Since(c.looked) > refresh {
		// What cannot be read now is not there: it is made again.
		_ = c.look()
	}
	return c.entries[key]
}

// Get returns a result as it was put. One whose checksum is wrong is as one that is not
// there, which is told.
func (c *Cache) Get(key Key) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	for {
		c.mu.Lock()
		places := c.find(key)
		if len(places) == 0 {
			c.mu.Unlock()
			return nil, false
		}
		p := places[0]
		f, err := p.pack.open()
		c.mu.Unlock()
		var data []byte
		if err == nil {
			data = make([]byte, p.length) // at most maxResult, and within the file
			if _, err = f.ReadAt(data, p.offset); err == nil && crc32.Checksum(data, castagnoli) == p.sum {
				return data, true
			}
		}
		c.mu.Lock()
		c.damaged(key, p, err)
		c.mu.Unlock()
	}
}

// damaged forgets a place that cannot be read.
func (c *Cache) damaged(key Key, p place, err error) {
	c.entries[key] = slices.DeleteFunc(slices.Clone(c.entries[key]), func(o place) bool { return o == p })
	if len(c.entries[key]) == 0 {
		delete(c.entries, key)
	}
	if c.told || c.closed || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed) {
		return // another process has made room, or this one
	}
	c.told = true
	why := "its checksum is wrong"
	if err != nil {
		why = err.Error()
	}
	c.tell(fmt.Sprintf("the cache %s is damaged: an entry of %s cannot be used, %s; such entries are made again", c.dir, p.pack.name+packExt, why))
}

// Put keeps a result. Where that is not possible, nothing more is kept, which is told.
func (c *Cache) Put(key Key, data []byte) {
	if c == nil || len(data) == 0 || len(data) > maxResult {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off || c.closed || len(c.entries[key]) > 0 {
		return
	}
	if !c.room(int64(len(data)) + recordSize) {
		c.off = true
		c.tell(fmt.Sprintf("the cache %s is full at %d bytes; what does not fit is made anew each time", c.dir, c.limit))
		return
	}
	p, err := c.write(key, data)
	if err != nil {
		c.off = true
		c.tell(fmt.Sprintf("nothing more is kept in the cache %s: %v", c.dir, err))
		return
	}
	c.entries[key] = []place{p}
}

func (c *Cache) write(key Key, data []byte) (place, error) {
	if c.own != nil && c.own.bytes > 0 && c.own.bytes+int64(len(data)) > c.packLimit() {
		if err := c.own.finish(); err != nil {
			return place{}, err
		}
		c.own = nil
	}
	if c.own == nil {
		p, err := newPack(c.dir)
		if err != nil {
			return place{}, err
		}
		c.own, c.packs[p.name] = p, p
	}
	before := c.own.bytes
	at, err := c.own.append(key, data)
	c.bytes += c.own.bytes - before
	return at, err
}

// packLimit is less than maxPack in small caches, so that a part of one can be removed.
func (c *Cache) packLimit() int64 {
	if c.limit == 0 {
		return maxPack
	}
	return min(maxPack, max(c.limit/8, 1))
}

// room makes room for n bytes.
func (c *Cache) room(n int64) bool {
	if c.limit == 0 {
		return true
	}
	for c.bytes+n > c.limit {
		old := c.idlest()
		if old == nil || old.remove() != nil {
			return false
		}
		c.forget(old)
	}
	return true
}

// idlest is the pack that was read last the longest ago, nil if all were of late.
func (c *Cache) idlest() (old *pack) {
	var since time.Time
	for _, p := range c.packs {
		if p == c.own || p.used {
			continue
		}
		info, err := os.Stat(filepath.Join(c.dir, p.name+packExt))
		if err != nil || time.Since(info.ModTime()) < idle {
			continue
		}
		if t := info.ModTime(); old == nil || t.Before(since) || t.Equal(since) && p.name < old.name {
			old, since = p, t
		}
	}
	return old
}

// forget leaves a pack aside that is there no more.
func (c *Cache) forget(p *pack) {
	delete(c.packs, p.name)
	c.bytes -= p.bytes
	for key, places := range c.entries {
		left := slices.DeleteFunc(slices.Clone(places), func(o place) bool { return o.pack == p })
		if c.entries[key] = left; len(left) == 0 {
			delete(c.entries, key)
		}
	}
}

// Close gives the folder up; what was put is there for the next. A closed cache keeps
// nothing.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for _, p := range c.packs {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}
