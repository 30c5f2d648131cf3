package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func TestLoRAsAreListed(t *testing.T) {
	var fails error
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) {
		c.LoRAs = func(context.Context) ([]LoRA, error) {
			return []LoRA{
				{Name: "some/portrait", Modified: time.Unix(1700000000, 0), Bytes: 99, Rank: 16, Parts: []string{"unet"}, Models: []string{"people"}},
				{Name: "other", Problem: "no tensors: not a LoRA file"},
			}, fails
		}
	})
	a := s.ask(t, "GET", "/v1/loras")
	data, _ := a.body["data"].([]any)
	want := []any{
		map[string]any{"id": "some/portrait", "object": "lora", "created": 1.7e9, "bytes": 99.0, "rank": 16.0, "parts": []any{"unet"}, "models": []any{"people"}, "problem": nil},
		map[string]any{"id": "other", "object": "lora", "created": float64(time.Time{}.Unix()), "bytes": 0.0, "rank": nil, "parts": []any{}, "models": []any{}, "problem": "no tensors: not a LoRA file"},
	}
	if a.code != 200 || a.body["object"] != "list" || !reflect.DeepEqual(data, want) {
		t.Errorf("%d %v", a.code, a.body)
	}
	fails = job.Errorf(job.Unavailable, "the LoRAs cannot be listed")
	if a := s.ask(t, "GET", "/v1/loras"); a.code != 503 {
		t.Errorf("%d %v", a.code, a.body)
	}
	none := open(t, scheduler.Options{}, nil)
	if a := none.ask(t, "GET", "/v1/loras"); a.code != 200 || fmt.Sprint(a.body["data"]) != "[]" {
		t.Errorf("without a list: %d %v", a.code, a.body)
	}
}

// A list of LoRAs in JSON, and in the parts that OpenAI's libraries make of it.
func TestLoRAsOfARequest(t *testing.T) {
	type parts []string // names and texts in turn
	want := []job.LoRA{{Name: "some/portrait", Weight: 1}, {Name: "b", Weight: -0.5}}
	for what, p := range map[string]parts{
		"JSON":          {"lora", `[{"name": "some/portrait"}, {"weight": -0.5, "name": "b"}]`},
		"null weight":   {"lora", `[{"name": "some/portrait", "weight": null}, {"weight": -5e-1, "name": "b"}]`},
		"brackets":      {"lora[][name]", "some/portrait", "lora[][name]", "b", "lora[][weight]", "-0.5"},
		"with a weight": {"lora[][name]", "some/portrait", "lora[][weight]", "1", "lora[][name]", "b", "lora[][weight]", "-0.5"},
		"numbers":       {"lora[0][name]", "some/portrait", "lora[1][weight]", "-0.5", "lora[1][name]", "b"},
	} {
		var given []member
		for i := 0; i < len(p); i += 2 {
			given = append(given, member{p[i], value{raw: []byte(p[i+1]), form: true}})
		}
		members, err := nested(given)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		r, err := readRequest(variations, members)
		if err != nil || !reflect.DeepEqual(r.LoRAs, want) {
			t.Errorf("%s: %v %v", what, r.LoRAs, err)
			continue
		}
		if spec := r.spec(); !reflect.DeepEqual(spec.Drawing.LoRAs, want) || spec.Drawing.Needs() != 3 {
			t.Errorf("%s: the job is %+v", what, spec.Drawing)
		}
	}
	for _, names := range [][]string{
		{"lora[]"}, {"lora["}, {"lora[][size]"}, {"lora[][name][x]"}, {"lora[][weight]"}, {"lora[1][name]"}, {"lora[-1][name]"}, {"lora[x][name]"}, {"lora[]name]"},
		{"lora[0][name]", "lora[][name]"}, {"lora[][name]", "lora[0][name]"}, {"lora[0][name]", "lora[0][name]"},
		{"lora[][name]", "lora[][weight]", "lora[][weight]"}, {"lora", "lora[][name]"},
	} {
		var given []member
		for _, name := range names {
			given = append(given, member{name, value{raw: []byte("1"), form: true}})
		}
		if got, err := nested(given); err == nil || shown(err, nil).status != 400 {
			t.Errorf("%q: %v %v", names, got, err)
		}
	}
	for raw, param := range map[string]string{
		`[1]`: "lora[0]", `[{}]`: "lora[0].name", `[{"name": ""}]`: "lora[0].name", `[{"name": 1}]`: "lora[0].name", `[{"name": "a"}, {"name": "b", "weight": 10.1}]`: "lora[1].weight",
		`[{"name": "a", "name": "b"}]`: "name", `[{"name": "a", "size": 1}]`: "lora[0].size", `{}`: "lora", ``: "lora", `[`: "lora", `[{"name": "\ud800"}]`: "lora[0].name",
	} {
		if _, err := readRequest(variations, []member{{"lora", value{raw: []byte(raw), form: true}}}); err == nil || shown(err, nil).param != param {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
