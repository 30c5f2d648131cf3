package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"strings"
	"time"

	"cosmicman/job"
	"cosmicman/picture"
)

// uploadTTL is how long an upload is kept when nothing takes it away before: a job
// that begins from it has to be drawn by then.
const uploadTTL = 24 * time.Hour

// upload is an image in the artifact store: a PNG of plain pixels, without anything
// else that the client's file held.
type upload struct {
	Artifact      string
	Width, Height int    // pixels
	Digest        string // of the file
}

// storeInputs stores what a request begins from, an image and where it may change, and
// returns what tells these files from others. mask may be nil. Of an image whose mask
// is refused nothing is left.
func (s *server) storeInputs(ctx context.Context, img formFile, mask *formFile) (*inputs, []string, error) {
	expires := time.Now().Add(uploadTTL)
	first, err := s.storeImage(ctx, img.data, img.field)
	if err != nil {
		return nil, nil, err
	}
	in := &inputs{Init: first.Artifact, Width: first.Width, Height: first.Height, Expires: expires}
	if mask == nil {
		return in, []string{first.Digest}, nil
	}
	second, err := s.storeMask(ctx, mask.data, mask.field, first.Width, first.Height)
	if err != nil {
		s.discard(ctx, first.Artifact)
		return nil, nil, err
	}
	in.Mask = second.Artifact
	return in, []string{first.Digest, second.Digest}, nil
}

// storeImage checks an image file and stores it. field is what errors are about. As
// diffusers does, it leaves transparency aside and keeps the colours beneath it.
func (s *server) storeImage(ctx context.Context, data []byte, field string) (upload, error) {
	return s.store(ctx, data, field, func(img *image.NRGBA, _ picture.Info) (*image.NRGBA, error) {
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 255
		}
		return img, nil
	})
}

// storeMask checks a mask for an image of width x height pixels and stores where it is
// fully transparent as white, the rest as black.
func (s *server) storeMask(ctx context.Context, data []byte, field string, width, height int) (upload, error) {
	if f := picture.Sniff(data); f != "" && f != picture.PNG {
		return upload{}, invalid(field, "%s is a %s file, expected a PNG with an alpha channel", field, f)
	}
	return s.store(ctx, data, field, func(img *image.NRGBA, info picture.Info) (*image.NRGBA, error) {
		switch {
		case info.Width != width || info.Height != height:
			return nil, invalid(field, "%s is %dx%d pixels, but the image is %dx%d: both must have one size", field, info.Width, info.Height, width, height)
		case !info.Alpha:
			return nil, invalid(field, "%s has no alpha channel: expected a PNG that is fully transparent where the image is to be edited", field)
		}
		return picture.MaskOfAlpha(img), nil
	})
}

// store decodes a file and stores what becomes of its pixels.
func (s *server) store(ctx context.Context, data []byte, field string, become func(*image.NRGBA, picture.Info) (*image.NRGBA, error)) (upload, error) {
	file, info, err := s.plain(ctx, data, field, become)
	if err != nil {
		return upload{}, err
	}
	sum := sha256.Sum256(data)
	u := upload{Artifact: "upload_" + strings.ToLower(rand.Text()) + ".png", Width: info.Width, Height: info.Height, Digest: hex.EncodeToString(sum[:])}
	if err := s.Artifacts.Put(ctx, u.Artifact, file, uploadTTL); err != nil {
		if job.KindOf(err) == "" && ctx.Err() == nil {
			err = &job.Error{Kind: job.Unavailable, Message: "the image could not be stored", Cause: err}
		}
		return upload{}, err
	}
	return u, nil
}

// converting bounds how many images there are as pixels, 64 MB each at the most.
var converting = make(chan struct{}, 4)

func (s *server) plain(ctx context.Context, data []byte, field string, become func(*image.NRGBA, picture.Info) (*image.NRGBA, error)) ([]byte, picture.Info, error) {
	select {
	case converting <- struct{}{}:
		defer func() { <-converting }()
	case <-ctx.Done():
		return nil, picture.Info{}, ctx.Err()
	}
	img, info, err := picture.Decode(ctx, data, picture.Limits{})
	if err != nil {
		return nil, info, wrongPicture(err, field)
	}
	if img, err = become(img, info); err != nil {
		return nil, info, err
	}
	file, err := picture.Encode(img, picture.PNG, 100, picture.Meta{})
	return file, info, err
}

// wrongPicture is what picture.Decode says, about a field.
func wrongPicture(err error, field string) error {
	var wrong *picture.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return invalid(field, "%s %s", field, wrong.Reason)
}
