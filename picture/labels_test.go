package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"
)

// grayPNG is a PNG of one channel of some bits, of which no encoder here makes but 8.
func grayPNG(width, height, bits int, labels []uint8, transparent bool) []byte {
	out := []byte(pngSignature)
	chunk := func(kind string, body []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
		whole := append([]byte(kind), body...)
		out = append(out, whole...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(whole))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = binary.BigEndian.AppendUint32(header, uint32(height))
	chunk("IHDR", append(header, byte(bits), 0, 0, 0, 0))
	if transparent {
		chunk("tRNS", []byte{0, 0})
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	for y := range height {
		row := make([]byte, 1+(width*bits+7)/8)
		for x := range width {
			row[1+x*bits/8] |= labels[y*width+x] << (8 - bits - x*bits%8)
		}
		w.Write(row)
	}
	w.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return out
}

// TestLabelsAreNumbers: of a channel of any bits, and of a palette whatever its colours.
func TestLabelsAreNumbers(t *testing.T) {
	const w, h = 7, 5
	for _, bits := range []int{1, 2, 4, 8} {
		labels := make([]uint8, w*h)
		for i := range labels {
			labels[i] = uint8(i*5) % uint8(min(1<<bits-1, 200)+1)
		}
		if bits == 1 {
			for i := range labels {
				labels[i] = uint8(i) % 2
			}
		}
		got, size, err := DecodeLabels(t.Context(), grayPNG(w, h, bits, labels, false), Limits{MinSide: 1})
		if err != nil || size != image.Pt(w, h) || !slices.Equal(got, labels) {
			t.Errorf("%d bits: %v of %v: %v, expected %v", bits, got, size, err, labels)
		}
		palette := make(color.Palette, 1<<bits)
		for i := range palette {
			palette[i] = color.NRGBA{uint8(255 - i), uint8(i * 7), 3, uint8(255 - i%3)}
		}
		m := image.NewPaletted(image.Rect(0, 0, w, h), palette)
		copy(m.Pix, labels)
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			t.Fatal(err)
		}
		got, _, err = DecodeLabels(t.Context(), file.Bytes(), Limits{MinSide: 1})
		if err != nil || !slices.Equal(got, labels) {
			t.Errorf("a palette of %d: %v: %v, expected %v", len(palette), got, err, labels)
		}
	}
}

func TestLabelsAreNoColours(t *testing.T) {
	files := reference(t)
	for name, want := range map[string]string{
		"rgb-png.png": "has colours", "rgba-png.png": "has colours", "gray16-png.png": "has colours", "grayalpha-png.png": "has colours",
		"gray-jpg.jpg": "is a JPEG, expected a PNG", "lossless-webp.webp": "is a WebP, expected a PNG",
	} {
		_, _, err := DecodeLabels(t.Context(), files[name], Limits{})
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", name, err, want)
		}
	}
	gray := grayPNG(64, 64, 8, make([]uint8, 64*64), false)
	for name, data := range map[string][]byte{"tRNS": grayPNG(64, 64, 8, make([]uint8, 64*64), true), "cut": gray[:len(gray)-20], "empty": nil, "small": grayPNG(3, 3, 8, make([]uint8, 9), false)} {
		if _, _, err := DecodeLabels(t.Context(), data, Limits{}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
