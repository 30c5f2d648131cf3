package encode

import (
	"container/list"
	"sync"
)

// memory keeps the results used last, by their key, up to a number of bytes.
type memory struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	items map[Key]*list.Element
	order *list.List // of *kept, the last used first
}

type kept struct {
	key    Key
	values []float32
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, items: map[Key]*list.Element{}, order: list.New()}
}

// get returns nil for a result that is not kept.
func (m *memory) get(key Key) []float32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.items[key]
	if e == nil {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*kept).values
}

// put keeps a result, unless it is larger than the whole memory.
func (m *memory) put(key Key, values []float32) {
	size := int64(4 * len(values))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items[key] != nil || size > m.limit {
		return
	}
	m.items[key] = m.order.PushFront(&kept{key, values})
	for m.bytes += size; m.bytes > m.limit; {
		last := m.order.Remove(m.order.Back()).(*kept)
		delete(m.items, last.key)
		m.bytes -= int64(4 * len(last.values))
	}
}
