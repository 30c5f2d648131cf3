package encode

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func entry(i int) (Key, []byte) {
	return KeyOf("entry", fmt.Sprint(i)), bytes.Repeat([]byte(fmt.Sprintf("%d ", i)), 20+i%7)
}

func check(t *testing.T, c *Cache, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		key, want := entry(i)
		if got, ok := c.Get(key); !ok || !bytes.Equal(got, want) {
			t.Fatalf("entry %d: %q, %t", i, got, ok)
		}
	}
}

func fill(c *Cache, from, to int) {
	for i := from; i < to; i++ {
		c.Put(entry(i))
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// refused makes a test fail with what is told.
func refused(t *testing.T) func(string) {
	return func(s string) { t.Errorf("told: %s", s) }
}

func TestCacheKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first := openCache(t, dir, 0, refused(t))
	if n := len(glob(t, dir, "*")); n != 0 {
		t.Errorf("%d files before anything was kept", n)
	}
	fill(first, 0, 100)
	check(t, first, 0, 100)
	if _, ok := first.Get(KeyOf("other")); ok {
		t.Error("there is what was not put")
	}
	// Another process while the first one writes, which sees what came later as well.
	second := openCache(t, dir, 0, refused(t))
	check(t, second, 0, 100)
	fill(first, 100, 150)
	fill(second, 150, 200)
	second.looked, first.looked = time.Time{}, time.Time{}
	check(t, second, 100, 200)
	check(t, first, 100, 200)
	third := openCache(t, dir, 0, refused(t))
	check(t, third, 0, 200)
	if third.Len() != 200 {
		t.Errorf("%d entries", third.Len())
	}
	var size int64
	for _, f := range glob(t, dir, "*") {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if third.Bytes() != size {
		t.Errorf("%d bytes, there are %d", third.Bytes(), size)
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := third.Get(KeyOf("entry", "1")); ok {
		t.Error("a closed cache has something")
	}
	third.Put(KeyOf("late"), []byte("x"))
}

func TestNoCacheKeepsNothing(t *testing.T) {
	var c *Cache
	c.Put(entry(1))
	if key, _ := entry(1); c.Has(key) || c.Len() != 0 || c.Bytes() != 0 || c.Close() != nil {
		t.Error("a nil cache has something")
	}
}

func TestCacheFaults(t *testing.T) {
	if _, err := OpenCache(t.TempDir(), -1, nil); err == nil {
		t.Error("a cache of -1 bytes was opened")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCache(filepath.Join(file, "cache"), 0, nil); err == nil {
		t.Error("a cache below a file was opened")
	}
}

// TestDamagedEntries cuts and changes files as crashes and bad disks do: what is left is
// found, the rest is made again and then found.
func TestDamagedEntries(t *testing.T) {
	for name, damage := range map[string]struct {
		do   func(t *testing.T, dir string)
		lost int
		told bool
	}{
		"a torn index": {func(t *testing.T, dir string) { truncate(t, dir, "*.idx", -10) }, 1, false},
		"garbage after the index": {func(t *testing.T, dir string) {
			change(t, dir, "*.idx", func(b []byte) []byte { return append(b, make([]byte, 70)...) })
		}, 0, false},
		"a record changed": {func(t *testing.T, dir string) {
			change(t, dir, "*.idx", func(b []byte) []byte { b[5*recordSize+33] ^= 1; return b })
		}, 1, false},
		"a pack cut short": {func(t *testing.T, dir string) { truncate(t, dir, "*.pack", -1) }, 1, false},
		"a result changed": {func(t *testing.T, dir string) {
			change(t, dir, "*.pack", func(b []byte) []byte { b[30] ^= 4; b[len(b)-1] ^= 4; return b })
		}, 2, true},
		"no pack": {func(t *testing.T, dir string) {
			for _, f := range glob(t, dir, "*.pack") {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
		}, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCache(t, dir, 0, refused(t))
			fill(c, 0, 20)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			damage.do(t, dir)
			var told []string
			c = openCache(t, dir, 0, func(s string) { told = append(told, s) })
			lost := 0
			for i := range 20 {
				key, want := entry(i)
				got, ok := c.Get(key)
				if ok && !bytes.Equal(got, want) {
					t.Errorf("entry %d is another", i)
				}
				if !ok {
					lost++
				}
			}
			if lost != damage.lost || (len(told) == 1) != damage.told || len(told) > 1 {
				t.Errorf("%d entries lost, want %d; told %q", lost, damage.lost, told)
			}
			fill(c, 0, 20)
			check(t, c, 0, 20)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			check(t, openCache(t, dir, 0, nil), 0, 20)
		})
	}
}

func truncate(t *testing.T, dir, pattern string, by int64) {
	change(t, dir, pattern, func(b []byte) []byte { return b[:int64(len(b))+by] })
}

func change(t *testing.T, dir, pattern string, f func([]byte) []byte) {
	t.Helper()
	files := glob(t, dir, pattern)
	if len(files) != 1 {
		t.Fatalf("%d files %s", len(files), pattern)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], f(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFullCache fills one to its bound: what fits is kept, packs in use stay, and what
// was not used for an hour makes room.
func TestFullCache(t *testing.T) {
	dir := t.TempDir()
	const limit = 4000
	var told []string
	c := openCache(t, dir, limit, func(s string) { told = append(told, s) })
	fill(c, 0, 200)
	n := c.Len()
	if n < 10 || n > 100 || c.Bytes() > limit || len(told) != 1 || !strings.Contains(told[0], "full") {
		t.Fatalf("%d entries, %d bytes, told %q", n, c.Bytes(), told)
	}
	check(t, c, 0, n)
	packs := glob(t, dir, "*.pack")
	if len(packs) < 3 {
		t.Fatalf("%d packs", len(packs))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	for i, p := range packs[:3] {
		if err := os.Chtimes(p, old, old.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	c = openCache(t, dir, limit, func(s string) { told = append(told, s) })
	other := openCache(t, dir, limit, nil)
	check(t, c, 0, 1) // the oldest is in use again
	fill(c, 1000, 1200)
	if c.Bytes() > limit || len(told) != 2 {
		t.Errorf("%d bytes, told %q", c.Bytes(), told)
	}
	check(t, c, 0, 1)
	check(t, c, 1000, 1005)
	for i, p := range packs[:4] {
		_, err := os.Stat(p)
		if gone := os.IsNotExist(err); gone != (i == 1 || i == 2) {
			t.Errorf("pack %d gone: %t", i, gone)
		}
	}
	// Who had opened the folder before finds less, and says nothing of it.
	for i := range n {
		if key, want := entry(i); true {
			if got, ok := other.Get(key); ok && !bytes.Equal(got, want) {
				t.Errorf("entry %d is another", i)
			}
		}
	}
}

// TestDiskThatFails writes to a file that takes nothing any more.
func TestDiskThatFails(t *testing.T) {
	var told []string
	c := openCache(t, t.TempDir(), 0, func(s string) { told = append(told, s) })
	fill(c, 0, 5)
	path := c.own.path(packExt)
	if err := c.own.file.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.own.file, err = os.Open(path); err != nil { // not for writing
		t.Fatal(err)
	}
	fill(c, 5, 10)
	if len(told) != 1 || !strings.Contains(told[0], "nothing more is kept") {
		t.Errorf("told %q", told)
	}
	check(t, c, 0, 5)
	if c.Len() != 5 {
		t.Errorf("%d entries", c.Len())
	}
}

// TestCacheIsShared reads and writes from many goroutines and three openings.
func TestCacheIsShared(t *testing.T) {
	dir := t.TempDir()
	caches := []*Cache{openCache(t, dir, 0, refused(t)), openCache(t, dir, 0, refused(t)), openCache(t, dir, 0, refused(t))}
	var group sync.WaitGroup
	for g := range 9 {
		group.Go(func() {
			c := caches[g%3]
			for i := range 100 {
				key, want := entry(i)
				if got, ok := c.Get(key); ok && !bytes.Equal(got, want) {
					t.Errorf("entry %d is another", i)
				}
				c.Put(key, want)
			}
		})
	}
	group.Wait()
	for _, c := range caches {
		check(t, c, 0, 100)
	}
	check(t, openCache(t, dir, 0, refused(t)), 0, 100)
}

func FuzzRecords(f *testing.F) {
	var good []byte
	for i := range 3 {
		key, data := entry(i)
		good = append(good, record{key, place{offset: int64(50 * i), length: uint32(len(data)), sum: 7}}.encode()...)
	}
	f.Add(good, int64(1000))
	f.Add(good, int64(60))
	f.Add(good[:len(good)-1], int64(1000))
	f.Add(append(bytes.Clone(good[:recordSize]), good[1:]...), int64(1000))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		records, end := parseRecords(data, size)
		if end > int64(len(data)) || int64(len(records))*recordSize > end {
			t.Fatalf("%d records end at %d of %d", len(records), end, len(data))
		}
		for _, r := range records {
			if r.offset < 0 || r.length > maxResult || r.offset+int64(r.length) > size {
				t.Errorf("a result at %d, %d long, of %d", r.offset, r.length, size)
			}
			if !bytes.Contains(data, r.encode()) {
				t.Error("a record is not in the data")
			}
		}
	})
}

// BenchmarkOpen opens a cache of 100,000 entries.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	c, err := OpenCache(dir, 0, nil)
	if err != nil {
		b.Fatal(err)
	}
	fill(c, 0, 100_000)
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := OpenCache(dir, 0, nil)
		if err != nil || c.Len() != 100_000 {
			b.Fatalf("%d entries: %v", c.Len(), err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet reads moments of a 512x512 image.
func BenchmarkGet(b *testing.B) {
	c := openCache(b, b.TempDir(), 0, nil)
	data := make([]byte, 4*8*64*64)
	for i := range 100 {
		c.Put(KeyOf(fmt.Sprint(i)), data)
	}
	b.SetBytes(int64(len(data)))
	i := 0
	for b.Loop() {
		if _, ok := c.Get(KeyOf(fmt.Sprint(i % 100))); !ok {
			b.Fatal("lost")
		}
		i++
	}
}

// BenchmarkPut writes moments of a hundred 512x512 images.
func BenchmarkPut(b *testing.B) {
	data := make([]byte, 4*8*64*64)
	b.SetBytes(100 * int64(len(data)))
	for b.Loop() {
		dir := b.TempDir()
		c := openCache(b, dir, 0, nil)
		for i := range 100 {
			c.Put(KeyOf(fmt.Sprint(i)), data)
		}
		if err := errors.Join(c.Close(), os.RemoveAll(dir)); err != nil {
			b.Fatal(err)
		}
	}
}
