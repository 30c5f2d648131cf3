package api

import (
	"context"
	"image"
	"net/http"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestModelsAreListedInOpenAIsShape(t *testing.T) {
	var fails error
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) {
		c.Models = func(context.Context) ([]Model, error) {
			return []Model{
				{ID: "people", Created: time.Unix(1700000000, 0), Family: "sd", Native: image.Pt(512, 768), Largest: 1536, Loaded: true, Samplers: []string{"ddim", "euler"}},
				{ID: "org/name@v1", Largest: 2048, Samplers: []string{}},
				{ID: "gpt-image-1", AliasOf: "people", Largest: 1536, Samplers: []string{"ddim"}},
			}, fails
		}
	})
	a := s.ask(t, "GET", "/v1/models")
	data, _ := a.body["data"].([]any)
	if a.code != 200 || a.body["object"] != "list" || len(data) != 3 {
		t.Fatalf("%d %v", a.code, a.body)
	}
	for i, want := range []map[string]any{
		{"id": "people", "object": "model", "created": 1.7e9, "owned_by": "cosmicman", "family": "sd", "native_size": "512x768", "largest_size": "1536x1536", "loaded": true, "alias_of": nil},
		{"id": "org/name@v1", "created": 0.0, "family": nil, "native_size": nil, "loaded": false},
		{"id": "gpt-image-1", "alias_of": "people"},
	} {
		for name, value := range want {
			if got, there := data[i].(map[string]any)[name]; !there || got != value {
				t.Errorf("%s of %v is %v, expected %v", name, want["id"], got, value)
			}
		}
	}
	for path, want := range map[string]string{
		"people": "people", "org/name@v1": "org/name@v1", "org%2Fname%40v1": "org/name@v1", "org%2fname@v1": "org/name@v1", "gpt-image-1": "gpt-image-1",
		"other": "", "org": "", "": "", "people/": "", "%2e%2e/people": "", "people%00": "", "%ff": "",
	} {
		a := s.ask(t, "GET", "/v1/models/"+path)
		if want != "" && (a.code != 200 || a.body["id"] != want) || want == "" && (a.code != 404 || a.errorField("code") != "model_not_found") {
			t.Errorf("%q: %d %v", path, a.code, a.body)
		}
	}
	if a := s.ask(t, "HEAD", "/v1/models/people"); a.code != 200 {
		t.Errorf("HEAD: %d", a.code)
	}
	fails = job.Errorf(job.Unavailable, "the queue cannot be reached")
	if a := s.ask(t, "GET", "/v1/models"); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", a.code, a.body)
	}
}

func TestWithoutAModelTheListIsEmpty(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	if a := s.ask(t, "GET", "/v1/models"); a.code != 200 || a.body["data"] == nil || len(a.body["data"].([]any)) != 0 {
		t.Errorf("%d %v", a.code, a.body)
	}
}
