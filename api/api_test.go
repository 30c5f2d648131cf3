package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestGenerationsAnswerTheImagesOfTheJob(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	a := s.must(t, `{"prompt": "p", "n": 2, "size": "64x96", "seed": 5, "model": "m", "response_format": "b64_json"}`)
	if a.code != 200 {
		t.Fatalf("%+v", a)
	}
	for i, image := range a.body["data"].([]any) {
		image := image.(map[string]any)
		data, err := base64.StdEncoding.DecodeString(image["b64_json"].(string))
		if want := fmt.Sprintf("p %d", 5+i); err != nil || string(data) != want || image["seed"] != float64(5+i) {
			t.Errorf("image %d: %q, %v, expected %q", i, data, image["seed"], want)
		}
	}
	d := (<-s.drawn).Drawing
	if d.Width != 64 || d.Height != 96 || d.Sampler != "ddim" || d.Steps != 30 || d.GuidanceScale != 7.5 {
		t.Errorf("%+v", d)
	}
}

func TestRequestsThatCannotBeDrawnNameTheField(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for body, want := range map[string]struct {
		code  int
		param string
	}{
		``:                                  {400, ""},
		`null`:                              {400, ""},
		`[]`:                                {400, ""},
		`{"prompt": "p"} x`:                 {400, ""},
		`{}`:                                {400, "prompt"},
		`{"prompt": null}`:                  {400, "prompt"},
		`{"prompt": 3}`:                     {400, "prompt"},
		`{"prompt": "p", "prompt": "q"}`:    {400, "prompt"},
		`{"prompt": "p", "n": 11}`:          {400, "n"},
		`{"prompt": "p", "n": 1.5}`:         {400, "n"},
		`{"prompt": "p", "size": "big"}`:    {400, "size"},
		`{"prompt": "p", "size": "7x8"}`:    {400, "size"},
		`{"prompt": "p", "seed": -1}`:       {400, "seed"},
		`{"prompt": "p", "colour": "red"}`:  {400, "colour"},
		`{"prompt": "p", "model": ""}`:      {400, "model"},
		`{"prompt": "p", "model": "other"}`: {404, "model"},
		"{\"prompt\": \"\xff\"}":            {400, ""},
		`{"prompt": "p", "response_format": "png"}`:        {400, "response_format"},
		`{"prompt": "` + strings.Repeat("x", 32001) + `"}`: {400, "prompt"},
		`{"prompt": "` + strings.Repeat("x", 2<<20) + `"}`: {413, ""},
	} {
		a := s.must(t, body)
		if a.code != want.code || a.errorField("param") != want.param || a.errorField("message") == "" {
			t.Errorf("%.60q: %d %v, want %d about %q", body, a.code, a.body, want.code, want.param)
		}
	}
	if jobs := s.stats(t).Jobs; jobs != 0 || len(s.drawn) > 0 {
		t.Errorf("%d jobs were accepted, %d images drawn", jobs, len(s.drawn))
	}
}

func TestARepeatedKeyAnswersTheFirstResult(t *testing.T) {
	release := make(chan struct{})
	s := open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		<-release
		return echoed(l)
	})
	const clients = 100
	seeds := make(chan any, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			body := `{"prompt": "p", "n": 1}` // two spellings of one request
			if i%2 == 1 {
				body = `{"size": "auto", "prompt": "\u0070", "seed": null}`
			}
			a, err := s.post(t, t.Context(), body, "Idempotency-Key", "once")
			if err != nil || a.code != 200 {
				t.Errorf("%+v, %v", a, err)
				return
			}
			seeds <- a.body["data"].([]any)[0].(map[string]any)["seed"]
		})
	}
	eventually(t, "one job", func() bool { return s.stats(t).Jobs == 1 })
	close(release)
	all.Wait()
	close(seeds)
	first := <-seeds
	for seed := range seeds {
		if seed != first {
			t.Fatalf("seeds %v and %v", first, seed)
		}
	}
	if len(s.drawn) != 1 {
		t.Errorf("%d images were drawn, expected one", len(s.drawn))
	}
	a := s.must(t, `{"prompt": "q"}`, "Idempotency-Key", "once")
	if a.code != 422 || a.errorField("code") != "idempotency_conflict" {
		t.Errorf("another request with the key: %d %v", a.code, a.body)
	}
}

