package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/tokenizer"
)

// explains posts a body to /v1/prompts.
func (s *site) explains(t *testing.T, body string) answer {
	t.Helper()
	res, data := s.do(t, http.MethodPost, promptsPath, body, "Content-Type", "application/json")
	a := answer{code: res.StatusCode, header: res.Header}
	if err := json.Unmarshal(data, &a.body); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return a
}

func TestPromptsAreExplained(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	a := s.explains(t, `{"prompt": "A headshot, an Asian adult female, fit, a white wall, red cotton dress, qwertz"}`)
	if a.code != 200 || a.body["shot"] == "" || !strings.Contains(a.body["caption"].(string), "red cotton dress") {
		t.Fatalf("%d %v", a.code, a.body)
	}
	found := false
	for _, g := range a.body["groups"].([]any) {
		g := g.(map[string]any)
		span := g["span"].([]any)
		if text := a.body["caption"].(string)[int(span[0].(float64)):int(span[1].(float64))]; text != g["text"] {
			t.Errorf("the span of %v holds %q", g, text)
		}
		found = found || strings.Contains(g["text"].(string), "dress") && g["attributes"].(map[string]any)["color"] == "red"
	}
	if !found {
		t.Errorf("no red dress: %v", a.body["groups"])
	}
	if tokens := a.body["tokens"].(map[string]any); tokens["count"].(float64) < 10 || tokens["chunks"] != 1.0 || len(tokens["ids"].([]any)) != int(tokens["count"].(float64)) {
		t.Errorf("%v", tokens)
	}
	if jobs := s.stats(t).Jobs; jobs != 0 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestBodiesAndOutfitsAreExplained(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	a := s.explains(t, `{"body": {"gender": "female", "hair": {"color": "brown"}}, "outfit": {"coat": {"color": "octarine", "type": "denim jacket"}}, "prompt": "at sunset"}`)
	caption, _ := a.body["caption"].(string)
	if a.code != 200 || !strings.Contains(caption, "octarine") || !strings.HasSuffix(caption, "at sunset") {
		t.Fatalf("%d %v", a.code, a.body)
	}
	warnings, _ := a.body["warnings"].([]any)
	if len(warnings) == 0 || warnings[0].(map[string]any)["param"] != "outfit.coat.color" {
		t.Errorf("the unknown colour is not told of: %v", warnings)
	}
}

func TestLongPromptsAreExplainedAsTheyAreDrawn(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	long := strings.Repeat("a red dress, ", 50)
	whole := s.explains(t, `{"prompt": "`+long+`"}`).body["tokens"].(map[string]any)
	cut := s.explains(t, `{"prompt": "`+long+`", "long_prompt": "truncate"}`).body["tokens"].(map[string]any)
	if whole["chunks"].(float64) < 2 || whole["cut"] != "" || cut["chunks"] != 1.0 || cut["cut"] == "" {
		t.Errorf("%v windows, cut %q; truncated: %v windows, cut %q", whole["chunks"], whole["cut"], cut["chunks"], cut["cut"])
	}
}

func TestPromptsThatCannotBeExplainedNameTheField(t *testing.T) {
	s := open(t, scheduler.Options{}, nil, func(c *Config, _ *http.Server) {
		c.Tokenizer = func(_ context.Context, model string) (*tokenizer.Tokenizer, error) {
			if model != "" && model != "m" {
				return nil, job.Errorf(job.NoModel, "the model %q does not exist", model)
			}
			return tokenizer.Default(), nil
		}
	})
	for body, want := range map[string]struct {
		code  int
		param string
	}{
		`{}`:                                                     {400, "prompt"},
		`{"prompt": null}`:                                       {400, "prompt"},
		`{"prompt": 3}`:                                          {400, "prompt"},
		`{"prompt": "a\u0000b"}`:                                 {400, "prompt"},
		`{"prompt": "p", "prompt": "q"}`:                         {400, "prompt"},
		`{"prompt": "p", "seed": 1}`:                             {400, "seed"},
		`{"prompt": "p", "promt": 1}`:                            {400, "promt"},
		`{"prompt": "p", "model": "other"}`:                      {404, "model"},
		`{"prompt": "p", "model": ""}`:                           {400, "model"},
		`{"body": []}`:                                           {400, "body"},
		`{"body": {"hare": "x"}}`:                                {400, "body.hare"},
		`{"outfit": {"top": {"colour": "red"}}}`:                 {400, "outfit.top.colour"},
		`{"prompt": "(a", "prompt_syntax": "weighted"}`:          {400, "prompt"},
		`{"prompt": "p"} x`:                                      {400, ""},
		`{"prompt": "` + strings.Repeat("x", maxPrompt+1) + `"}`: {400, "prompt"},
		`{"prompt": "` + strings.Repeat("x", maxBody) + `"}`:     {413, ""},
	} {
		if a := s.explains(t, body); a.code != want.code || a.errorField("param") != want.param || a.errorField("message") == "" {
			t.Errorf("%.70s: %d %v, expected %d about %q", body, a.code, a.body, want.code, want.param)
		}
	}
	for _, good := range []string{`{"prompt": ""}`, `{"prompt": "p", "model": "m"}`, `{"prompt": "(a:1.2)", "prompt_syntax": "weighted"}`} {
		if a := s.explains(t, good); a.code != 200 || a.body["groups"] == nil || a.body["unassigned"] == nil {
			t.Errorf("%s: %d %v", good, a.code, a.body)
		}
	}
}

func TestTheVocabularyIsTold(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	a := s.ask(t, "GET", promptsPath)
	groups, _ := a.body["groups"].([]any)
	if a.code != 200 || len(groups) != 20 || len(a.body["shots"].([]any)) == 0 {
		t.Errorf("%d %v", a.code, a.body)
	}
}
