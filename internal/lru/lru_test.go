package lru

import (
	"fmt"
	"sync"
	"testing"
)

func TestWhatWasNotUsedForLongestGoes(t *testing.T) {
	c := New(100, func(key string, value []byte) int64 { return int64(len(key) + len(value)) })
	has := func(key string) bool { _, ok := c.Get(key); return ok }
	c.Put("a", make([]byte, 40))
	c.Put("b", make([]byte, 40))
	c.Put("huge", make([]byte, 97))
	if !has("b") || !has("a") || has("huge") {
		t.Error("two values fit, one does not")
	}
	c.Put("c", make([]byte, 40))
	if has("b") || !has("a") || !has("c") || c.bytes != 82 {
		t.Errorf("the one not used for longest should have gone; %d bytes", c.bytes)
	}
	c.Put("c", make([]byte, 1))
	if v, _ := c.Get("c"); len(v) != 40 {
		t.Error("a value was replaced")
	}
	none := New(0, func(string, int) int64 { return 1 })
	if none.Put("a", 1); none.bytes != 0 {
		t.Error("a cache of no bytes keeps something")
	}
}

func TestCacheCountsWhatItKeeps(t *testing.T) {
	c := New(100, func(key string, value int) int64 { return int64(len(key) + value) })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 100 {
				c.Put(fmt.Sprint(i, k), 30+k%10)
				c.Get(fmt.Sprint(i, k-1))
			}
		})
	}
	wg.Wait()
	var bytes int64
	for e := c.order.Front(); e != nil; e = e.Next() {
		i := e.Value.(item[string, int])
		bytes += c.size(i.key, i.value)
	}
	if bytes == 0 || bytes != c.bytes || bytes > 100 || c.order.Len() != len(c.items) {
		t.Errorf("%d bytes are kept, counted %d, of %d", bytes, c.bytes, c.limit)
	}
}
