// Package lru keeps what was used last, up to a number of bytes.
package lru

import (
	"container/list"
	"sync"
)

// Cache keeps values by their keys. It may be used by several goroutines.
type Cache[K comparable, V any] struct {
	limit int64
	size  func(K, V) int64

	mu    sync.Mutex
	bytes int64
	items map[K]*list.Element
	order list.List // of item[K, V], the last used first
}

type item[K comparable, V any] struct {
	key   K
	value V
}

// New makes a cache of values that take no more than limit bytes together, by what
// size says of each.
func New[K comparable, V any](limit int64, size func(K, V) int64) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, size: size, items: map[K]*list.Element{}}
}

// Get returns the value of a key, and the zero value where it is not kept.
func (c *Cache[K, V]) Get(key K) (value V, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(item[K, V]).value, true
}

// Put keeps a value, unless it is larger than the whole cache. A key that is kept
// keeps its value.
func (c *Cache[K, V]) Put(key K, value V) {
	size := c.size(key, value)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[key] != nil || size > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(item[K, V]{key, value})
	for c.bytes += size; c.bytes > c.limit; {
		last := c.order.Remove(c.order.Back()).(item[K, V])
		delete(c.items, last.key)
		c.bytes -= c.size(last.key, last.value)
	}
}
