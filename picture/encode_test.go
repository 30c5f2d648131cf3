package picture

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
)

// photo has the statistics of a drawing: smooth, with fine noise.
func photo(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p := m.Pix[y*m.Stride+4*x:][:4]
			for c := range 3 {
				v := 128 + 60*math.Sin(float64(x)/(37+9*float64(c))) + 50*math.Cos(float64(y)/(23+5*float64(c))) + 3*r.NormFloat64()
				p[c] = uint8(min(max(v, 0), 255))
			}
			p[3] = 255
		}
	}
	return m
}

var formats = []Format{PNG, JPEG, WebP}

// read decodes by others' code where there is some; that libwebp reads here as
// elsewhere is TestDecodeReadsWhatPillowReads.
func read(t *testing.T, f Format, data []byte) *image.NRGBA {
	t.Helper()
	var img image.Image
	var err error
	switch f {
	case PNG:
		img, err = png.Decode(bytes.NewReader(data))
	case JPEG:
		img, err = jpeg.Decode(bytes.NewReader(data))
	case WebP:
		img, _, err = Decode(t.Context(), data, Limits{})
	}
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	return straight(img)
}

func TestEncodeKeepsPixels(t *testing.T) {
	m := photo(200, 136)
	for _, f := range formats {
		for _, meta := range []Meta{{}, {Parameters: "a fox\nSteps: 20"}, {Synthetic: true}, {"a fox\nSteps: 20", true}} {
			data, err := Encode(m, f, 100, meta)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Encode(m, f, 100, meta)
			if err != nil || !bytes.Equal(data, again) {
				t.Errorf("%s: two files of one image differ, %v", f, err)
			}
			if Sniff(data) != f {
				t.Errorf("%s was taken for %s", f, Sniff(data))
			}
			far := 0.0
			got := read(t, f, data)
			for i := range m.Pix {
				d := float64(m.Pix[i]) - float64(got.Pix[i])
				far += d * d / float64(len(m.Pix))
			}
			if far > map[Format]float64{PNG: 0, JPEG: 6, WebP: 6}[f] {
				t.Errorf("%s: the mean square error is %.2f", f, far)
			}
			if _, info, err := Decode(t.Context(), data, Limits{}); err != nil || info.Alpha || info.Orientation != 1 {
				t.Errorf("%s: %+v, %v", f, info, err)
			}
		}
	}
}

func TestQualityChangesSizes(t *testing.T) {
	m := photo(200, 136)
	for _, f := range formats {
		last := 0
		for _, quality := range []int{0, 1, 30, 60, 90, 100} {
			data, err := Encode(m, f, quality, Meta{})
			if err != nil {
				t.Fatal(err)
			}
			if same := f == PNG || quality == 1; last > 0 && (same && len(data) != last || !same && len(data) <= last) {
				t.Errorf("%s: quality %d takes %d bytes after %d", f, quality, len(data), last)
			}
			last = len(data)
		}
		for _, quality := range []int{-1, 101} {
			if _, err := Encode(m, f, quality, Meta{}); !isError(err) {
				t.Errorf("%s: quality %d: %v", f, quality, err)
			}
		}
	}
	if _, err := Encode(m, "gif", 90, Meta{}); !isError(err) {
		t.Errorf("gif: %v", err)
	}
}

// TestEncodeKeepsTransparency: WebP's alpha is lossless.
func TestEncodeKeepsTransparency(t *testing.T) {
	m := photo(96, 70)
	for i := range 96 * 70 {
		m.Pix[4*i+3] = uint8(i)
	}
	for _, f := range []Format{PNG, WebP} {
		data, err := Encode(m, f, 90, Meta{Synthetic: true, Parameters: "x"})
		if err != nil {
			t.Fatal(err)
		}
		got, info, err := Decode(t.Context(), data, Limits{})
		if err != nil || !info.Alpha {
			t.Fatalf("%s: %+v, %v", f, info, err)
		}
		for i := 3; i < len(m.Pix); i += 4 {
			if got.Pix[i] != m.Pix[i] {
				t.Fatalf("%s: alpha %d became %d", f, m.Pix[i], got.Pix[i])
			}
		}
	}
}

