package picture

import (
	"encoding/binary"
	"hash/crc32"
)

// textChunk is tEXt where the text is Latin-1, which every reader knows, else iTXt.
func textChunk(key, text string) []byte {
	if data, is := latin1(text); is {
		return chunk("tEXt", append([]byte(key+"\x00"), data...))
	}
	return internationalChunk(key, text)
}

// internationalChunk is iTXt: UTF-8, not compressed, of no language.
func internationalChunk(key, text string) []byte {
	return chunk("iTXt", []byte(key+"\x00\x00\x00\x00\x00"+text))
}

func chunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func latin1(s string) (out []byte, is bool) {
	out = make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 || r == 0 {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}