func TestKeysThatCannotBeAreRefused(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for _, keys := range [][]string{{""}, {strings.Repeat("k", 256)}, {"\xc3\xa4"}, {"a\tb"}, {"a", "a"}} {
		var header []string
		for _, k := range keys {
			header = append(header, "Idempotency-Key", k)
		}
		if a := s.must(t, `{"prompt": "p"}`, header...); a.code != 400 || a.errorField("code") != "invalid_idempotency_key" {
			t.Errorf("%q: %d %v", keys, a.code, a.body)
		}
	}
	if a := s.must(t, `{"prompt": "p"}`, "Idempotency-Key", strings.Repeat("~", 255)); a.code != 200 {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestWhenTheClientGoesTheJobIsCancelledUnlessItHasAKey(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	for _, header := range [][]string{nil, {"Idempotency-Key", "k"}} {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := s.post(t, ctx, `{"prompt": "p"}`, header...)
			gone <- err
		}()
		eventually(t, "the job is queued", func() bool { return s.stats(t).Jobs == 1 })
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if header == nil {
			eventually(t, "the job is cancelled", func() bool { return s.stats(t).Jobs == 0 })
			continue
		}
		s.Close() // waits for the handlers
		if jobs := s.stats(t).Jobs; jobs != 1 {
			t.Errorf("%d jobs, the one with a key is expected to live on", jobs)
		}
	}
}

func TestATimeoutForReadingDoesNotEndTheWait(t *testing.T) {
	s := open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		time.Sleep(400 * time.Millisecond)
		return echoed(l)
	}, func(_ *Config, h *http.Server) { h.ReadTimeout = 100 * time.Millisecond })
	if a := s.must(t, `{"prompt": "p"}`); a.code != 200 {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestFailedJobsAnswerByTheTable(t *testing.T) {
	for kind, want := range map[job.Kind]struct {
		status      int
		code, retry string
	}{
		job.Invalid:     {400, "", ""},
		job.NoModel:     {404, "model_not_found", ""},
		job.Unavailable: {503, "unavailable", "5"},
		job.OutOfMemory: {503, "out_of_memory", ""},
		job.Engine:      {500, "generation_failed", ""},
		job.Crashed:     {500, "generation_failed", ""},
		"unheard of":    {500, "", ""},
	} {
		s := open(t, scheduler.Options{MaxAttempts: 1}, func(scheduler.Lease) ([]byte, *job.Error) {
			return nil, &job.Error{Kind: kind, Message: "told", Cause: errors.New("hidden")}
		})
		a := s.must(t, `{"prompt": "p"}`)
		if a.code != want.status || a.errorField("code") != want.code || a.header.Get("Retry-After") != want.retry || a.errorField("message") != "told" {
			t.Errorf("%s: %d %v %v, expected %+v", kind, a.code, a.body, a.header, want)
		}
		if repeats := a.code >= 500 && want.retry == ""; repeats != (a.header.Get("X-Should-Retry") == "false") && kind != "unheard of" {
			t.Errorf("%s: X-Should-Retry is %q", kind, a.header.Get("X-Should-Retry"))
		}
	}
}

func TestAFullQueueSaysWhenToComeAgain(t *testing.T) {
	s := open(t, scheduler.Options{MaxJobs: 1}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = s.post(t, ctx, `{"prompt": "p"}`) })
	eventually(t, "the queue is full", func() bool { return s.stats(t).Jobs == 1 })
	a := s.must(t, `{"prompt": "q"}`)
	if a.code != 429 || a.errorField("type") != "rate_limit_error" {
		t.Errorf("%d %v", a.code, a.body)
	}
	var seconds, millis int
	fmt.Sscan(a.header.Get("Retry-After"), &seconds)
	fmt.Sscan(a.header.Get("Retry-After-Ms"), &millis)
	if seconds < 1 || seconds*1000 < millis || (seconds-1)*1000 >= millis {
		t.Errorf("Retry-After %q, Retry-After-Ms %q", a.header.Get("Retry-After"), a.header.Get("Retry-After-Ms"))
	}
	cancel()
	waiting.Wait()
}

func TestAStoppingServerRefusesAndThenLetsGo(t *testing.T) {
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) { c.Ready = func(context.Context) error { return nil } })
	if code, text := s.get(t, "/readyz"); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	waits := make(chan answer, 1)
	go func() {
		a, _ := s.post(t, t.Context(), `{"prompt": "p"}`)
		waits <- a
	}()
	eventually(t, "the job is queued", func() bool { return s.stats(t).Jobs == 1 })
	s.stop()
	if code, text := s.get(t, "/readyz"); code != 503 || !strings.Contains(text, "shutting down") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := s.get(t, "/healthz"); code != 200 {
		t.Errorf("healthz %d", code)
	}
	if a := s.must(t, `{"prompt": "p"}`); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", a.code, a.body)
	}
	s.stopped()
	if a := <-waits; a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestAClosedQueueAndADroppedJobAreAnswered(t *testing.T) {
	for what, want := range map[string]int{"close": 503, "drop": 410} {
		id := make(chan job.ID, 1)
		waits := make(chan answer, 1)
		s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) { c.Queue = telling{c.Queue, id} })
		go func() {
			a, _ := s.post(t, t.Context(), `{"prompt": "p"}`)
			waits <- a
		}()
		if got := <-id; what == "drop" {
			if err := s.q.Drop(t.Context(), got); err != nil {
				t.Error(err)
			}
		} else if err := s.q.Close(); err != nil {
			t.Error(err)
		}
		if a := <-waits; a.code != want {
			t.Errorf("%s: %d %v, expected %d", what, a.code, a.body, want)
		}
	}
}

// telling tells the ID of a job that is watched.
type telling struct {
	Queue
	id chan<- job.ID
}

func (q telling) Watch(ctx context.Context, id job.ID, watcher string) (<-chan job.Update, error) {
	updates, err := q.Queue.Watch(ctx, id, watcher)
	q.id <- id
	return updates, err
}

func TestReadinessSaysWhyNot(t *testing.T) {
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) {
		c.Ready = func(context.Context) error {
			return &job.Error{Kind: job.Unavailable, Message: "no worker", Cause: errors.New("hidden")}
		}
	})
	if code, text := s.get(t, "/readyz"); code != 503 || text != "not ready: no worker\n" {
		t.Errorf("%d %q", code, text)
	}
}

func TestWithoutModel(t *testing.T) {
	h := New(Config{})
	r := httptest.NewRequest(http.MethodPost, "/v1/images/generations", strings.NewReader(`{"prompt": "p"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 503 {
		t.Errorf("status %d", w.Code)
	}
	for path, want := range map[string]string{"/": "has no model yet", "/healthz": "ok", "/readyz": "without a model", "/nowhere": `"type":"invalid_request_error"`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}
