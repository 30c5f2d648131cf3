package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"cosmicman/scheduler"
)

func TestEveryRequestIsMeteredUnderFewNames(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) {
		c.Meter = func(method string) func(string, int, int64) {
			return func(route string, status int, bytes int64) {
				mu.Lock()
				defer mu.Unlock()
				if bytes == 0 {
					t.Errorf("%s %s: no bytes", method, route)
				}
				seen[fmt.Sprint(method, " ", route, " ", status)]++
			}
		}
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) })
	})
	for i := range 100 {
		s.get(t, fmt.Sprint("/v1/nowhere/", i))
		s.get(t, fmt.Sprint("/", i))
	}
	s.must(t, `{"prompt": "p"}`)
	s.must(t, `{"prompt": 3}`)
	if _, text := s.get(t, "/metrics"); text != "metrics" {
		t.Error(text)
	}
	s.Close()
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{"GET  404": 200, "POST /v1/images/generations 200": 1, "POST /v1/images/generations 400": 1, "GET /metrics 200": 1}
	for name, n := range want {
		if seen[name] != n {
			t.Errorf("%s: %d, expected %d", name, seen[name], n)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%v", seen)
	}
}

func TestWithoutMetricsThereIsNoRoute(t *testing.T) {
	w := httptest.NewRecorder()
	New(Config{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}
