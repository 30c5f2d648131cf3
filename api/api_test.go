package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echoDrawer answers with the job it was given, as a PNG never would.
type echoDrawer struct{ got Job }

func (d *echoDrawer) Draw(_ context.Context, j Job) ([]Image, error) {
	d.got = j
	if j.Width == 7 {
		return nil, &FieldError{"width", "is 7, expected a multiple of 8"}
	}
	return make([]Image, j.Count), nil
}

func post(t *testing.T, h http.Handler, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/images/generations", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, out
}

func TestGenerations(t *testing.T) {
	d := &echoDrawer{}
	h := New(Config{Model: "m", Drawer: d})
	code, out := post(t, h, `{"prompt": "p", "n": 2, "size": "64x96", "seed": 5, "model": "m", "response_format": "b64_json"}`)
	if code != 200 || len(out["data"].([]any)) != 2 || d.got.Width != 64 || d.got.Height != 96 || *d.got.Seed != 5 {
		t.Errorf("%d %v, job %+v", code, out, d.got)
	}
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
		`{"prompt": "p", "size": "7x8"}`:    {400, "width"},
		`{"prompt": "p", "seed": -1}`:       {400, "seed"},
		`{"prompt": "p", "colour": "red"}`:  {400, "colour"},
		`{"prompt": "p", "model": "other"}`: {404, "model"},
		"{\"prompt\": \"\xff\"}":            {400, ""},
		`{"prompt": "p", "response_format": "url"}`:        {400, "response_format"},
		`{"prompt": "` + strings.Repeat("x", 32001) + `"}`: {400, "prompt"},
		`{"prompt": "` + strings.Repeat("x", 2<<20) + `"}`: {413, ""},
	} {
		code, out := post(t, h, body)
		e, _ := out["error"].(map[string]any)
		param, _ := e["param"].(string)
		if code != want.code || param != want.param || e["message"] == "" {
			t.Errorf("%.60q: %d %v, want %d about %q", body, code, out, want.code, want.param)
		}
	}
}

func TestWithoutModel(t *testing.T) {
	h := New(Config{})
	if code, _ := post(t, h, `{"prompt": "p"}`); code != 503 {
		t.Errorf("status %d", code)
	}
	for path, want := range map[string]string{"/": "has no model yet", "/healthz": "ok", "/nowhere": `"type":"invalid_request_error"`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}
