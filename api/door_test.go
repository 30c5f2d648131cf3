package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// withLog has a site log every line as JSON.
func withLog(l *lines) func(*Config, *http.Server) {
	return func(c *Config, _ *http.Server) {
		c.Log = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

// direct sends a request to a handler without a network.
func direct(h http.Handler, method, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func TestHostsThatAreNotAllowedAreRefused(t *testing.T) {
	h := New(Config{Hosts: []string{"localhost", "draw.example.org"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LocalHost:1": 200, "localhost.:80": 200, "127.0.0.1": 200, "127.0.0.1:8080": 200, "127.9.9.9": 200,
		"[::1]:8080": 200, "[::1]": 200, "[::ffff:127.0.0.1]:80": 200, "draw.example.org": 200, "DRAW.example.org:443": 200,
		"evil.example": 403, "evil.example:8080": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "[::2]:80": 403,
		"draw.example.org.evil.example": 403, "": 403, ":80": 403, "[": 403, "0.0.0.0": 403, "2130706433": 403, "localhost@evil.example": 403,
	} {
		for path, want := range map[string]int{"/": want, "/healthz": 200} {
			if w := direct(h, http.MethodGet, path, func(r *http.Request) { r.Host = host }); w.Code != want {
				t.Errorf("Host %q: %s is answered %d, expected %d", host, path, w.Code, want)
			}
		}
	}
	if w := direct(New(Config{}), http.MethodGet, "/", func(r *http.Request) { r.Host = "any.example" }); w.Code != 200 {
		t.Errorf("without a list: %d", w.Code)
	}
}

func FuzzHostAllowed(f *testing.F) {
	for _, seed := range []string{"localhost", "127.0.0.1:80", "[::1]:80", "draw.example.org.", "evil.example", "[", "::1", "a:b:c", "", "[fe80::1%25lo]:1", "localhost:80@evil.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !hostAllowed([]string{"localhost", "draw.example.org"}, host) {
			return
		}
		name := host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
		name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
		name, _, _ = strings.Cut(name, "%") // a zone
		if ip := net.ParseIP(name); name != "localhost" && name != "draw.example.org" && (ip == nil || !ip.IsLoopback()) {
			t.Errorf("%q is let in", host)
		}
	})
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Origin", s.URL}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", s.URL}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, 403},
	} {
		if a := s.must(t, `{"prompt": "p"}`, c.header...); a.code != c.want || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: %d %v", c.header, a.code, a.header)
		}
	}
}

func TestAllowedOriginsMayCall(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) {
		c.Origins, c.PublicURL = []string{"https://app.example"}, "https://draw.example/images"
	})
	for origin, want := range map[string]struct {
		code    int
		allowed string
	}{
		"https://app.example":  {200, "https://app.example"},
		"https://draw.example": {200, ""}, // the page itself, behind a proxy
		"http://app.example":   {403, ""},
		"https://evil.example": {403, ""},
	} {
		a := s.must(t, `{"prompt": "p"}`, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		if a.code != want.code || a.header.Get("Access-Control-Allow-Origin") != want.allowed {
			t.Errorf("%s: %d %q", origin, a.code, a.header.Get("Access-Control-Allow-Origin"))
		}
	}
	// A browser asks before it sends; without a key, which it cannot give then.
	h := New(Config{Origins: []string{"https://app.example"}, Keys: keys(t, "a:secret-of-a")})
	ask := func(origin string) *httptest.ResponseRecorder {
		return direct(h, http.MethodOptions, routePaths[generations], with("Origin", origin), with("Access-Control-Request-Method", "POST"), with("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os"))
	}
	if w := ask("https://app.example"); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "authorization,content-type,x-stainless-os") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask("https://evil.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestWhatHasNoRouteIsAnsweredInOpenAIsShape(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	for _, c := range []struct {
		method, path, code, allow string
		status                    int
	}{
		{"GET", "/nowhere", "unknown_url", "", 404},
		{"GET", "/v1/images/nowhere", "unknown_url", "", 404},
		{"POST", "/v1/jobs", "unknown_url", "", 404},
		{"PUT", routePaths[generations], "method_not_allowed", "POST", 405},
		{"GET", routePaths[generations], "method_not_allowed", "POST", 405},
		{"PATCH", jobsPath + "x", "method_not_allowed", "GET", 405},
	} {
		a := s.ask(t, c.method, c.path)
		if a.code != c.status || a.errorField("code") != c.code || a.errorField("type") != "invalid_request_error" || !strings.Contains(a.header.Get("Allow"), c.allow) {
			t.Errorf("%s %s: %d %v %v", c.method, c.path, a.code, a.body, a.header)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := s.ask(t, "HEAD", path); a.code == 405 {
			t.Errorf("HEAD %s: %d", path, a.code)
		}
	}
}

