package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// ask sends a request without a body and reads an answer in JSON.
func (s *site) ask(t *testing.T, method, path string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{code: res.StatusCode, header: res.Header}
	if err := json.NewDecoder(res.Body).Decode(&a.body); err != nil && method != http.MethodHead && res.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s: %d: %v", method, path, res.StatusCode, err)
	}
	return a
}

// accept has a job accepted asynchronously and returns where it is.
func (s *site) accept(t *testing.T, body string, header ...string) string {
	t.Helper()
	a := s.must(t, body, append(header, "Prefer", "respond-async")...)
	if a.code != 202 || a.header.Get("Preference-Applied") != "respond-async" || a.header.Get("Location") != jobsPath+a.body["id"].(string) {
		t.Fatalf("%d %v %v", a.code, a.header, a.body)
	}
	return a.header.Get("Location")
}

// told is one event of a job.
type told struct {
	id, name string
	data     map[string]any
}

// follow reads the events of a stream until it ends.
func (s *site) follow(t *testing.T, path string, header ...string) <-chan told {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 || kind != "text/event-stream; charset=utf-8" {
		t.Fatalf("%s: %d %s", path, res.StatusCode, kind)
	}
	events := make(chan told, 100)
	go func() {
		defer close(events)
		defer res.Body.Close()
		var e told
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					t.Errorf("%s: %v", value, err)
				}
				events <- e
				e = told{}
			}
		}
	}()
	return events
}

func TestAnAsynchronousJobIsAcceptedAndLaterAnswered(t *testing.T) {
	release := make(chan struct{})
	s := open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		<-release
		return echoed(l)
	}, func(c *Config, _ *http.Server) { c.Keep = time.Hour })
	where := s.accept(t, `{"prompt": "p", "n": 2, "seed": 5, "response_format": "b64_json"}`)
	eventually(t, "an image is being drawn", func() bool { return s.stats(t).Running == 1 })
	a := s.ask(t, "GET", where)
	for name, want := range map[string]any{
		"object": "image.job", "status": "in_progress", "progress": 0.0, "position": 0.0, "model": "m", "completed_at": nil, "expires_at": nil, "error": nil, "result": nil,
	} {
		if got, there := a.body[name]; got != want || !there {
			t.Errorf("%s is %v, expected %v", name, got, want)
		}
	}
	if age := time.Since(time.Unix(int64(a.body["created_at"].(float64)), 0)); age < 0 || age > time.Minute {
		t.Errorf("created %v ago", age)
	}
	close(release)
	eventually(t, "the job is completed", func() bool { a = s.ask(t, "GET", where); return a.body["status"] == "completed" })
	if a.body["progress"] != 100.0 || a.body["expires_at"] != a.body["completed_at"].(float64)+3600 || a.body["error"] != nil {
		t.Errorf("%v", a.body)
	}
	data := a.body["result"].(map[string]any)["data"].([]any)
	if len(data) != 2 || data[1].(map[string]any)["b64_json"] != "cCA2" || data[1].(map[string]any)["seed"] != 6.0 {
		t.Errorf("%v", data)
	}
	if h := s.ask(t, "HEAD", where); h.code != 200 || h.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %+v", h)
	}
}

func TestAnAsynchronousJobOutlivesEverybodyWhoLooks(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	where := s.accept(t, `{"prompt": "p"}`)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+where+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = res.Body.Close()
	}
	s.Close() // waits for the handlers
	if jobs := s.stats(t).Jobs; jobs != 1 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestAKeyIsOneJobForThoseThatWaitAndThoseThatDoNot(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	where := s.accept(t, `{"prompt": "p"}`, "Idempotency-Key", "k")
	waited := s.must(t, `{"prompt": "p"}`, "Idempotency-Key", "k")
	if again := s.accept(t, `{"prompt": "p"}`, "Idempotency-Key", "k"); again != where {
		t.Errorf("%s and %s", where, again)
	}
	a := s.ask(t, "GET", where)
	got := a.body["result"].(map[string]any)["data"].([]any)[0].(map[string]any)["seed"]
	if want := waited.body["data"].([]any)[0].(map[string]any)["seed"]; got != want || len(s.drawn) != 1 {
		t.Errorf("seeds %v and %v, %d drawn", got, want, len(s.drawn))
	}
}

func TestACancelledJobStaysCancelled(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	where := s.accept(t, `{"prompt": "p"}`)
	events := s.follow(t, where+"/events")
	if e := <-events; e.name != "queued" {
		t.Errorf("%+v", e)
	}
	for range 2 {
		a := s.ask(t, "DELETE", where)
		if a.code != 200 || a.body["status"] != "cancelled" || a.body["completed_at"] == nil || a.body["result"] != nil {
			t.Errorf("%d %v", a.code, a.body)
		}
	}
	e := <-events
	if e.name != "cancelled" || e.data["type"] != "cancelled" || e.data["status"] != "cancelled" || e.id == "" {
		t.Errorf("%+v", e)
	}
	if _, more := <-events; more {
		t.Error("the stream goes on after the end")
	}
	if a := s.ask(t, "GET", where+"/events", "Last-Event-ID", e.id); a.code != 204 {
		t.Errorf("who has seen the end is answered %d", a.code)
	}
	if e := <-s.follow(t, where+"/events", "Last-Event-ID", "0"); e.name != "cancelled" {
		t.Errorf("%+v", e)
	}
}

