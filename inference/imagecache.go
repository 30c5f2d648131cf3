package inference

import (
	"crypto/sha256"
	"encoding/binary"
	"image"
	"sync"
)

// imageCache keeps the images encoded last, up to a number of bytes: the images of a
// request begin one after the other, from the same one.
type imageCache struct {
	limit int64

	mu    sync.Mutex
	items []cachedImage // the last used first
}

type cachedImage struct {
	key     imageKey
	moments []float32
}

type imageKey [sha256.Size]byte

// imageCacheBytes are eight images of 1024x1024.
const imageCacheBytes = 8 << 22

func keyOf(img *image.NRGBA) (k imageKey) {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(img.Rect.Dx())))
	h.Write(img.Pix)
	h.Sum(k[:0])
	return k
}

// get returns nil for an image that is not kept.
func (c *imageCache) get(key imageKey) []float32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, item := range c.items {
		if item.key == key {
			copy(c.items[1:i+1], c.items[:i])
			c.items[0] = item
			return item.moments
		}
	}
	return nil
}

// put keeps an image, unless it is larger than the whole cache.
func (c *imageCache) put(key imageKey, moments []float32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append([]cachedImage{{key, moments}}, c.items...)
	var bytes int64
	for i, item := range c.items {
		if bytes += 4 * int64(len(item.moments)); bytes > c.limit {
			c.items = c.items[:i:i]
			break
		}
	}
}
