package main

import (
	"fmt"
	"image"

	"cosmicman/job"
	"cosmicman/picture"
)

// imageFile is how an image is written.
type imageFile struct {
	format  picture.Format
	quality int // of JPEG and WebP
	meta    picture.Meta
}

// imageFileOf is how a drawing's image is written; the parameters are not in it yet.
// The error names the API's field.
func imageFileOf(d *job.Drawing) (imageFile, error) {
	f := imageFile{quality: 100, meta: picture.Meta{Synthetic: !d.NoMark}}
	if d.Compression != nil {
		f.quality = *d.Compression
	}
	var err error
	if f.format, err = picture.ParseFormat(d.Format); err != nil {
		return f, &job.Error{Kind: job.Invalid, Field: "output_format", Message: "output_format " + err.Error()}
	}
	if why := f.wrongQuality(); why != "" {
		return f, &job.Error{Kind: job.Invalid, Field: "output_compression", Message: "output_compression " + why}
	}
	return f, nil
}

// wrongQuality goes on from the name of what was given; "" where nothing is wrong.
func (f *imageFile) wrongQuality() string {
	switch {
	case f.quality < 0 || f.quality > 100:
		return fmt.Sprintf("is %d, expected 0 to 100", f.quality)
	case f.format == picture.PNG && f.quality != 100:
		return fmt.Sprintf("is %d, but a PNG is always whole: leave it out, or choose jpeg or webp", f.quality)
	}
	return ""
}

func (f *imageFile) encode(img *image.NRGBA, parameters string) ([]byte, error) {
	m := f.meta
	m.Parameters = parameters
	return picture.Encode(img, f.format, f.quality, m)
}
