package main

import (
	"errors"
	"fmt"
	"os"

	"cosmicman/weights"
	"cosmicman/weights/hub"
)

// expand turns a known name, such as cosmicman-sdxl, into the pipeline and the UNet that it
// stands for. A folder of that name comes first, as with all references.
func (r *modelRef) expand() {
	k, is := hub.Lookup(r.Ref)
	if !is {
		return
	}
	if _, err := os.Stat(r.Ref); err == nil {
		return
	}
	r.Known, r.Ref = k.Name, k.Base
	if r.UNet == "" {
		r.UNet = k.UNet
	}
}

// orPull says how to get what is not in the cache. known is the name that the model was
// asked for by, "" where it was asked for by its reference.
func orPull(err error, known string) error {
	missing, is := errors.AsType[*weights.NotCachedError](err)
	switch {
	case !is:
		return err
	case known != "":
		return fmt.Errorf("%s is not there whole; `cosmicman models pull %s` fetches it: %w", known, known, err)
	}
	return fmt.Errorf("%w; `cosmicman models pull %s` fetches it", err, missing.Ref)
}