func TestACompletedJobIsNotCancelled(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	where := s.accept(t, `{"prompt": "p"}`)
	eventually(t, "it is completed", func() bool { return s.ask(t, "GET", where).body["status"] == "completed" })
	if a := s.ask(t, "DELETE", where); a.code != 200 || a.body["status"] != "completed" || a.body["result"] == nil {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestAFailedJobSaysWhy(t *testing.T) {
	s := open(t, scheduler.Options{MaxAttempts: 1}, func(scheduler.Lease) ([]byte, *job.Error) {
		return nil, &job.Error{Kind: job.Engine, Message: "told", Cause: context.DeadlineExceeded}
	})
	var last told
	for last = range s.follow(t, s.accept(t, `{"prompt": "p"}`)+"/events") {
	}
	reason, _ := last.data["error"].(map[string]any)
	if last.name != "failed" || reason["message"] != "told" || reason["code"] != "generation_failed" || last.data["completed_at"] == nil || last.data["expires_at"] != nil {
		t.Errorf("%+v", last)
	}
}

func TestEventsTellProgressPreviewsAndTheEnd(t *testing.T) {
	listens, looked := make(chan struct{}), make(chan struct{})
	var s *site
	s = open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		if !l.Spec.Drawing.Sketches {
			t.Error("no sketches are asked for")
		}
		<-listens
		if err := s.q.Progress(t.Context(), l.Ref, job.Progress{Done: 1, All: 4}, &job.Preview{Kind: job.Sketch, Index: 3, Type: "image/jpeg", Data: []byte("sketch")}); err != nil {
			t.Error(err)
		}
		<-looked
		return echoed(l)
	})
	events := s.follow(t, s.accept(t, `{"prompt": "p"}`)+"/events")
	close(listens)
	for e := range events {
		if e.name == "preview" {
			shown, _ := e.data["preview"].(map[string]any)
			if e.data["progress"] != 25.0 || shown["b64_json"] != "c2tldGNo" || shown["kind"] != "sketch" || shown["index"] != 3.0 || shown["media_type"] != "image/jpeg" || shown["image_index"] != 0.0 {
				t.Errorf("%v", e.data)
			}
			break
		}
	}
	close(looked)
	var last told
	for last = range events {
	}
	result, _ := last.data["result"].(map[string]any)
	if last.name != "completed" || last.data["progress"] != 100.0 || len(result["data"].([]any)) != 1 {
		t.Errorf("%+v", last)
	}
}

func TestJobsThatAreNotThere(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	other := job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: 1, Tenant: "other", Model: "m", Count: 1, Detached: true, Drawing: job.Drawing{Prompt: "theirs"}}}
	if _, err := s.q.Submit(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		string(other.ID), string(job.NewID()), "job_", "x", "job_" + strings.Repeat("A", 26), "..", "%2e%2e%2f", "%00", "%ff", strings.Repeat("x", 5000),
	} {
		for method, path := range map[string]string{"GET": "", "DELETE": "", "GET ": "/events"} {
			a := s.ask(t, strings.TrimSpace(method), jobsPath+id+path)
			if a.code != 404 || strings.Contains(a.errorField("message"), "theirs") {
				t.Errorf("%s %.60s%s: %d %v", method, id, path, a.code, a.body)
			}
		}
	}
	if jobs := s.stats(t).Jobs; jobs != 1 {
		t.Errorf("%d jobs, the other tenant's is expected to live on", jobs)
	}
}

func TestAJobWhoseImagesAreGoneHasExpired(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	where := s.accept(t, `{"prompt": "p"}`)
	var a answer
	eventually(t, "it is completed", func() bool { a = s.ask(t, "GET", where); return a.body["status"] == "completed" })
	url := a.body["result"].(map[string]any)["data"].([]any)[0].(map[string]any)["url"].(string)
	if err := s.files.Delete(t.Context(), url[strings.LastIndex(url, "/")+1:]); err != nil {
		t.Fatal(err)
	}
	a = s.ask(t, "GET", where)
	if reason, _ := a.body["error"].(map[string]any); a.body["status"] != "expired" || reason["code"] != "result_expired" || a.body["result"] != nil {
		t.Errorf("%v", a.body)
	}
}

func TestAReaderOfEventsThatStopsReadingIsGivenUp(t *testing.T) {
	given := make(chan struct{})
	var s *site
	s = open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		preview := &job.Preview{Kind: job.Sketch, Type: "image/jpeg", Data: make([]byte, 1<<20)}
		for i := 0; ; i++ {
			begun := time.Now()
			if err := s.q.Progress(t.Context(), l.Ref, job.Progress{Done: i, All: 1000}, preview); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("progress took %v", took)
			}
			select {
			case <-given:
				return echoed(l)
			case <-t.Context().Done():
				return nil, job.Errorf(job.Engine, "the reader was never given up")
			case <-time.After(time.Millisecond):
			}
		}
	}, func(c *Config, _ *http.Server) {
		c.patience = 200 * time.Millisecond
		c.Meter = func(string) func(string, int, int64) {
			return func(route string, _ int, _ int64) {
				if strings.HasSuffix(route, "/events") {
					close(given)
				}
			}
		}
	})
	where := s.accept(t, `{"prompt": "p"}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+where+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	eventually(t, "it is completed", func() bool { return s.ask(t, "GET", where).body["status"] == "completed" })
}
