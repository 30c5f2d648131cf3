package encode

import "cosmicman/internal/lru"

// memory keeps the results used last, by their key.
type memory = lru.Cache[Key, []float32]

// newMemory keeps up to a number of bytes.
func newMemory(limit int64) *memory {
	return lru.New(limit, func(_ Key, values []float32) int64 { return 4 * int64(len(values)) })
}
