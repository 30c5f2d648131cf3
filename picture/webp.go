package picture

import (
	_ "embed" // libwebp
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"github.com/tetratelabs/wazero/api"
)

//go:embed libwebp/webp.wasm.gz
var webpModule []byte

// libwebp is libwebp 1.4.0, made by libwebp/build.sh.
var libwebp = newLibrary("libwebp", webpModule, webpMemory)

// webpMemory bounds the memory of one call: encoding takes about 20 bytes a pixel.
const webpMemory = 512 << 20

// webpMethod trades time for size, 0 to 6: 2 makes files 3 % larger than libwebp's
// default, 4, in a third of its time.
const webpMethod = 2

// webpFile is an image as libwebp writes it: RIFF and one chunk, VP8, or with alpha
// VP8X, ALPH and VP8.
func webpFile(img *image.NRGBA, quality int) ([]byte, error) {
	c, err := libwebp.open()
	if err != nil {
		return nil, err
	}
	defer c.close()
	w, h := img.Rect.Dx(), img.Rect.Dy()
	pixels, into, err := c.buffer(4 * w * h)
	if err != nil {
		return nil, err
	}
	for y := range h {
		copy(into[4*w*y:][:4*w], img.Pix[img.Stride*y:])
	}
	size, _, err := c.buffer(4)
	if err != nil {
		return nil, err
	}
	file, err := c.call("encode", uint64(pixels), uint64(w), uint64(h), api.EncodeF32(float32(quality)), webpMethod, uint64(size))
	if err != nil {
		return nil, err
	}
	if file == 0 {
		return nil, fmt.Errorf("libwebp did not encode %dx%d pixels", w, h)
	}
	n, err := c.read(size, 4)
	if err != nil {
		return nil, err
	}
	return c.read(file, binary.LittleEndian.Uint32(n))
}

// webpPixels decodes a still image of a known size.
func webpPixels(data []byte, w, h int) (*image.NRGBA, error) {
	c, err := libwebp.open()
	if err != nil {
		return nil, err
	}
	defer c.close()
	file, into, err := c.buffer(len(data))
	if err != nil {
		return nil, err
	}
	copy(into, data)
	pixels, _, err := c.buffer(4 * w * h)
	if err != nil {
		return nil, err
	}
	whole, err := c.call("decode", uint64(file), uint64(len(data)), uint64(pixels), uint64(w), uint64(h))
	if err != nil {
		return nil, err
	}
	if whole == 0 {
		return nil, errors.New("libwebp does not decode it")
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	view, err := c.view(pixels, uint32(len(out.Pix)))
	if err != nil {
		return nil, err
	}
	copy(out.Pix, view)
	return out, nil
}