// parts are a file's metadata, read by the formats' rules and not by the code that
// wrote them: names to bodies.
func parts(t *testing.T, f Format, data []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	switch f {
	case PNG:
		for at := 8; at < len(data); {
			n := int(binary.BigEndian.Uint32(data[at:]))
			body := data[at+8 : at+8+n]
			kind := string(data[at+4 : at+8])
			if kind == "tEXt" || kind == "iTXt" {
				key, text, _ := bytes.Cut(body, []byte{0})
				if kind == "iTXt" {
					text = text[4:] // not compressed, no language, no translated key
				}
				out[string(key)] = text
			}
			at += 12 + n
		}
	case JPEG:
		for at := 2; data[at+1] != 0xda; {
			n := int(binary.BigEndian.Uint16(data[at+2:]))
			if data[at+1] == 0xe1 {
				name, text, _ := bytes.Cut(data[at+4:at+2+n], []byte{0})
				out[string(name)] = text
			}
			at += 2 + n
		}
	case WebP:
		if n := int(binary.LittleEndian.Uint32(data[4:])); n != len(data)-8 || n%2 != 0 {
			t.Errorf("RIFF says %d of %d bytes", n, len(data))
		}
		for at := 12; at < len(data); {
			n := int(binary.LittleEndian.Uint32(data[at+4:]))
			out[string(data[at:at+4])] = data[at+8 : at+8+n]
			at += 8 + n + n%2
		}
	}
	return out
}

// comment reads UserComment as piexif does, by which A1111 reads its images.
func comment(t *testing.T, exif []byte) string {
	t.Helper()
	if string(exif[:4]) != "MM\x00*" {
		t.Fatalf("%q", exif[:8])
	}
	entry := func(at uint32) (tag uint16, count, value uint32) {
		if n := binary.BigEndian.Uint16(exif[at:]); n != 1 {
			t.Fatalf("%d entries at %d", n, at)
		}
		return binary.BigEndian.Uint16(exif[at+2:]), binary.BigEndian.Uint32(exif[at+6:]), binary.BigEndian.Uint32(exif[at+10:])
	}
	tag, _, at := entry(binary.BigEndian.Uint32(exif[4:]))
	tag2, count, value := entry(at)
	if tag != 0x8769 || tag2 != 0x9286 {
		t.Fatalf("tags %#x, %#x", tag, tag2)
	}
	text, is := bytes.CutPrefix(exif[value:value+count], []byte("UNICODE\x00"))
	if !is || int(value+count) != len(exif) {
		t.Fatalf("%d bytes at %d of %d", count, value, len(exif))
	}
	var units []uint16
	for i := 0; i < len(text); i += 2 {
		units = append(units, binary.BigEndian.Uint16(text[i:]))
	}
	return string(utf16.Decode(units))
}

func TestEncodeWritesParametersAndMark(t *testing.T) {
	m := photo(64, 64)
	for _, text := range []string{"", "Steps: 20, Seed: 17", "漢字 🦊\nSteps: 1", "Café", "odd"} {
		for _, synthetic := range []bool{false, true} {
			for _, f := range formats {
				data, err := Encode(m, f, 90, Meta{text, synthetic})
				if err != nil {
					t.Fatal(err)
				}
				found := parts(t, f, data)
				got, xmp := "", found[map[Format]string{PNG: "XML:com.adobe.xmp", JPEG: "http://ns.adobe.com/xap/1.0/", WebP: "XMP "}[f]]
				switch exif := found[map[Format]string{JPEG: "Exif", WebP: "EXIF"}[f]]; {
				case f == PNG:
					got = string(found["parameters"])
					if text == "Café" {
						got = string([]rune{rune(got[0]), rune(got[1]), rune(got[2]), rune(got[3])}) // Latin-1
					}
				case f == JPEG && exif != nil:
					got = comment(t, exif[1:]) // a second zero ends the name
				case exif != nil:
					got = comment(t, exif)
				}
				if got != text {
					t.Errorf("%s: parameters %q, want %q", f, got, text)
				}
				if f == WebP && (text != "" || synthetic) {
					flags := found["VP8X"][0]
					if flags&(1<<3) != 0 != (text != "") || flags&(1<<2) != 0 != synthetic {
						t.Errorf("VP8X's flags are %#x", flags)
					}
				}
				if !synthetic {
					if xmp != nil {
						t.Errorf("%s: a mark that was not asked for", f)
					}
					continue
				}
				if source := digitalSourceType(t, xmp); source != "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia" {
					t.Errorf("%s: the source type is %q", f, source)
				}
			}
		}
	}
}

