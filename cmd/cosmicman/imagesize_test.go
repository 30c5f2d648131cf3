package main

import (
	"image"
	"testing"

	"cosmicman/job"
)

func TestSizes(t *testing.T) {
	c := &catalogue{limits: map[string]int{"small": 256}}
	type point struct{ X, Y int }
	sd, sdxl := point{512, 512}, point{1024, 1024}
	for _, v := range []struct {
		model        string
		native, like point
		given, want  point
		refused      bool
	}{
		{native: sd, want: sd},
		{native: sd, given: point{768, 1024}, want: point{768, 1024}},
		{native: sd, given: point{1032, 512}, refused: true},
		{native: sd, given: point{512, 1032}, refused: true},
		{native: sdxl, given: point{2048, 2048}, want: point{2048, 2048}},
		{native: sdxl, given: point{2056, 64}, refused: true},
		{native: point{64, 64}, given: point{1024, 1024}, want: point{1024, 1024}},
		{model: "small", native: sd, given: point{264, 8}, refused: true},
		{given: point{2048, 2048}, want: point{2048, 2048}},
		{given: point{2056, 2048}, refused: true},
		{want: point{}}, // the worker knows

		// With a picture to begin from.
		{native: sd, like: point{640, 480}, want: point{640, 480}},
		{native: sd, like: point{640, 480}, given: point{512, 512}, want: point{512, 512}},
		{native: sd, like: point{641, 483}, want: point{640, 480}},
		{native: sd, like: point{64, 65}, want: point{64, 64}},
		{native: sd, like: point{1024, 1024}, want: point{1024, 1024}},
		{native: sd, like: point{2048, 2048}, want: point{512, 512}},
		{native: sd, like: point{4000, 3000}, want: point{592, 440}},
		{native: sd, like: point{8192, 64}, want: point{1024, 64}},
		{model: "small", native: sd, like: point{300, 300}, want: point{256, 256}},
		{like: point{640, 480}, want: point{640, 480}},
		{like: point{4096, 2048}, want: point{2048, 1024}},
	} {
		s := &job.Spec{Model: v.model, Drawing: job.Drawing{Width: v.given.X, Height: v.given.Y}}
		err := c.sized(s, image.Point(v.native), image.Point(v.like), 8)
		got := point{s.Drawing.Width, s.Drawing.Height}
		if (err != nil) != v.refused || err == nil && got != v.want {
			t.Errorf("%+v: %v, %v", v, got, err)
		}
		if err != nil && (job.KindOf(err) != job.Invalid || err.(*job.Error).Field != "size") {
			t.Errorf("%+v: %+v", v, err)
		}
	}
}
