package artifact

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
)

// PNG encodes img. parameters, if not empty, becomes the `parameters` text
// chunk that A1111's web UI writes and others read: iTXt, UTF-8, right after the
// header.
func PNG(img image.Image, parameters string) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, err
	}
	if parameters == "" {
		return b.Bytes(), nil
	}
	const header = 8 + 4 + 4 + 13 + 4 // signature and the IHDR chunk
	out := append([]byte(nil), b.Bytes()[:header]...)
	out = append(out, chunk(parameters)...)
	return append(out, b.Bytes()[header:]...), nil
}

// chunk is tEXt where the text is Latin-1, which every reader knows, else iTXt.
func chunk(text string) []byte {
	kind, data := "tEXt", append([]byte("parameters\x00"), latin1(text)...)
	if latin1(text) == nil {
		kind, data = "iTXt", append([]byte("parameters\x00\x00\x00\x00\x00"), text...)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func latin1(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 || r == 0 {
			return nil
		}
		out = append(out, byte(r))
	}
	return out
}
