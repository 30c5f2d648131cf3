package picture

import (
	"bytes"
	_ "embed" // libjpeg-turbo
	"image"
	"image/jpeg"
)

//go:embed libjpeg/jpeg.wasm.gz
var jpegModule []byte

// libjpeg is libjpeg-turbo 2.1.5, made by libjpeg/build.sh. It reads files as other
// programs do, Pillow among them, to the bit: image/jpeg has another cosine transform,
// and repeats colours of half the resolution where libjpeg goes smoothly between them.
var libjpeg = newLibrary("libjpeg-turbo", jpegModule, jpegMemory)

// jpegMemory bounds the memory of one call: a progressive file takes up to 6 bytes a
// pixel, and itself.
const jpegMemory = 1 << 30

// jpegPixels decodes an image of a known size.
func jpegPixels(data []byte, w, h int) (image.Image, error) {
	c, err := libjpeg.open()
	if err != nil {
		return nil, err
	}
	defer c.close()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	known, err := c.jpegRows(data, out)
	if err != nil {
		if odd, fault := c.call("unsupported"); fault == nil && odd != 0 {
			return nil, jpeg.UnsupportedError("libjpeg-turbo does not read it")
		}
		return nil, err
	}
	if !known { // four channels, for print
		return jpeg.Decode(bytes.NewReader(data))
	}
	return out, nil
}

// jpegRows fills out, or says that the file is of a kind that image/jpeg knows.
func (c *instance) jpegRows(data []byte, out *image.NRGBA) (known bool, err error) {
	file, into, err := c.buffer(len(data))
	if err != nil {
		return false, err
	}
	copy(into, data)
	w, h := out.Rect.Dx(), out.Rect.Dy()
	row, err := c.call("open_image", uint64(file), uint64(len(data)), uint64(w), uint64(h))
	if err != nil || row == 0 {
		return false, err
	}
	for y := range h {
		if _, err := c.call("next_row", uint64(row)); err != nil {
			return false, err
		}
		pixels, err := c.view(row, uint32(4*w))
		if err != nil {
			return false, err
		}
		copy(out.Pix[y*out.Stride:], pixels)
	}
	_, err = c.call("finish")
	return true, err
}
