package picture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/sync/semaphore"
)

// Limits of what is decoded. The zero values mean the defaults.
type Limits struct {
	MaxPixels int // 16 Mpx: 1<<24
	MinSide   int // 64 pixels
	MaxSide   int // 8192 pixels
}

func (l Limits) withDefaults() Limits {
	return Limits{cmp.Or(l.MaxPixels, 1<<24), cmp.Or(l.MinSide, 64), cmp.Or(l.MaxSide, 8192)}
}

// Check says why an image of some size is not decoded, as [Decode] does; nil: it is.
func (l Limits) Check(w, h int) error { return l.withDefaults().check(w, h) }

func (l Limits) check(w, h int) error {
	switch {
	case w < l.MinSide || h < l.MinSide:
		return &Error{Reason: fmt.Sprintf("is %dx%d pixels, expected sides of at least %d", w, h, l.MinSide)}
	case w > l.MaxSide || h > l.MaxSide:
		return &Error{Reason: fmt.Sprintf("is %dx%d pixels, expected sides of at most %d", w, h, l.MaxSide)}
	case w > l.MaxPixels/h:
		return &Error{Reason: fmt.Sprintf("is %dx%d pixels, expected at most %d in all", w, h, l.MaxPixels)}
	}
	return nil
}

// Info is what is known of a file besides its pixels.
type Info struct {
	Format      Format
	Width       int  // of the image as it is meant to be seen
	Height      int  // likewise
	Orientation int  // EXIF's, 1 to 8; it has been undone
	Alpha       bool // there is a channel of opacity
}

// atOnce is how many pixels are decoded at the same time: a 16 Mpx file may take
// 300 MB while it is taken apart, the worst being a progressive JPEG.
const atOnce = 1 << 24

var decoding = semaphore.NewWeighted(atOnce)

// Decode reads an image file of a format that its bytes tell, turns it as its EXIF
// orientation says and returns it with straight alpha, 8 bits a channel; of more bits
// the high ones stay. Colour profiles are left aside. Of an animated PNG it is the
// image that readers without animation show; an animated WebP is refused. It waits
// while too much is being decoded; ctx ends the wait. Every other error is an *Error.
func Decode(ctx context.Context, data []byte, l Limits) (*image.NRGBA, Info, error) {
	l = l.withDefaults()
	info, err := inspect(data)
	if err != nil {
		return nil, info, err
	}
	w, h := info.Width, info.Height
	if err := l.check(w, h); err != nil {
		return nil, info, err
	}
	weight := min(int64(w)*int64(h), atOnce)
	if err := decoding.Acquire(ctx, weight); err != nil {
		return nil, info, err
	}
	defer decoding.Release(weight)
	img, err := pixels(data, info)
	if err != nil {
		return nil, info, damaged(info.Format, err)
	}
	if b := img.Bounds(); b.Dx() != w || b.Dy() != h {
		return nil, info, damaged(info.Format, fmt.Errorf("its header says %dx%d, its pixels are %v", w, h, b))
	}
	out := orient(straight(img), info.Orientation)
	info.Width, info.Height = out.Rect.Dx(), out.Rect.Dy()
	return out, info, nil
}

// inspect walks the file's parts without decoding any.
func inspect(data []byte) (Info, error) {
	info := Info{Format: Sniff(data), Orientation: 1}
	switch {
	case info.Format == PNG:
		return info, inspectPNG(data, &info)
	case info.Format == JPEG:
		return info, inspectJPEG(data, &info)
	case info.Format == WebP:
		return info, inspectWebP(data, &info)
	case len(data) == 0:
		return info, &Error{Reason: "is empty"}
	}
	return info, &Error{Reason: "is not a PNG, JPEG or WebP image"}
}

func damaged(f Format, err error) error {
	var unknownJPEG jpeg.UnsupportedError
	var unknownPNG png.UnsupportedError
	if errors.As(err, &unknownJPEG) || errors.As(err, &unknownPNG) {
		return &Error{Reason: fmt.Sprintf("is %s of a kind that is not supported", names[f]), Cause: err}
	}
	return &Error{Reason: fmt.Sprintf("is damaged or cut off: it cannot be read as %s", names[f]), Cause: err}
}

var names = map[Format]string{PNG: "a PNG", JPEG: "a JPEG", WebP: "a WebP"}

// pixels decodes; the sizes of info are the file's, before it is turned.
func pixels(data []byte, info Info) (img image.Image, err error) {
	defer caught(&err)
	switch info.Format {
	case PNG:
		return png.Decode(bytes.NewReader(data))
	case JPEG:
		return jpegPixels(data, info.Width, info.Height)
	}
	return webpPixels(data, info.Width, info.Height)
}

// caught makes an error of a panic in a decoder: decoders of others have had them,
// and a file must not end the server.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the decoder panicked: %v", p)
	}
}
