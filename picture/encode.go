package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// Meta is what a file says besides its pixels.
type Meta struct {
	// Parameters is the text that A1111's web UI writes into its images and others
	// read: PNG's text chunk `parameters`, EXIF's UserComment in JPEG and WebP.
	Parameters string
	// Synthetic says that a model made the image: IPTC's digital source type
	// trainedAlgorithmicMedia, in an XMP packet.
	Synthetic bool
}

// Encode makes a file. quality, 0 to 100, is that of JPEG and WebP, both lossy
// over the whole scale; their encoders know no less than 1, so 0 is as good as 1. A
// PNG has none. JPEG has no transparency: what shows through is black. The same
// image, format, quality and Meta make the same bytes.
func Encode(img *image.NRGBA, f Format, quality int, m Meta) ([]byte, error) {
	if quality < 0 || quality > 100 {
		return nil, &Error{Reason: fmt.Sprintf("is %d, expected a quality of 0 to 100", quality)}
	}
	switch f {
	case PNG:
		return encodePNG(img, m)
	case JPEG:
		return encodeJPEG(img, max(quality, 1), m)
	case WebP:
		return encodeWebP(img, max(quality, 1), m)
	}
	return nil, &Error{Reason: fmt.Sprintf("no format %.40q, expected png, jpeg or webp", f)}
}

// encodePNG compresses fast: of what models draw, level 1 makes files up to a sixth
// larger than the default in a third of its time; BenchmarkPNG compares them.
func encodePNG(img image.Image, m Meta) ([]byte, error) {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&b, img); err != nil {
		return nil, &Error{Reason: "cannot be written as a PNG", Cause: err}
	}
	if m == (Meta{}) {
		return b.Bytes(), nil
	}
	const header = len(pngSignature) + 4 + 4 + 13 + 4 // and the IHDR chunk
	out := append([]byte(nil), b.Bytes()[:header]...)
	if m.Parameters != "" {
		out = append(out, textChunk("parameters", m.Parameters)...)
	}
	if m.Synthetic {
		out = append(out, internationalChunk("XML:com.adobe.xmp", syntheticXMP)...)
	}
	return append(out, b.Bytes()[header:]...), nil
}

func encodeJPEG(img image.Image, quality int, m Meta) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, &Error{Reason: "cannot be written as a JPEG", Cause: err}
	}
	const start = 2 // SOI
	out := append([]byte(nil), b.Bytes()[:start]...)
	if m.Parameters != "" {
		out = append(out, segment("Exif\x00\x00", exifComment(m.Parameters))...)
	}
	if m.Synthetic {
		out = append(out, segment("http://ns.adobe.com/xap/1.0/\x00", []byte(syntheticXMP))...)
	}
	return append(out, b.Bytes()[start:]...), nil
}

// segment is an APP1 of a JPEG.
func segment(name string, body []byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(name)+len(body)))
	return append(append(out, name...), body...)
}
