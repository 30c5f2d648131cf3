package inference

import (
	"crypto/sha256"
	"encoding/binary"
	"image"

	"cosmicman/internal/lru"
)

// imageCache keeps the moments of the images encoded last: the images of a request
// begin one after the other, from the same one.
type imageCache = lru.Cache[imageKey, []float32]

// newImageCache keeps up to a number of bytes.
func newImageCache(limit int64) *imageCache {
	return lru.New(limit, func(_ imageKey, moments []float32) int64 { return 4 * int64(len(moments)) })
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