// digitalSourceType reads an XMP packet as XML.
func digitalSourceType(t *testing.T, packet []byte) string {
	t.Helper()
	var path, source string
	for d := xml.NewDecoder(bytes.NewReader(packet)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%q: %v", packet, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path += "/" + token.Name.Space + " " + token.Name.Local
		case xml.EndElement:
			path = strings.TrimSuffix(path, "/"+token.Name.Space+" "+token.Name.Local)
		case xml.CharData:
			const rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
			if path == "/adobe:ns:meta/ xmpmeta/"+rdf+"RDF/"+rdf+"Description/http://iptc.org/std/Iptc4xmpExt/2008-02-29/ DigitalSourceType" {
				source += string(token)
			}
		}
	}
	if !bytes.HasPrefix(packet, []byte("<?xpacket begin=\"\xef\xbb\xbf\"")) || !bytes.HasSuffix(packet, []byte(`<?xpacket end="r"?>`)) {
		t.Errorf("not a packet: %q", packet)
	}
	return source
}

// TestLongParameters: what does not fit into a JPEG's segment loses the end of the
// prompt, not the settings behind it, and no half of a character is left.
func TestLongParameters(t *testing.T) {
	m := photo(64, 64)
	const settings = "\nSteps: 30, Seed: 17"
	for _, prompt := range []string{strings.Repeat("a", 32000), strings.Repeat("word ", 13000), "x" + strings.Repeat("🦊", 32000), strings.Repeat("🦊", 32000)} {
		text := prompt + settings
		for _, f := range formats {
			data, err := Encode(m, f, 90, Meta{text, true})
			if err != nil {
				t.Fatal(err)
			}
			read(t, f, data)
			found := parts(t, f, data)
			switch f {
			case PNG:
				if string(found["parameters"]) != text {
					t.Error("PNG: the text is another")
				}
				continue
			case JPEG:
				found["EXIF"] = found["Exif"][1:]
			}
			got := comment(t, found["EXIF"])
			kept, is := strings.CutSuffix(got, settings)
			if kept == prompt {
				continue
			}
			kept, cut := strings.CutSuffix(kept, " ...")
			if !is || !cut || !strings.HasPrefix(prompt, kept) || len(utf16.Encode([]rune(got))) < maxUnits-1 {
				t.Errorf("%s: of %d characters %d are left, ending in %q", f, len(text), len(got), got[len(got)-30:])
			}
		}
	}
	if got := fit(strings.Repeat("a", maxUnits+1)+"\n"+strings.Repeat("b", maxUnits), maxUnits); len(got) != maxUnits {
		t.Errorf("%d units", len(got))
	}
}

func TestMaskOfAlpha(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	m.Pix = []uint8{1, 2, 3, 0, 1, 2, 3, 1, 1, 2, 3, 255}
	if got := MaskOfAlpha(m).Pix; !bytes.Equal(got, []uint8{255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255}) {
		t.Error(got)
	}
}

func TestFormats(t *testing.T) {
	for name, want := range map[string]Format{"": PNG, "png": PNG, "jpeg": JPEG, "webp": WebP} {
		if got, err := ParseFormat(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]Format{"out": PNG, "a.b/out.PNG": PNG, "out.jpg": JPEG, "out.jpeg": JPEG, "o.ut.webp": WebP} {
		if got, err := FormatOf(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"jpg", "PNG", "gif"} {
		if _, err := ParseFormat(name); !isError(err) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"out.gif", "out.", "out.png.bak"} {
		if _, err := FormatOf(name); !isError(err) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for f, want := range map[Format][2]string{PNG: {".png", "image/png"}, JPEG: {".jpg", "image/jpeg"}, WebP: {".webp", "image/webp"}} {
		if f.Ext() != want[0] || f.MediaType() != want[1] {
			t.Errorf("%s: %s, %s", f, f.Ext(), f.MediaType())
		}
	}
}

// TestLibwebpRefusesWhatIsTooLarge: its memory is bounded, and the next call is not
// touched by one that failed.
func TestLibwebpRefusesWhatIsTooLarge(t *testing.T) {
	c, err := libwebp.open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, _, err := c.buffer(webpMemory); err == nil {
		t.Error("a buffer of all its memory")
	}
	if _, err := Encode(image.NewNRGBA(image.Rect(0, 0, maxWebPSide+1, 1)), WebP, 90, Meta{}); !isError(err) || errors.Unwrap(err) != nil {
		t.Errorf("a side too long: %v", err)
	}
	if _, err := Encode(photo(64, 64), WebP, 90, Meta{}); err != nil {
		t.Error(err)
	}
}