// What can be read can be asked for without its body.
func TestEveryPageHasAHead(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") })
	})
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/swagger/", "/swagger/swagger-ui.css", "/v1/models", "/v1/prompts"} {
		whole, _ := s.do(t, http.MethodGet, path, "")
		head, body := s.do(t, http.MethodHead, path, "")
		if head.StatusCode != whole.StatusCode || head.Header.Get("Content-Type") != whole.Header.Get("Content-Type") || len(body) > 0 {
			t.Errorf("%s: %d %v, %d bytes, but GET %d %v", path, head.StatusCode, head.Header, len(body), whole.StatusCode, whole.Header)
		}
	}
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	var log lines
	s := open(t, scheduler.Options{}, echoed, withLog(&log))
	if a := s.must(t, `{"prompt": "p"}`, requestIDHeader, "my-id.1"); a.header.Get(requestIDHeader) != "my-id.1" {
		t.Errorf("%v", a.header)
	}
	seen := map[string]bool{}
	for _, given := range [][]string{nil, {""}, {"a b"}, {"<script>"}, {strings.Repeat("x", 129)}, {"a", "b"}, {"\xff"}, {"-"}} {
		var header []string
		for _, g := range given {
			header = append(header, requestIDHeader, g)
		}
		id := s.ask(t, "GET", "/nowhere", header...).header.Get(requestIDHeader)
		if !strings.HasPrefix(id, "req_") || len(id) != 30 || seen[id] {
			t.Errorf("%q: %q", given, id)
		}
		seen[id] = true
	}
	s.Close()
	if !strings.Contains(log.String(), `"request":"my-id.1"`) {
		t.Error(log.String())
	}
}

