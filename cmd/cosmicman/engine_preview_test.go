package main

import (
	"bytes"
	"context"
	"image"
	"sync"
	"testing"

	"cosmicman/inference"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/worker"
)

// TestPreviewsThroughTheWorker: as many decoded previews as were asked for, in the image's
// size and format, and sketches; the image's file is the one that is drawn without.
func TestPreviewsThroughTheWorker(t *testing.T) {
	q := localq.OpenMemory(scheduler.Options{})
	files := &shelf{files: map[string][]byte{}}
	w, err := worker.New(worker.Config{Source: q, Artifacts: files, Engine: openEngine(t, inference.Settings{}, modelRef{Name: "sd", Ref: tiny(t, "tiny-sd")})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() {
		if err := w.Run(ctx, ctx); err != nil {
			t.Error(err)
		}
	})
	drawn := func(change func(*job.Drawing)) (file []byte, previews []job.Preview) {
		d := drawingOf(func(d *job.Drawing) { d.Steps, d.Format = 6, "jpeg" })
		change(&d)
		id := job.NewID()
		if _, err := q.Submit(t.Context(), job.Submission{ID: id, Spec: job.Spec{Needs: d.Needs(), Model: "sd", Count: 1, Seconds: 1, Drawing: d}, Watcher: "test"}); err != nil {
			t.Fatal(err)
		}
		updates, err := q.Watch(t.Context(), id, "test")
		if err != nil {
			t.Fatal(err)
		}
		for u := range updates {
			if u.Preview != nil {
				previews = append(previews, *u.Preview)
			}
			if r := u.Status.Images[0].Result; r != nil {
				if file, err = files.Get(t.Context(), r.Artifact); err != nil {
					t.Fatal(err)
				}
			}
		}
		return file, previews
	}
	want, none := drawn(func(*job.Drawing) {})
	got, previews := drawn(func(d *job.Drawing) { d.Previews, d.Sketches = 3, true })
	if len(want) == 0 || !bytes.Equal(got, want) {
		t.Error("previews have changed the image")
	}
	partials, sketches := 0, 0
	for _, p := range previews {
		img, format, err := image.Decode(bytes.NewReader(p.Data))
		if err != nil || format != "jpeg" || p.Type != "image/jpeg" {
			t.Fatalf("%s %d of type %s: %v", p.Kind, p.Index, p.Type, err)
		}
		size := image.Pt(32, 40)
		if p.Kind == job.Sketch {
			size = image.Pt(8, 10)
			sketches++
		} else if partials++; p.Index != partials-1 {
			t.Errorf("preview %d in the place of %d", p.Index, partials-1)
		}
		if img.Bounds().Size() != size {
			t.Errorf("%s %d is of %v pixels, expected %v", p.Kind, p.Index, img.Bounds().Size(), size)
		}
	}
	if partials != 3 || sketches == 0 || len(none) > 0 {
		t.Errorf("%d previews, %d sketches, %d that nobody asked for", partials, sketches, len(none))
	}
	stop()
	runs.Wait()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
