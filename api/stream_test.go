package api

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// event is one server-sent event.
type event struct {
	name string
	data map[string]any
}

// listen sends a body and reads the events of its answer, each as it comes. Comments
// are events without a name.
func (s *site) listen(t *testing.T, ctx context.Context, body string, header ...string) (*http.Response, <-chan event) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+routePaths[generations], strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan event)
	go func() {
		defer close(out)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 64<<20)
		e := event{}
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				if err := json.Unmarshal([]byte(line[6:]), &e.data); err != nil {
					t.Errorf("%.100s: %v", line, err)
				}
			case line == "":
				out <- e
				e = event{}
			case !strings.HasPrefix(line, ":"):
				t.Errorf("%.100q is no line of an event stream", line)
			}
		}
	}()
	return res, out
}

// named leaves the comments out.
func named(in <-chan event) (out []event) {
	for e := range in {
		if e.name != "" {
			out = append(out, e)
		}
	}
	return out
}

// partials draws with n previews of each image, of both kinds.
func (s *site) partials(t *testing.T, l scheduler.Lease, n int) {
	// Watchers that are behind miss previews, so each has its time.
	for i := range n {
		for _, kind := range []job.PreviewKind{job.Sketch, job.Partial} {
			p := job.Preview{Image: l.Ref.Image, Kind: kind, Index: i, Type: "image/png", Data: fmt.Appendf(nil, "%s %d of %d", kind, i, l.Ref.Image)}
			if err := s.q.Progress(t.Context(), l.Ref, job.Progress{Done: i + 1, All: n + 1}, &p); err != nil {
				t.Error(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func TestAStreamTellsPartialImagesAndEachThatIsCompleted(t *testing.T) {
	var s *site
	ready := make(chan struct{})
	s = open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		<-ready
		s.partials(t, l, l.Spec.Drawing.Previews)
		return echoed(l)
	})
	close(ready)
	res, in := s.listen(t, t.Context(), `{"prompt": "a b c", "n": 2, "stream": true, "partial_images": 2, "size": "64x96", "seed": 5, "quality": "hd"}`)
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 || !strings.HasPrefix(kind, "text/event-stream") || res.Header.Get("Cache-Control") == "" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	var told []string
	for _, e := range named(in) {
		data, err := base64.StdEncoding.DecodeString(e.data["b64_json"].(string))
		if err != nil {
			t.Error(err)
		}
		told = append(told, fmt.Sprintf("%s %v %s", e.name, e.data["image_index"], data))
		if e.data["type"] != e.name || e.data["size"] != "64x96" || e.data["quality"] != "high" || e.data["background"] != "opaque" || e.data["output_format"] != "png" {
			t.Errorf("%v", e.data)
		}
		if at := time.Unix(int64(e.data["created_at"].(float64)), 0); time.Since(at) > time.Minute || time.Since(at) < -time.Minute {
			t.Errorf("created at %v", at)
		}
		_, partial := e.data["partial_image_index"]
		counted, completed := e.data["usage"].(map[string]any)
		if partial == completed {
			t.Errorf("%v", e.data)
		}
		if completed && (counted["input_tokens"] != 3.0 || counted["output_tokens"] != 24.0 || counted["total_tokens"] != 27.0) {
			t.Errorf("usage %v", counted)
		}
	}
	want := []string{
		"image_generation.partial_image 0 partial 0 of 0", "image_generation.partial_image 0 partial 1 of 0", "image_generation.completed 0 a b c 5",
		"image_generation.partial_image 1 partial 0 of 1", "image_generation.partial_image 1 partial 1 of 1", "image_generation.completed 1 a b c 6",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

func TestAnErrorIsAStatusBeforeAStreamAndAnEventWithinIt(t *testing.T) {
	s := open(t, scheduler.Options{MaxAttempts: 1}, func(l scheduler.Lease) ([]byte, *job.Error) {
		if l.Ref.Image == 1 {
			return nil, &job.Error{Kind: job.Engine, Message: "told", Cause: errors.New("hidden")}
		}
		return echoed(l)
	})
	if a := s.must(t, `{"prompt": "p", "stream": true, "model": "other"}`); a.code != 404 || a.errorField("code") != "model_not_found" {
		t.Errorf("%d %v", a.code, a.body)
	}
	const body = `{"prompt": "p", "stream": true, "n": 2}`
	res, in := s.listen(t, t.Context(), body, "Idempotency-Key", "k")
	all := named(in)
	if res.StatusCode != 200 || len(all) == 0 {
		t.Fatalf("%d %v", res.StatusCode, all)
	}
	last := all[len(all)-1]
	e, _ := last.data["error"].(map[string]any)
	if last.name != "error" || last.data["type"] != "error" || e["message"] != "told" || e["code"] != "generation_failed" || e["type"] != "server_error" || len(e) != 4 {
		t.Errorf("%v", last)
	}
	// Now it is known beforehand.
	if a := s.must(t, body, "Idempotency-Key", "k"); a.code != 500 || a.errorField("message") != "told" {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestAKeyedStreamThatIsRepeatedTellsTheSameImage(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	var all []any
	for range 2 {
		_, in := s.listen(t, t.Context(), `{"prompt": "p", "stream": true}`, "Idempotency-Key", "k")
		for _, e := range named(in) {
			all = append(all, e.data["b64_json"])
		}
	}
	if len(all) != 2 || all[0] != all[1] || len(s.drawn) != 1 {
		t.Errorf("%v, %d were drawn", all, len(s.drawn))
	}
}

func TestWhenAStreamsClientGoesTheJobIsCancelled(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	_, in := s.listen(t, ctx, `{"prompt": "p", "stream": true}`)
	<-in // the first comment
	if jobs := s.stats(t).Jobs; jobs != 1 {
		t.Fatalf("%d jobs", jobs)
	}
	cancel()
	named(in)
	eventually(t, "the job is cancelled", func() bool { return s.stats(t).Jobs == 0 })
}

func TestAStreamWithNothingToTellIsKeptAlive(t *testing.T) {
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) { c.beat = 10 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	_, in := s.listen(t, ctx, `{"prompt": "p", "stream": true}`)
	for range 3 {
		if e := <-in; e.name != "" {
			t.Errorf("%v", e)
		}
	}
	cancel()
	named(in)
}

func TestAStreamEndsWithAnErrorWhenTheServerLetsGo(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	_, in := s.listen(t, t.Context(), `{"prompt": "p", "stream": true}`)
	<-in
	s.stop()
	s.stopped()
	if all := named(in); len(all) != 1 || all[0].name != "error" {
		t.Errorf("%v", all)
	}
}

// A client that asks and never reads is given up, its work ends, and nobody else
// waits for it.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	for _, stream := range []string{"true", "false"} {
		image := make([]byte, 32<<20) // more than what the system keeps for the client
		finished := make(chan struct{}, 10)
		s := open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
			defer func() { finished <- struct{}{} }()
			if l.Spec.Drawing.Prompt == "small" {
				return []byte("small"), nil
			}
			return image, nil
		}, func(c *Config, _ *http.Server) { c.patience = 300 * time.Millisecond })
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		body := `{"prompt": "large", "n": 2, "response_format": "b64_json", "stream": ` + stream + `}`
		fmt.Fprintf(conn, "POST /v1/images/generations HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		<-finished
		<-finished
		if a := s.must(t, `{"prompt": "small"}`); a.code != 200 {
			t.Errorf("%d %v", a.code, a.body)
		}
		// With the connection still open, the handlers end.
		ended := make(chan struct{})
		go func() {
			s.Config.SetKeepAlivesEnabled(false)
			if err := s.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Error("the handler still writes to a client that does not read")
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
