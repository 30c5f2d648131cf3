package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io"
	"os"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/picture"
)

// The strengths where none is given: of an image that is drawn anew, and with a mask.
const (
	usualStrength = 0.8
	maskStrength  = 1.0
)

// ownPictures bounds image files on this machine: photographs as cameras take them.
var ownPictures = picture.Limits{MaxPixels: 1 << 26, MinSide: 1, MaxSide: 1 << 14}

const largestFile = 1 << 28 // bytes

// readFile reads an image file of any size up to largestFile.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	if err == nil && len(data) > largestFile {
		err = fmt.Errorf("is longer than %d bytes", largestFile)
	}
	return data, err
}

// readPicture reads an image file. The error goes on from the file's name.
func readPicture(ctx context.Context, path string) (*image.NRGBA, [sha256.Size]byte, error) {
	data, err := readFile(path)
	if err != nil {
		if cause, is := errors.AsType[*os.PathError](err); is {
			err = cause.Err
		}
		return nil, [sha256.Size]byte{}, fmt.Errorf("cannot be read: %w", err)
	}
	img, _, err := picture.Decode(ctx, data, ownPictures)
	return img, sha256.Sum256(data), err
}

// edit is what the flags say of an image to begin from.
type edit struct{ init, mask string }

// read completes a request.
func (f *edit) read(ctx context.Context, r *inference.Request, given map[string]bool, strength float64) error {
	if !given["init-image"] {
		for _, name := range []string{"mask", "strength"} {
			if given[name] {
				return usagef("generate: --%s goes with --init-image", name)
			}
		}
		return nil
	}
	var err error
	if r.Init, _, err = readPicture(ctx, f.init); err != nil {
		return fileFault(ctx, "--init-image "+f.init, err)
	}
	r.Strength = usualStrength
	if given["mask"] {
		if r.Mask, _, err = readPicture(ctx, f.mask); err != nil {
			return fileFault(ctx, "--mask "+f.mask, err)
		}
		r.Strength = maskStrength
	}
	if given["strength"] {
		r.Strength = strength
	}
	return nil
}

func fileFault(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return usagef("generate: %s: %v", name, err)
}

// uploads decodes what images of a call of Begin begin from, each file once.
type uploads struct {
	ctx  context.Context
	done map[*byte]*image.NRGBA
}

// decode reads a file; field is the API's name of it, for the error.
func (u *uploads) decode(data []byte, field string) (*image.NRGBA, error) {
	if data == nil {
		return nil, nil
	}
	if len(data) > 0 {
		if img := u.done[&data[0]]; img != nil {
			return img, nil
		}
	}
	img, _, err := picture.Decode(u.ctx, data, ownPictures)
	switch {
	case u.ctx.Err() != nil:
		return nil, u.ctx.Err()
	case err != nil:
		return nil, &job.Error{Kind: job.Invalid, Field: field, Message: field + " " + err.Error(), Cause: err}
	}
	u.done[&data[0]] = img
	return img, nil
}

// inputs are the files that lines of a file of requests begin from.
type inputs struct {
	ctx    context.Context
	paths  map[string]string // by the names under which the queue knows them
	recent []input           // decoded, the last used first
}

type input struct {
	path, name string
	img        *image.NRGBA
}

const recentInputs = 4

// read decodes a file and gives it a name that follows from its bytes.
func (in *inputs) read(path string) (input, error) {
	for i, known := range in.recent {
		if known.path == path {
			copy(in.recent[1:i+1], in.recent[:i])
			in.recent[0] = known
			return known, nil
		}
	}
	img, sum, err := readPicture(in.ctx, path)
	if err != nil {
		return input{}, err
	}
	fresh := input{path, "in_" + hex.EncodeToString(sum[:]), img}
	in.paths[fresh.name] = path
	in.recent = append([]input{fresh}, in.recent[:min(len(in.recent), recentInputs-1)]...)
	return fresh, nil
}

// file reads a file again. One that is another now is refused: the line was checked,
// and its images are told from others, by what it was.
func (in *inputs) file(name string) ([]byte, error) {
	path, known := in.paths[name]
	if !known {
		return nil, job.Errorf(job.NotFound, "there is no artifact %s", name)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Message: "the file to begin from cannot be read any more", Cause: err}
	}
	if sum := sha256.Sum256(data); "in_"+hex.EncodeToString(sum[:]) != name {
		return nil, job.Errorf(job.Invalid, "%s was changed after it was checked", path)
	}
	return data, nil
}
