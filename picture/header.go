package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ReadInfo reads what [Decode] would say of a file of some size, from its headers
// alone: few bytes are read, and no pixel. A file that is whole but for its pixels is
// taken, so Decode may refuse it all the same. Every error is an *Error, but for those
// of reading.
func ReadInfo(file io.ReaderAt, size int64) (Info, error) {
	head := make([]byte, min(size, 64))
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	w := &walk{file: file, size: size}
	var parts []byte
	var err error
	switch Sniff(head) {
	case PNG:
		parts, err = w.png()
	case JPEG:
		parts, err = w.jpeg()
	case WebP:
		parts, err = w.webp()
	default:
		parts = head
	}
	if err != nil {
		return Info{Format: Sniff(head), Orientation: 1}, err
	}
	info, err := inspect(parts)
	if err != nil {
		return info, err
	}
	if o := info.Orientation; o >= 5 { // on its side
		info.Width, info.Height = info.Height, info.Width
	}
	return info, nil
}

// walk goes through a file's parts and keeps those that say something of the whole.
type walk struct {
	file io.ReaderAt
	size int64
}

// maxPart bounds a part that is kept: EXIF, of which the orientation is read.
const maxPart = 1 << 20

// bytes reads n of a file's, all of them.
func (w *walk) bytes(f Format, at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > w.size || n > w.size-at {
		return nil, damaged(f, errCut)
	}
	out := make([]byte, n)
	if got, err := w.file.ReadAt(out, at); int64(got) != n {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, damaged(f, errCut)
		}
		return nil, err
	}
	return out, nil
}

// png is the file without its pixels and texts.
func (w *walk) png() ([]byte, error) {
	out := []byte(pngSignature)
	at := int64(len(pngSignature))
	for n := 0; ; n++ {
		if n == maxParts {
			return nil, damaged(PNG, errParts)
		}
		head, err := w.bytes(PNG, at, 8)
		if err != nil {
			return nil, err
		}
		size := int64(binary.BigEndian.Uint32(head))
		if size > w.size-at-12 {
			return nil, damaged(PNG, errCut)
		}
		kind := string(head[4:])
		switch kind {
		case "IHDR", "tRNS", "eXIf", "IEND":
			if size > maxPart {
				return nil, damaged(PNG, fmt.Errorf("its part %s has %d bytes", kind, size))
			}
			part, err := w.bytes(PNG, at, 12+size)
			if err != nil {
				return nil, err
			}
			out = append(out, part...)
		}
		if kind == "IEND" {
			return out, nil
		}
		at += 12 + size
	}
}

// jpeg is the file up to its first scan, without what programs have left in it, and an
// end.
func (w *walk) jpeg() ([]byte, error) {
	out := []byte{0xff, 0xd8}
	at := int64(2)
	for n := 0; ; n++ {
		if n == maxParts {
			return nil, damaged(JPEG, errParts)
		}
		marker, next, err := w.marker(at)
		if err != nil {
			return nil, err
		}
		at = next
		switch {
		case marker == 0 || marker == 0x01 || 0xd0 <= marker && marker <= 0xd7:
			continue
		case marker == 0xd8 || marker == 0xd9:
			return append(out, 0xff, marker), nil
		}
		head, err := w.bytes(JPEG, at, 2)
		if err != nil {
			return nil, err
		}
		size := int64(binary.BigEndian.Uint16(head))
		if size < 2 {
			return nil, damaged(JPEG, errCut)
		}
		if marker == 0xda {
			if size > w.size-at {
				return nil, damaged(JPEG, errCut)
			}
			return append(out, 0xff, 0xd9), nil
		}
		if marker == 0xe1 || 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc {
			part, err := w.bytes(JPEG, at, size)
			if err != nil {
				return nil, err
			}
			out = append(append(out, 0xff, marker), part...)
		} else if size > w.size-at {
			return nil, damaged(JPEG, errCut)
		}
		at += size
	}
}

// marker finds the next one of a JPEG, and where it ends.
func (w *walk) marker(at int64) (byte, int64, error) {
	for after := false; at < w.size; {
		b, err := w.bytes(JPEG, at, min(64, w.size-at))
		if err != nil {
			return 0, 0, err
		}
		for i, c := range b {
			if c != 0xff && after {
				return c, at + int64(i) + 1, nil
			}
			after = c == 0xff
		}
		at += int64(len(b))
	}
	return 0, 0, damaged(JPEG, errCut)
}

// webp is the file's headers.
func (w *walk) webp() ([]byte, error) {
	head, err := w.bytes(WebP, 0, 12)
	if err != nil {
		return nil, err
	}
	end := int64(binary.LittleEndian.Uint32(head[4:])) + 8
	if end > w.size {
		return nil, damaged(WebP, errCut)
	}
	out := head
	at := int64(12)
	for n := 0; end-at >= 8; n++ {
		if n == maxParts {
			return nil, damaged(WebP, errParts)
		}
		part, err := w.bytes(WebP, at, 8)
		if err != nil {
			return nil, err
		}
		kind, size := string(part[:4]), int64(binary.LittleEndian.Uint32(part[4:]))
		if size > end-at-8 {
			return nil, damaged(WebP, errCut)
		}
		keep := int64(0)
		switch kind {
		case "VP8X", "EXIF":
			if keep = size; size > maxPart {
				return nil, damaged(WebP, fmt.Errorf("its part %s has %d bytes", kind, size))
			}
		case "VP8 ", "VP8L":
			keep = min(size, 10)
		}
		if keep > 0 || kind == "VP8X" {
			body, err := w.bytes(WebP, at+8, keep)
			if err != nil {
				return nil, err
			}
			out = append(out, kind...)
			out = binary.LittleEndian.AppendUint32(out, uint32(keep))
			out = append(out, body...)
			if keep%2 == 1 {
				out = append(out, 0)
			}
		}
		at += 8 + size + size&1
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out, nil
}
