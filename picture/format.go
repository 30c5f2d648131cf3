package picture

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// Format of an image file.
type Format string

// The formats.
const (
	PNG  Format = "png"
	JPEG Format = "jpeg"
	WebP Format = "webp"
)

// ParseFormat reads OpenAI's output_format; "" is PNG.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case "":
		return PNG, nil
	case PNG, JPEG, WebP:
		return f, nil
	}
	return "", &Error{Reason: fmt.Sprintf("is %.40q, expected png, jpeg or webp", name)}
}

// FormatOf is the format that a file's name asks for by its extension; without one
// it is PNG.
func FormatOf(file string) (Format, error) {
	switch ext := strings.ToLower(path.Ext(file)); ext {
	case "", ".png":
		return PNG, nil
	case ".jpg", ".jpeg":
		return JPEG, nil
	case ".webp":
		return WebP, nil
	default:
		return "", &Error{Reason: fmt.Sprintf("ends in %.40q, expected .png, .jpg, .jpeg or .webp", ext)}
	}
}

// Ext is the usual extension, with its dot.
func (f Format) Ext() string {
	if f == JPEG {
		return ".jpg"
	}
	return "." + string(f)
}

// MediaType is image/png, image/jpeg or image/webp.
func (f Format) MediaType() string { return "image/" + string(f) }

// Sniff tells the format by a file's first bytes, "" if it is none of ours.
func Sniff(data []byte) Format {
	switch {
	case bytes.HasPrefix(data, []byte(pngSignature)):
		return PNG
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return JPEG
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return WebP
	}
	return ""
}
