package inference

import (
	"container/list"
	"sync"
)

// textCache keeps the texts encoded last, by the text, up to a number of bytes.
type textCache struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	items map[string]*list.Element
	order *list.List // of *cachedText, the last used first
}

type cachedText struct {
	text string
	*conditioning
}

// bytes that it takes.
func (c *cachedText) size() int64 {
	return int64(len(c.text)) + 4*int64(len(c.states)+len(c.pooled))
}

func newTextCache(limit int64) *textCache {
	return &textCache{limit: limit, items: map[string]*list.Element{}, order: list.New()}
}

// get returns nil for a text that is not kept.
func (c *textCache) get(text string) *conditioning {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[text]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedText).conditioning
}

// put keeps a text, unless it is larger than the whole cache.
func (c *textCache) put(text string, encoded *conditioning) {
	item := &cachedText{text, encoded}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[text] != nil || item.size() > c.limit {
		return
	}
	c.items[text] = c.order.PushFront(item)
	for c.bytes += item.size(); c.bytes > c.limit; {
		last := c.order.Remove(c.order.Back()).(*cachedText)
		delete(c.items, last.text)
		c.bytes -= last.size()
	}
}