// A browser that opens the page asks for some thirty files, a probe every second.
func TestWhatIsAskedAllTheTimeIsLoggedForThoseWhoDebug(t *testing.T) {
	var log lines
	s := open(t, scheduler.Options{}, echoed, withLog(&log))
	want := map[string]string{"/": "INFO", "/healthz": "DEBUG", assetsPath + page.version + "/app.js": "DEBUG", "/v1/models": "INFO"}
	for path := range want {
		s.get(t, path)
	}
	s.Close()
	for line := range strings.Lines(log.String()) {
		var l struct{ Msg, Route, Level string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		for path, level := range want {
			if l.Msg == "request" && (path == l.Route || strings.HasPrefix(path, assetsPath) && l.Route == assetRoute) {
				if l.Level != level {
					t.Errorf("%s is logged as %s, expected %s", path, l.Level, level)
				}
				delete(want, path)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("%v are not logged:\n%s", want, log.String())
	}
}

func TestTheLogHoldsNoSecrets(t *testing.T) {
	var log lines
	s := open(t, scheduler.Options{MaxAttempts: 1}, func(l scheduler.Lease) ([]byte, *job.Error) {
		if l.Spec.Drawing.Seed == 1 {
			return nil, &job.Error{Kind: job.Engine, Message: "the engine failed", Cause: errors.New("cause")}
		}
		return echoed(l)
	}, withLog(&log), func(c *Config, _ *http.Server) { c.Keys = keys(t, "alice:Sec-ret-Key:generate+admin") })
	auth := []string{"Authorization", "Bearer Sec-ret-Key", "Idempotency-Key", "Sec-ret-Idem"}
	s.must(t, `{"prompt": "Sec-ret-Prompt", "user": "Sec-ret-User", "negative_prompt": "Sec-ret-Negative"}`, auth...)
	s.must(t, `{"prompt": "Sec-ret-Prompt", "Sec-ret-Field": 1}`, auth...)
	s.must(t, `{"prompt": "Sec-ret-Prompt", "seed": 1}`, auth[:2]...)
	s.must(t, `{"prompt": "Sec-ret-Prompt"}`, "Authorization", "Bearer Sec-ret-Wrong")
	for _, path := range []string{"/v1/images/files/Sec-ret-File", "/Sec-ret-Path", "/v1/jobs/Sec-ret-Job?key=Sec-ret-Query"} {
		s.ask(t, "GET", path, append(auth, "Cookie", "Sec-ret-Cookie", "User-Agent", "Sec-ret-Agent")...)
	}
	s.Close()
	if text := log.String(); strings.Contains(text, "Sec-ret") {
		t.Error(text)
	}
	requests, failures := 0, 0
	for line := range strings.Lines(log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l["request"] == nil {
			t.Errorf("no request ID: %s", line)
		}
		switch l["msg"] {
		case "request":
			requests++
			if l["route"] == routePaths[generations] && l["status"] == 200.0 && (l["tenant"] != "alice" || l["job"] == nil || l["took"] == nil || l["method"] != "POST") {
				t.Errorf("%s", line)
			}
		case "a request failed":
			failures++
		}
	}
	if requests != 7 || failures != 1 {
		t.Errorf("%d requests and %d failures are logged:\n%s", requests, failures, log.String())
	}
}

func TestAPanicIsAnAnswerAndALogLine(t *testing.T) {
	var log lines
	c := Config{Log: slog.New(slog.NewTextHandler(&log, nil))}
	e := newRoutes(c)
	e.GET("/panics", func(echo.Context) error { panic("the reason") })
	e.GET("/breaks", func(c echo.Context) error {
		c.Response().Header().Set("Content-Length", "100")
		_, _ = c.Response().Write([]byte("half"))
		c.Response().Flush()
		panic("later")
	})
	s := httptest.NewServer(e)
	defer s.Close()
	res, err := s.Client().Get(s.URL + "/panics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 500 || !strings.Contains(string(body), `"code":"internal_error"`) || strings.Contains(string(body), "the reason") {
		t.Errorf("%d %s, %v", res.StatusCode, body, err)
	}
	res, err = s.Client().Get(s.URL + "/breaks")
	if err != nil {
		t.Fatal(err)
	}
	if body, err = io.ReadAll(res.Body); err == nil {
		t.Errorf("an answer that was cut off is taken for whole: %s", body)
	}
	_ = res.Body.Close()
	for _, want := range []string{"the reason", "later", "door_test.go", "request=req_"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log.String())
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	for _, path := range []string{"/", "/healthz", "/nowhere", jobsPath + "x"} {
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if res.Header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, res.Header.Get(name))
			}
		}
		if cached := res.Header.Get("Cache-Control"); path == jobsPath+"x" && cached != "no-store" {
			t.Errorf("%s: %q", path, cached)
		}
	}
}

// TestAThousandConnectionsAreServed holds as many requests that wait for an image while
// others are answered.
func TestAThousandConnectionsAreServed(t *testing.T) {
	const clients = 1000
	release := make(chan struct{})
	s := open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		<-release
		return echoed(l)
	}, func(c *Config, _ *http.Server) { c.Log = nil })
	s.Client().Transport.(*http.Transport).DialContext = (&net.Dialer{Timeout: time.Minute}).DialContext
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			a, err := s.post(t, t.Context(), fmt.Sprintf(`{"prompt": "p", "seed": %d, "response_format": "url"}`, i))
			if err != nil || a.code != 200 || a.body["data"].([]any)[0].(map[string]any)["seed"] != float64(i) {
				t.Errorf("%d: %+v, %v", i, a, err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return s.stats(t).Jobs == clients })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := s.Client().Do(r); err != nil {
		t.Error(err)
	} else {
		_ = res.Body.Close()
	}
	close(release)
	all.Wait()
}
