package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// The bounds of a file's parts: what is above them no camera or program writes.
const (
	maxParts = 100_000 // chunks of a PNG or WebP, segments of a JPEG
	maxScans = 100     // of a JPEG: each may touch every pixel
)

var (
	errCut   = errors.New("it ends inside of a part")
	errParts = fmt.Errorf("it has over %d parts", maxParts)
)

// inspectPNG looks for the alpha channel and EXIF's orientation. Chunks that may be
// compressed (iCCP, zTXt, iTXt) are never inflated, neither here nor in image/png.
func inspectPNG(data []byte, info *Info) error {
	rest := data[len(pngSignature):]
	for n := 0; len(rest) > 0; n++ {
		if n == maxParts {
			return damaged(PNG, errParts)
		}
		if len(rest) < 12 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-12) {
			return damaged(PNG, errCut)
		}
		size := int(binary.BigEndian.Uint32(rest))
		body := rest[8:][:size]
		switch string(rest[4:8]) {
		case "IHDR":
			if n != 0 || size != 13 {
				return damaged(PNG, errors.New("its header is odd"))
			}
			w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w > math.MaxInt32 || h > math.MaxInt32 {
				return damaged(PNG, errors.New("its sides are too long"))
			}
			const colourType, alpha = 9, 4
			info.Width, info.Height, info.Alpha = int(w), int(h), body[colourType]&alpha != 0
		case "tRNS":
			info.Alpha = true
		case "eXIf":
			info.Orientation = exifOrientation(body)
		case "IEND":
			return nil
		}
		rest = rest[12+size:]
	}
	return damaged(PNG, errors.New("it has no end"))
}

// inspectJPEG looks for EXIF's orientation and counts the scans.
func inspectJPEG(data []byte, info *Info) error {
	scans := 0
	for n, at := 0, 2; ; n++ {
		if n == maxParts {
			return damaged(JPEG, errParts)
		}
		// Markers may be filled up with 0xff; before them the decoder passes over what
		// is no marker, so this does too.
		next := bytes.IndexByte(data[at:], 0xff)
		if next < 0 {
			return damaged(JPEG, errCut)
		}
		at += next
		for at < len(data) && data[at] == 0xff {
			at++
		}
		if at == len(data) {
			return damaged(JPEG, errCut)
		}
		marker := data[at]
		at++
		switch {
		case marker == 0 || marker == 0x01 || 0xd0 <= marker && marker <= 0xd7: // a stuffed byte, TEM, RST
			n-- // the pixels' own
			continue
		case marker == 0xd8: // SOI
			return damaged(JPEG, errors.New("a second image begins in it"))
		case marker == 0xd9: // EOI
			if info.Width == 0 && info.Height == 0 {
				return damaged(JPEG, errors.New("it has no image"))
			}
			return nil
		}
		if len(data)-at < 2 {
			return damaged(JPEG, errCut)
		}
		size := int(binary.BigEndian.Uint16(data[at:]))
		if size < 2 || size > len(data)-at {
			return damaged(JPEG, errCut)
		}
		body := data[at+2 : at+size]
		switch marker {
		case 0xe1:
			if exif, is := bytes.CutPrefix(body, []byte("Exif\x00\x00")); is && info.Orientation == 1 {
				info.Orientation = exifOrientation(exif)
			}
		case 0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf: // SOF
			if len(body) < 5 || info.Width != 0 {
				return damaged(JPEG, errors.New("its header is odd"))
			}
			info.Width, info.Height = int(binary.BigEndian.Uint16(body[3:])), int(binary.BigEndian.Uint16(body[1:]))
		case 0xda:
			if scans++; scans > maxScans {
				return damaged(JPEG, fmt.Errorf("it has over %d scans", maxScans))
			}
		}
		at += size
	}
}

// inspectWebP looks for the alpha channel, animation and EXIF's orientation.
func inspectWebP(data []byte, info *Info) error {
	size := uint64(binary.LittleEndian.Uint32(data[4:]))
	if size+8 > uint64(len(data)) {
		return damaged(WebP, errCut)
	}
	if size < 4 {
		return damaged(WebP, errors.New("it has no parts"))
	}
	rest := data[12 : 8+size]
	for n := 0; len(rest) >= 8; n++ {
		if n == maxParts {
			return damaged(WebP, errParts)
		}
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if size > uint64(len(rest)-8) {
			return damaged(WebP, errCut)
		}
		body := rest[8:][:size]
		switch string(rest[:4]) {
		case "VP8X":
			const animation, alpha = 1 << 1, 1 << 4
			if size > 0 && body[0]&animation != 0 {
				return &Error{Reason: "is an animated WebP, expected a still image"}
			}
			if n != 0 || size != 10 {
				return damaged(WebP, errors.New("its header is odd"))
			}
			info.Alpha = body[0]&alpha != 0
			info.Width = 1 + int(body[4]) + int(body[5])<<8 + int(body[6])<<16
			info.Height = 1 + int(body[7]) + int(body[8])<<8 + int(body[9])<<16
		case "VP8 ":
			if size >= 10 && info.Width == 0 { // behind the frame's tag and start code
				info.Width, info.Height = int(binary.LittleEndian.Uint16(body[6:]))&0x3fff, int(binary.LittleEndian.Uint16(body[8:]))&0x3fff
			}
		case "VP8L":
			if size >= 5 && info.Width == 0 { // a byte of signature, twice 14 bits, one of alpha
				bits := binary.LittleEndian.Uint32(body[1:])
				info.Width, info.Height, info.Alpha = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff), bits>>28&1 != 0
			}
		case "EXIF":
			body = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
			info.Orientation = exifOrientation(body)
		}
		rest = rest[min(uint64(len(rest)), 8+size+size&1):]
	}
	if info.Width == 0 {
		return damaged(WebP, errors.New("it has no image"))
	}
	return nil
}
