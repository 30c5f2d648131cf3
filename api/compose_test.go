package api

import (
	"strings"
	"testing"

	"cosmicman/scheduler"
)

func TestBodyAndOutfitAreComposed(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for body, want := range map[string]struct {
		prompt   string
		revised  bool
		warnings string // the fields that they name
	}{
		`{"body": {"shot": "headshot", "age": "adult", "gender": "female", "hair": {"color": "red", "style": "curly"}}}`:              {"A headshot, an adult female, curly red hair", true, ""},
		`{"outfit": {"top": {"color": "white", "type": "shirt", "material": "cotton"}, "shoes": "sneakers"}, "prompt": "by the sea"}`: {"White cotton shirt, sneakers, by the sea", true, ""},
		`{"outfit": {"hat": {"type": "propeller hat"}}}`:                                                                              {"Propeller hat", true, "outfit.hat.type"},
		`{"body": {}, "outfit": {}, "prompt": "as it is"}`:                                                                            {"as it is", false, ""},
		`{"body": null, "prompt": "as it is"}`:                                                                                        {"as it is", false, ""},
	} {
		a := s.must(t, body)
		if a.code != 200 {
			t.Errorf("%s: %d %v", body, a.code, a.body)
			continue
		}
		drawn := (<-s.drawn).Drawing.Prompt
		revised := a.body["data"].([]any)[0].(map[string]any)["revised_prompt"]
		if !strings.EqualFold(drawn, want.prompt) || (revised == drawn) != want.revised || !want.revised && revised != nil {
			t.Errorf("%s: %q, revised %q, expected %q", body, drawn, revised, want.prompt)
		}
		named := ""
		all, _ := a.body["warnings"].([]any)
		for _, w := range all {
			named += w.(map[string]any)["param"].(string)
		}
		if named != want.warnings {
			t.Errorf("%s: %v", body, all)
		}
	}
	for body, param := range map[string]string{
		`{"body": {}}`: "prompt", `{"outfit": {}}`: "prompt", `{"body": {"hair": null}}`: "prompt",
		`{"body": {"colour": "red"}}`:               "body.colour",
		`{"outfit": {"top": {"colour": "red"}}}`:    "outfit.top.colour",
		`{"outfit": {"trousers": "jeans"}}`:         "outfit.trousers",
		`{"outfit": {"top": 3}}`:                    "outfit.top",
		`{"outfit": {"top": {"color": true}}}`:      "outfit.top.color",
		`{"body": {"age": "a", "age": "b"}}`:        "body.age",
		`{"body": {"background": "a\u0000b"}}`:      "body.background",
		`{"outfit": {"top": {"color": {"a": 1}}}}`:  "outfit.top.color",
		`{"outfit": {"top": ["shirt", "blouse"]}}`:  "outfit.top",
		`{"prompt": "p", "body": {"hair": [[[]]]}}`: "body.hair",
	} {
		if a := s.must(t, body); a.code != 400 || a.errorField("param") != param || a.errorField("message") == "" {
			t.Errorf("%s: %d %v, expected 400 about %q", body, a.code, a.body, param)
		}
	}
}

func TestComposedPromptsAreBounded(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	a := s.must(t, `{"outfit": {"hat": "cap"}, "prompt": "`+strings.Repeat("x", maxPrompt-1)+`"}`)
	if a.code != 400 || a.errorField("param") != "prompt" {
		t.Errorf("%d %.300v", a.code, a.body)
	}
}
