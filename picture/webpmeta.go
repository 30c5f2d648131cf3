package picture

import (
	"encoding/binary"
	"errors"
	"image"
)

// maxWebPSide is the format's own bound.
const maxWebPSide = 16383

func encodeWebP(img *image.NRGBA, quality int, m Meta) ([]byte, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if w < 1 || h < 1 || w > maxWebPSide || h > maxWebPSide {
		return nil, &Error{Reason: "cannot be written as a WebP: its sides are 1 to 16383 pixels"}
	}
	data, err := webpFile(img, quality)
	if err == nil && m != (Meta{}) {
		data, err = withWebPMeta(data, w, h, !img.Opaque(), m)
	}
	if err != nil {
		return nil, &Error{Reason: "cannot be written as a WebP", Cause: err}
	}
	return data, nil
}

// withWebPMeta gives a file the extended form: VP8X says what there is, the image's
// chunks follow, then EXIF and XMP.
func withWebPMeta(file []byte, w, h int, alpha bool, m Meta) ([]byte, error) {
	const riff = 12
	if len(file) < riff+8 {
		return nil, errors.New("libwebp made too short a file")
	}
	image := file[riff:]
	if string(image[:4]) == "VP8X" {
		image = image[8+10:]
	}
	const hasXMP, hasEXIF, hasAlpha = 1 << 2, 1 << 3, 1 << 4
	var flags byte
	if alpha {
		flags |= hasAlpha
	}
	var after []byte
	if m.Parameters != "" {
		flags |= hasEXIF
		after = append(after, riffChunk("EXIF", exifComment(m.Parameters))...)
	}
	if m.Synthetic {
		flags |= hasXMP
		after = append(after, riffChunk("XMP ", []byte(syntheticXMP))...)
	}
	extended := []byte{flags, 0, 0, 0}
	for _, side := range []int{w - 1, h - 1} {
		extended = append(extended, byte(side), byte(side>>8), byte(side>>16))
	}
	out := append([]byte("RIFF\x00\x00\x00\x00WEBP"), riffChunk("VP8X", extended)...)
	out = append(append(out, image...), after...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out, nil
}

// riffChunk is padded to an even length.
func riffChunk(name string, body []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	out = append(out, body...)
	if len(body)%2 == 1 {
		out = append(out, 0)
	}
	return out
}
