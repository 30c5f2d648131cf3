package picture

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Tags and types of EXIF 2.3.
const (
	exifIFDTag     = 0x8769
	userCommentTag = 0x9286
	typeUndefined  = 7
	typeLong       = 4
)

// A JPEG's segment holds 65,533 bytes: so much text fits behind what is before it.
const (
	beforeComment = len("Exif\x00\x00") + 8 + 2*(2+12+4) + len(unicodeCode)
	maxUnits      = (65533 - beforeComment) / 2
)

// unicodeCode begins a UserComment of UTF-16. Its byte order is TIFF's by the
// standard and big-endian to piexif, by which A1111 reads and writes: big-endian both.
const unicodeCode = "UNICODE\x00"

// exifComment is an EXIF block with the text as UserComment.
func exifComment(text string) []byte {
	units := fit(text, maxUnits)
	out := []byte("MM\x00*")
	out = binary.BigEndian.AppendUint32(out, 8) // the first directory: one entry
	directory := func(tag, kind uint16, count, value int) {
		out = binary.BigEndian.AppendUint16(out, 1)
		out = binary.BigEndian.AppendUint16(out, tag)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = binary.BigEndian.AppendUint32(out, uint32(count))
		out = binary.BigEndian.AppendUint32(out, uint32(value))
		out = binary.BigEndian.AppendUint32(out, 0) // no further directory
	}
	const size = 2 + 12 + 4
	directory(exifIFDTag, typeLong, 1, 8+size)
	directory(userCommentTag, typeUndefined, len(unicodeCode)+2*len(units), 8+2*size)
	out = append(out, unicodeCode...)
	for _, u := range units {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}

// fit is the text in UTF-16, of at most n units. Of a longer one the end of what
// stands before the last line is left out: the last line holds the settings.
func fit(text string, n int) []uint16 {
	units := utf16.Encode([]rune(text))
	if len(units) <= n {
		return units
	}
	prompt, settings := text, ""
	if at := strings.LastIndexByte(text, '\n'); at >= 0 {
		prompt, settings = text[:at], text[at:]
	}
	end := utf16.Encode([]rune(" ..." + settings))
	if len(end) > n {
		end = nil
	}
	head := utf16.Encode([]rune(prompt))[:n-len(end)]
	if last := len(head) - 1; last >= 0 && utf16.IsSurrogate(rune(head[last])) && head[last] < 0xdc00 {
		head = head[:last] // half a pair
	}
	return append(head, end...)
}
