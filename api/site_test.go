package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/artifact"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
)

// site is the routes over real HTTP, on a queue in memory and a folder of images.
type site struct {
	*httptest.Server
	q     *localq.Store
	files *artifact.Files

	folder string // theirs

	drawn   chan job.Spec // of every image that was drawn
	stop    context.CancelFunc
	stopped context.CancelFunc
}

// open starts a site. draw makes an image or says why not; nil: nobody draws.
func open(t *testing.T, o scheduler.Options, draw func(scheduler.Lease) ([]byte, *job.Error), change ...func(*Config, *http.Server)) *site {
	t.Helper()
	folder := t.TempDir()
	files, err := artifact.OpenFiles(folder, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{q: localq.OpenMemory(o), files: files, folder: folder, drawn: make(chan job.Spec, 1000)}
	c := Config{Queue: s.q, Artifacts: files, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	c.Prepare = func(_ context.Context, spec *job.Spec, like image.Point) error {
		switch {
		case spec.Model == "":
			spec.Model = "m"
		case spec.Model != "m":
			return job.Errorf(job.NoModel, "the model %q does not exist", spec.Model)
		}
		spec.Seconds = 1
		if spec.Drawing.Width == 0 {
			spec.Drawing.Width, spec.Drawing.Height = like.X, like.Y
		}
		if spec.Drawing.Width == 7 {
			return &job.Error{Kind: job.Invalid, Field: "size", Message: "size: the width is 7, expected a multiple of 8"}
		}
		return nil
	}
	c.Stopping, s.stop = context.WithCancel(context.Background())
	c.Stopped, s.stopped = context.WithCancel(context.Background())
	s.Server = httptest.NewUnstartedServer(nil)
	for _, f := range change {
		f(&c, s.Config)
	}
	s.Config.Handler = New(c)
	s.Start()
	working, rest := context.WithCancel(context.Background())
	var worker sync.WaitGroup
	if draw != nil {
		worker.Go(func() { s.draws(t, working, draw) })
	}
	t.Cleanup(func() {
		s.stop()
		s.stopped()
		s.Close()
		rest()
		worker.Wait()
		if err := s.q.Close(); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// draws leases one image after the other.
func (s *site) draws(t *testing.T, ctx context.Context, draw func(scheduler.Lease) ([]byte, *job.Error)) {
	for {
		leases, err := s.q.Lease(ctx, scheduler.LeaseRequest{Worker: "w", Offers: []scheduler.Offer{{Model: "m"}}, Max: 1, Version: job.Version})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, l := range leases {
			data, reason := draw(l)
			if reason == nil {
				name := artifact.NewName(".png")
				if err := s.files.Put(ctx, name, data, time.Hour); err != nil {
					t.Error(err)
				}
				s.drawn <- l.Spec
				d := l.Spec.Drawing
				err = s.q.Finish(ctx, l.Ref, job.Result{
					Artifact: name, Seed: d.Seed + uint64(l.Ref.Image), Width: cmp.Or(d.Width, 64), Height: cmp.Or(d.Height, 64),
					Tokens: len(strings.Fields(d.Prompt)),
				})
			} else {
				err = s.q.Fail(ctx, l.Ref, reason)
			}
			if err != nil && job.KindOf(err) != job.Fenced && ctx.Err() == nil {
				t.Error(err)
			}
		}
	}
}

// echoed draws an image that says what was asked for.
func echoed(l scheduler.Lease) ([]byte, *job.Error) {
	return fmt.Appendf(nil, "%s %d", l.Spec.Drawing.Prompt, l.Spec.Drawing.Seed+uint64(l.Ref.Image)), nil
}

type answer struct {
	code   int
	header http.Header
	body   map[string]any
}

// errorField is one field of an error, "" for null.
func (a answer) errorField(name string) string {
	e, _ := a.body["error"].(map[string]any)
	text, _ := e[name].(string)
	return text
}

func (s *site) post(t *testing.T, ctx context.Context, body string, header ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{code: res.StatusCode, header: res.Header}
	if err := json.Unmarshal(data, &a.body); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return a, nil
}

// must is post that a client waits for.
func (s *site) must(t *testing.T, body string, header ...string) answer {
	t.Helper()
	a, err := s.post(t, t.Context(), body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *site) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// do is any request, without following redirects.
func (s *site) do(t *testing.T, method, path, body string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, data
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func (s *site) stats(t *testing.T) scheduler.Stats {
	t.Helper()
	stats, err := s.q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}
