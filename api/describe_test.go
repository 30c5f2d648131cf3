package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"cosmicman/openapi"
	"cosmicman/scheduler"
)

var update = flag.Bool("update", false, "write openapi/openapi.json")

func TestTheDescriptionIsUpToDate(t *testing.T) {
	got, err := describe(openapi.Generated)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("../openapi/openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, openapi.Document) {
		t.Error("openapi/openapi.json is not what the annotations and the table of fields say: make openapi")
	}
}

// undescribed are routes for people, not for programs.
var undescribed = regexp.MustCompile(`^(/|/assets/.*|/swagger.*|/metrics|/openapi\.json)$`)

func TestEveryRouteIsDescribed(t *testing.T) {
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(openapi.Document, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths {
		for method := range item {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	routed := map[string]bool{}
	e := New(Config{}).(*echo.Echo)
	for _, r := range e.Routes() {
		if r.Method == http.MethodHead || r.Method == echo.RouteNotFound || undescribed.MatchString(r.Path) {
			continue
		}
		name := r.Method + " " + regexp.MustCompile(`:(\w+)|\*`).ReplaceAllStringFunc(r.Path, func(s string) string {
			if s == "*" {
				return "{id}"
			}
			return "{" + s[1:] + "}"
		})
		routed[name] = true
		if !described[name] {
			t.Errorf("%s has no description", name)
		}
	}
	for name := range described {
		if !routed[name] {
			t.Errorf("%s is described and there is no such route", name)
		}
	}
	if len(routed) < 5 {
		t.Errorf("%d routes", len(routed))
	}
}

func TestTheFieldsOfBodiesAreDescribed(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Description string
					Enum        []any
				}
				AdditionalProperties any `json:"additionalProperties"`
			}
		}
	}
	if err := json.Unmarshal(openapi.Document, &doc); err != nil {
		t.Fatal(err)
	}
	for name, on := range map[string]routes{"GenerationsBody": generations, "EditsBody": edits, "EditsForm": edits, "VariationsForm": variations} {
		s := doc.Components.Schemas[name]
		for _, f := range fields {
			p, is := s.Properties[f.name]
			if is != (f.on&on != 0) || is && (p.Description == "" || f.choices != nil && !slices.Contains(p.Enum, any(f.choices[0]))) {
				t.Errorf("%s: %s: %+v", name, f.name, p)
			}
		}
		if s.AdditionalProperties != false {
			t.Errorf("%s takes other fields", name)
		}
	}
}

// What Swagger UI offers to send is answered.
func TestTheExamplesCanBeSent(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			} `json:"requestBody"`
		}
	}
	if err := json.Unmarshal(openapi.Document, &doc); err != nil {
		t.Fatal(err)
	}
	s := open(t, scheduler.Options{}, echoed)
	sent := 0
	for path, item := range doc.Paths {
		body, is := item["post"].RequestBody.Content["application/json"]
		if !is {
			continue
		}
		sent++
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, bytes.NewReader(body.Example))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"warnings"`)) {
			t.Errorf("%s: %s: %d %s %v", path, body.Example, res.StatusCode, text, err)
		}
		res.Body.Close()
	}
	if sent != 3 {
		t.Errorf("%d routes take JSON", sent)
	}
}
