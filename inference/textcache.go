package inference

import "cosmicman/internal/lru"

// textCache keeps the windows encoded last, by their key.
type textCache = lru.Cache[string, *encoded]

// newTextCache keeps up to a number of bytes.
func newTextCache(limit int64) *textCache {
	return lru.New(limit, func(key string, e *encoded) int64 {
		return int64(len(key)) + 4*int64(len(e.states)+len(e.pooled))
	})
}
