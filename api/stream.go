package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// imageEvent is an event of a stream: OpenAI's fields of partial_image and completed,
// then ours. Image i of several has its own events, told apart by image_index.
type imageEvent struct {
	Type         string `json:"type"`
	B64JSON      string `json:"b64_json"`
	CreatedAt    int64  `json:"created_at"` // seconds
	Size         string `json:"size"`
	Quality      string `json:"quality"`
	Background   string `json:"background"`
	OutputFormat string `json:"output_format"`
	PartialIndex *int   `json:"partial_image_index,omitempty"`
	Usage        *usage `json:"usage,omitempty"` // of this image alone

	ImageIndex int       `json:"image_index"`
	URL        string    `json:"url,omitempty"`
	Seed       *uint64   `json:"seed,omitempty"`
	Revised    string    `json:"revised_prompt,omitempty"`
	Warnings   []warning `json:"warnings,omitempty"`
}

// imageStream tells how the images of one job come about.
type imageStream struct {
	s      *server
	out    *eventStream
	prefix string // of the events' types
	meta   meta
	told   []bool // of each image: it was completed
	next   []int  // of each image: the partial image that has not been shown yet
}

// stream answers with events. What is wrong before the first is an ordinary error.
func (s *server) stream(c echo.Context, sub job.Submission) error {
	ctx, cancel := s.waiting(c.Request().Context())
	defer cancel()
	last, updates, err := s.submit(ctx, sub)
	if err != nil {
		return err
	}
	concerns(c, last)
	defer func() {
		s.settle(ctx, sub, last)
		lasts(c, sub, last)
	}()
	if last.State.Terminal() && last.State != job.Completed {
		return outcome(ctx, last) // of a key that was used before
	}
	m, err := metaOf(&last.Spec)
	if err != nil {
		return err
	}
	t := &imageStream{
		s: s, out: events(c), prefix: "image_generation.", meta: m,
		told: make([]bool, len(last.Images)), next: make([]int, len(last.Images)),
	}
	if m.Route != generations {
		t.prefix = "image_edit."
	}
	if last, err = t.follow(ctx, last, updates); err == nil {
		err = outcome(ctx, last)
	}
	if err != nil && !errors.Is(err, errUnread) && c.Request().Context().Err() == nil {
		s.streamFailed(c, t.out, err)
	}
	cancel() // this watcher leaves, and never mind what may still come
	for range updates {
	}
	return nil
}

// follow tells updates until there are no more.
func (t *imageStream) follow(ctx context.Context, last job.Status, updates <-chan job.Update) (job.Status, error) {
	beat := time.NewTicker(t.s.beat)
	defer beat.Stop()
	if err := t.out.beat(); err != nil { // so that a client sees the stream begin
		return last, err
	}
	for {
		select {
		case u, more := <-updates:
			if !more {
				return last, nil
			}
			last = u.Status
			if err := t.update(ctx, u); err != nil {
				return last, err
			}
		case <-beat.C:
			if err := t.out.beat(); err != nil {
				return last, err
			}
		}
	}
}

func (t *imageStream) update(ctx context.Context, u job.Update) error {
	if p := u.Preview; p != nil && t.wants(p) {
		t.next[p.Image] = p.Index + 1
		e := t.event("partial_image", &u.Status, p.Image, p.Data)
		e.PartialIndex = &p.Index
		if err := t.out.send(e.Type, e); err != nil {
			return err
		}
	}
	for i, image := range u.Status.Images {
		if i >= len(t.told) || t.told[i] || image.State != job.Completed || image.Result == nil {
			continue
		}
		data, err := t.s.imageFile(ctx, image.Result)
		if err != nil {
			return err
		}
		t.told[i] = true
		e := t.event("completed", &u.Status, i, data)
		counted := usageOf(&u.Status.Spec, image.Result)
		e.Usage, e.Seed, e.Revised = &counted, &image.Result.Seed, t.meta.Revised
		e.Warnings = append(t.meta.Warnings[:len(t.meta.Warnings):len(t.meta.Warnings)], cutWarning(image.Result)...)
		if t.meta.ResponseFormat != "b64_json" {
			e.URL = t.s.fileURL(&t.meta, image.Result)
		}
		if err := t.out.send(e.Type, e); err != nil {
			return err
		}
	}
	return nil
}

// wants is of partial images, in their order, of what is not completed.
func (t *imageStream) wants(p *job.Preview) bool {
	return p.Kind == job.Partial && strings.HasPrefix(p.Type, "image/") && p.Image < len(t.told) && !t.told[p.Image] && p.Index >= t.next[p.Image]
}

func (t *imageStream) event(kind string, st *job.Status, image int, data []byte) *imageEvent {
	d := &st.Spec.Drawing
	e := &imageEvent{
		Type: t.prefix + kind, B64JSON: base64.StdEncoding.EncodeToString(data), CreatedAt: time.Now().Unix(), ImageIndex: image,
		Size: auto, Quality: t.meta.Quality, Background: "opaque", OutputFormat: cmp.Or(d.Format, "png"),
	}
	if r := st.Images[image].Result; r != nil {
		e.Size = sizeText(r.Width, r.Height)
	} else if d.Width > 0 && d.Height > 0 {
		e.Size = sizeText(d.Width, d.Height)
	}
	return e
}
