package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"cosmicman/inference"
	"cosmicman/job"
)

// apiFields are the API's names of a request's fields, where they differ.
var apiFields = map[string]string{
	"negative prompt": "negative_prompt", "steps": "num_inference_steps", "guidance scale": "guidance_scale", "width": "size", "height": "size",
	"init image": "image", "long prompt": "long_prompt", "prompt syntax": "prompt_syntax",
}

// engineError is the *job.Error of what drawing reports; contexts' errors stay
// what they are.
func engineError(err error) error {
	var wrong *inference.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &wrong):
		return invalid(err, wrong)
	case errors.Is(err, inference.ErrOutOfMemory):
		return &job.Error{Kind: job.OutOfMemory, Message: "the device has too little memory for this image", Cause: err}
	case errors.Is(err, inference.ErrAdapterChanged):
		return &job.Error{Kind: job.Engine, Message: "a LoRA file was changed or taken away before the image was begun", Cause: err}
	}
	return &job.Error{Kind: job.Engine, Message: "the image could not be drawn", Cause: err}
}

// invalid names every fault of a request; the field is the first one's.
func invalid(err error, first *inference.Error) *job.Error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var words []string
	for _, e := range all {
		var wrong *inference.Error
		if errors.As(e, &wrong) {
			words = append(words, apiField(wrong.Field)+joint(wrong)+wrong.Reason)
		}
	}
	return &job.Error{Kind: job.Invalid, Field: apiField(first.Field), Message: strings.Join(words, "; "), Cause: err}
}

func apiField(field string) string { return cmp.Or(apiFields[field], field) }

// joint is what stands between a field's name and what is wrong with it; of a size it
// says which side is meant.
func joint(e *inference.Error) string {
	switch {
	case apiField(e.Field) == "size":
		return ": the " + e.Field + " "
	case strings.HasPrefix(e.Reason, "is "):
		return " "
	}
	return ": "
}

// openError is the *job.Error of a model that cannot be loaded. It names files and
// tensors as they are called within the model: where that lies is for the log.
func openError(ref modelRef, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, inference.ErrOutOfMemory):
		return &job.Error{Kind: job.OutOfMemory, Message: "the device has too little memory for the model " + ref.Name, Cause: err}
	}
	text := err.Error()
	for _, dir := range []string{ref.Ref, ref.UNet, ref.HubCache} {
		if dir == "" {
			continue
		}
		names := []string{dir}
		if abs, err := filepath.Abs(dir); err == nil {
			names = append(names, abs)
			if real, err := filepath.EvalSymlinks(abs); err == nil {
				names = append(names, real)
			}
		}
		for _, name := range names {
			if filepath.IsAbs(name) {
				text = strings.ReplaceAll(text, filepath.Clean(name), ref.Name)
			}
		}
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	return &job.Error{Kind: job.Unavailable, Message: "the model " + ref.Name + " cannot be loaded: " + text, Cause: err}
}
