package inference

import (
	"container/list"
	"sync"
)

// textCache keeps the windows encoded last, by their key, up to a number of bytes.
type textCache struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	items map[string]*list.Element
	order *list.List // of *cachedText, the last used first
}

type cachedText struct {
	key string
	*encoded
}

// bytes that it takes.
func (c *cachedText) size() int64 {
	return int64(len(c.key)) + 4*int64(len(c.states)+len(c.pooled))
}

func newTextCache(limit int64) *textCache {
	return &textCache{limit: limit, items: map[string]*list.Element{}, order: list.New()}
}

// get returns nil for a window that is not kept.
func (c *textCache) get(key string) *encoded {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedText).encoded
}

// put keeps a window, unless it is larger than the whole cache.
func (c *textCache) put(key string, e *encoded) {
	item := &cachedText{key, e}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[key] != nil || item.size() > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(item)
	for c.bytes += item.size(); c.bytes > c.limit; {
		last := c.order.Remove(c.order.Back()).(*cachedText)
		delete(c.items, last.key)
		c.bytes -= last.size()
	}
}
