package api

import (
	"context"
	"encoding/json"
	"image"
	"time"

	"cosmicman/job"
)

// inputs are the pictures that a request begins from, stored.
type inputs struct {
	Init, Mask    string // artifacts; Mask may be ""
	Width, Height int    // of the image, in pixels
	Strength      float64
	Expires       time.Time // the first of them
}

func (in *inputs) names() (names []string) {
	if in == nil {
		return nil
	}
	for _, name := range []string{in.Init, in.Mask} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// apply makes them part of a job, and returns the size that stands for one that was
// not given.
func (in *inputs) apply(s *job.Spec) image.Point {
	s.Drawing.Init, s.Drawing.Mask, s.Drawing.Strength = in.Init, in.Mask, in.Strength
	s.Deadline = in.Expires
	return image.Pt(in.Width, in.Height)
}

// uploadsOf are the artifacts that a job was given, and that are its alone.
func uploadsOf(s *job.Spec) []string {
	var m meta
	if json.Unmarshal(s.Meta, &m) != nil {
		return nil
	}
	return m.Uploads
}

// settle is settled, and removes what a job was given that ends with its client.
func (s *server) settle(ctx context.Context, sub job.Submission, last job.Status) {
	if ctx.Err() != nil && sub.Key == "" {
		s.discard(ctx, uploadsOf(&sub.Spec)...)
		return
	}
	s.settled(ctx, last)
}

// settled removes what a job was given once nobody can need it: a failed one can be
// tried again. Whoever sees a job's end calls it; what nobody sees expires.
func (s *server) settled(ctx context.Context, last job.Status) {
	if last.State == job.Completed || last.State == job.Cancelled {
		s.discard(ctx, uploadsOf(&last.Spec)...)
	}
}

func (s *server) discard(ctx context.Context, names ...string) {
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, name := range names {
		if err := s.Artifacts.Delete(ctx, name); err != nil {
			s.log(ctx).Warn("removing an upload", "error", err) // it expires
		}
	}
}
