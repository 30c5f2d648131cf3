package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cosmicman/scheduler"
)

// badBodies are bodies of POST /v1/images/generations that are refused, by the field
// that the refusal names.
var badBodies = map[string][]string{
	"": {
		``, ` `, `null`, `[]`, `3`, `"p"`, `true`, `{`, `{"prompt": "p"`, `{"prompt": "p",}`, `{"prompt": "p"} x`, `{"prompt": "p"}{}`,
		`{"prompt": "p"} null`, `{prompt: "p"}`, `{'prompt': 'p'}`, `{"prompt": p}`, `{"prompt" "p"}`, `{1: 2}`, `{"prompt": "p" "n": 1}`,
		"\ufeff{\"prompt\": \"p\"}", "{\"prompt\": \"\xff\"}", "{\"prompt\": \"\xc0\x80\"}", "{\"prompt\": \"\xed\xa0\x80\"}", "{\"prompt\": \"a\x00b\"}",
		"{\"prompt\": \"a\nb\"}", `{"prompt": "\q"}`, `{"prompt": "\u12"}`, `{"prompt": "p", "n": 01}`, `{"prompt": "p", "n": +1}`, `{"prompt": "p", "n": .5}`,
		`{"prompt": "p", "guidance_scale": NaN}`, `{"prompt": "p", "guidance_scale": Infinity}`, `{"prompt": "p", "guidance_scale": 0x10}`, `prompt=p&n=2`,
		`// {"prompt": "p"}`, strings.Repeat("[", 100000), `{"prompt": ` + strings.Repeat("[", 100000), `{"prompt": ` + strings.Repeat(`{"a":`, 100000),
	},
	"prompt": {
		`{}`, `{"prompt": null}`, `{"prompt": 3}`, `{"prompt": true}`, `{"prompt": ["p"]}`, `{"prompt": {"text": "p"}}`, `{"prompt": "p", "prompt": "p"}`,
		`{"prompt": "p", "\u0070rompt": "p"}`, `{"prompt": "a\u0000b"}`, `{"prompt": "a\u001bb"}`, `{"prompt": "a\u007fb"}`, `{"prompt": "\ud800"}`,
		`{"prompt": "\udc00"}`, `{"prompt": "\ud800\u0041"}`, `{"prompt": "\ud800\ud800\udc00"}`, `{"prompt": "\udc00\ud800"}`, `{"prompt": "x\\\ud800"}`,
		`{"prompt": "` + strings.Repeat("x", maxPrompt+1) + `"}`, `{"prompt": "` + strings.Repeat("ä", maxPrompt+1) + `"}`,
		`{"prompt": "` + strings.Repeat("x", 1e6) + `"}`, `{"n": 2}`, `{"negative_prompt": "p"}`,
	},
	"n": {
		`{"prompt": "p", "n": 0}`, `{"prompt": "p", "n": 11}`, `{"prompt": "p", "n": -1}`, `{"prompt": "p", "n": 1.5}`, `{"prompt": "p", "n": 1.0}`, `{"prompt": "p", "n": 1e0}`,
		`{"prompt": "p", "n": "1"}`, `{"prompt": "p", "n": true}`, `{"prompt": "p", "n": [1]}`, `{"prompt": "p", "n": {}}`, `{"prompt": "p", "n": 18446744073709551617}`,
		`{"prompt": "p", "n": 1e400}`, `{"prompt": "p", "n": -0}`, `{"prompt": "p", "n": ""}`, `{"prompt": "p", "n": 4294967297}`,
	},
	"size": {
		`{"prompt": "p", "size": ""}`, `{"prompt": "p", "size": "big"}`, `{"prompt": "p", "size": 512}`, `{"prompt": "p", "size": [512, 512]}`, `{"prompt": "p", "size": "512"}`,
		`{"prompt": "p", "size": "512x"}`, `{"prompt": "p", "size": "x512"}`, `{"prompt": "p", "size": "512X512"}`, `{"prompt": "p", "size": "512x512x3"}`,
		`{"prompt": "p", "size": " 512x512"}`, `{"prompt": "p", "size": "512x512 "}`, `{"prompt": "p", "size": "+512x512"}`, `{"prompt": "p", "size": "-512x512"}`,
		`{"prompt": "p", "size": "0x0"}`, `{"prompt": "p", "size": "0512x512"}`, `{"prompt": "p", "size": "513x512"}`, `{"prompt": "p", "size": "512x513"}`, `{"prompt": "p", "size": "7x8"}`,
		`{"prompt": "p", "size": "512×512"}`, `{"prompt": "p", "size": "99999999999999999999x8"}`, `{"prompt": "p", "size": "5.12e2x512"}`, `{"prompt": "p", "size": "Auto"}`, `{"prompt": "p", "size": "512x512\n"}`,
	},
	"quality":            {`{"prompt": "p", "quality": ""}`, `{"prompt": "p", "quality": "best"}`, `{"prompt": "p", "quality": "HD"}`, `{"prompt": "p", "quality": 1}`},
	"response_format":    {`{"prompt": "p", "response_format": ""}`, `{"prompt": "p", "response_format": "base64"}`, `{"prompt": "p", "response_format": {"type": "url"}}`},
	"output_format":      {`{"prompt": "p", "output_format": "gif"}`, `{"prompt": "p", "output_format": "jpg"}`, `{"prompt": "p", "output_format": "PNG"}`, `{"prompt": "p", "output_format": ["png"]}`},
	"output_compression": {`{"prompt": "p", "output_compression": 50}`, `{"prompt": "p", "output_format": "png", "output_compression": 99}`, `{"prompt": "p", "output_format": "jpeg", "output_compression": 101}`, `{"prompt": "p", "output_format": "webp", "output_compression": -1}`, `{"prompt": "p", "output_format": "webp", "output_compression": "80"}`},
	"stream":             {`{"prompt": "p", "stream": "true"}`, `{"prompt": "p", "stream": 1}`, `{"prompt": "p", "stream": []}`},
	"partial_images":     {`{"prompt": "p", "partial_images": 1}`, `{"prompt": "p", "stream": false, "partial_images": 2}`, `{"prompt": "p", "stream": true, "partial_images": 4}`, `{"prompt": "p", "stream": true, "partial_images": -1}`, `{"prompt": "p", "stream": true, "partial_images": "2"}`},
	"background":         {`{"prompt": "p", "background": "transparent"}`, `{"prompt": "p", "background": "white"}`, `{"prompt": "p", "background": false}`},
	"moderation":         {`{"prompt": "p", "moderation": "high"}`, `{"prompt": "p", "moderation": 0}`},
	"style":              {`{"prompt": "p", "style": "anime"}`, `{"prompt": "p", "style": ""}`},
	"user":               {`{"prompt": "p", "user": 17}`, `{"prompt": "p", "user": "` + strings.Repeat("u", maxName+1) + `"}`, `{"prompt": "p", "user": "\u0001"}`},
	"model":              {`{"prompt": "p", "model": ""}`, `{"prompt": "p", "model": 1}`, `{"prompt": "p", "model": ["m"]}`, `{"prompt": "p", "model": "` + strings.Repeat("m", 1000) + `"}`},
	"negative_prompt":    {`{"prompt": "p", "negative_prompt": 1}`, `{"prompt": "p", "negative_prompt": ["a"]}`, `{"prompt": "p", "negative_prompt": "\u0008"}`, `{"prompt": "p", "negative_prompt": "` + strings.Repeat("x", maxPrompt+1) + `"}`},
	"num_inference_steps": {
		`{"prompt": "p", "num_inference_steps": 0}`, `{"prompt": "p", "num_inference_steps": 1001}`, `{"prompt": "p", "num_inference_steps": 2.5}`, `{"prompt": "p", "num_inference_steps": "30"}`,
	},
	"steps": {`{"prompt": "p", "steps": 0}`, `{"prompt": "p", "steps": 20, "num_inference_steps": 30}`, `{"prompt": "p", "num_inference_steps": 30, "steps": 20}`, `{"prompt": "p", "steps": -5}`},
	"guidance_scale": {
		`{"prompt": "p", "guidance_scale": -1}`, `{"prompt": "p", "guidance_scale": 101}`, `{"prompt": "p", "guidance_scale": 1e400}`, `{"prompt": "p", "guidance_scale": "7.5"}`,
		`{"prompt": "p", "guidance_scale": "NaN"}`, `{"prompt": "p", "guidance_scale": true}`, `{"prompt": "p", "guidance_scale": []}`,
	},
	"eta":            {`{"prompt": "p", "eta": -0.1}`, `{"prompt": "p", "eta": 1.1}`, `{"prompt": "p", "eta": "0"}`},
	"sampler":        {`{"prompt": "p", "sampler": 1}`, `{"prompt": "p", "sampler": "` + strings.Repeat("s", 300) + `"}`},
	"seed":           {`{"prompt": "p", "seed": -1}`, `{"prompt": "p", "seed": 1.5}`, `{"prompt": "p", "seed": "17"}`, `{"prompt": "p", "seed": 18446744073709551616}`, `{"prompt": "p", "seed": 18446744073709551615, "n": 2}`, `{"prompt": "p", "seed": 18446744073709551607, "n": 10}`, `{"prompt": "p", "seed": 1e3}`, `{"prompt": "p", "seed": false}`},
	"strength":       {`{"prompt": "p", "strength": 0.5}`},
	"input_fidelity": {`{"prompt": "p", "input_fidelity": "high"}`},
	"long_prompt":    {`{"prompt": "p", "long_prompt": "cut"}`, `{"prompt": "p", "long_prompt": true}`},
	"prompt_syntax":  {`{"prompt": "p", "prompt_syntax": "a1111"}`, `{"prompt": "p", "prompt_syntax": 1}`},
	"body":           {`{"prompt": "p", "body": "woman"}`, `{"prompt": "p", "body": []}`, `{"prompt": "p", "body": 1}`, `{"prompt": "p", "body": {"age": "\ud800"}}`},
	"outfit":         {`{"prompt": "p", "outfit": "dress"}`, `{"prompt": "p", "outfit": true}`},
	"image":          {`{"prompt": "p", "image": "data:image/png;base64,AA=="}`},
	"colour":         {`{"prompt": "p", "colour": "red"}`},
	"Prompt":         {`{"Prompt": "p"}`, `{"prompt": "p", "Prompt": "p"}`},
	"num_images":     {`{"prompt": "p", "num_images": 2}`},
	"a\u0000b":       {`{"prompt": "p", "a\u0000b": 2}`},
}

func TestBadBodiesAreRefusedByField(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	count := 0
	for field, bodies := range badBodies {
		for _, body := range bodies {
			count++
			a := s.must(t, body)
			message := a.errorField("message")
			if a.code != 400 || a.errorField("param") != field || message == "" || len(message) > 500 || a.errorField("type") != "invalid_request_error" {
				t.Errorf("%.80q: %d %.300v, expected 400 about %q", body, a.code, a.body, field)
			}
			if e, _ := a.body["error"].(map[string]any); len(e) != 4 {
				t.Errorf("%.80q: %v has not the four fields of an error", body, a.body)
			}
			for _, leak := range []string{"json:", "Go ", "strconv", "uint64", "struct"} {
				if strings.Contains(message, leak) {
					t.Errorf("%.80q: %q tells of the inside", body, message)
				}
			}
		}
	}
	if count < 100 || s.stats(t).Jobs != 0 || len(s.drawn) > 0 {
		t.Errorf("%d bodies, %d jobs were accepted, %d images drawn", count, s.stats(t).Jobs, len(s.drawn))
	}
}

func TestUnknownFieldsNameTheNearestOne(t *testing.T) {
	for name, want := range map[string]string{
		"promt": "prompt", "Size": "size", "negativ_prompt": "negative_prompt", "guidance-scale": "guidance_scale", "sead": "seed", "zzzzzz": "", "N": "n", "stpes": "steps", "": "", "f0": "", "x": "", "foo": "",
		strings.Repeat("prompt", 100): "",
	} {
		_, err := lookup(name, generations)
		if hint := strings.Contains(err.Error(), "did you mean "+want+"?"); hint != (want != "") {
			t.Errorf("%.60s: %v, expected %q", name, err, want)
		}
	}
}

func TestPicturesByTheOtherBodysName(t *testing.T) {
	for name, want := range map[string]string{"image": "images", "images": "image", "imge": "image", "Mask": "mask"} {
		if _, err := lookup(name, edits); !strings.HasSuffix(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: %v, expected %s", name, err, want)
		}
	}
}

// A field is of no use that cannot be told, set, or explained.
func TestEveryFieldIsWhole(t *testing.T) {
	seen := []string{}
	for i, f := range fields {
		if f.name == "" || f.doc == "" || f.on == 0 || f.max < f.min || slices.Contains(seen, f.name) {
			t.Errorf("field %d: %+v", i, f)
		}
		seen = append(seen, f.name)
		if f.choices != nil && f.fallback != "" && f.fallback != "both" && !slices.Contains(f.choices, f.fallback) {
			t.Errorf("%s: falls back to %s, which is none of %v", f.name, f.fallback, f.choices)
		}
		if err := f.read(&request{}, value{raw: []byte("?")}); err == nil {
			t.Errorf("%s takes anything", f.name)
		}
	}
	for _, q := range qualityNames {
		if qualities[q].steps < 1 || qualities[q].answer == "" {
			t.Errorf("quality %s: %+v", q, qualities[q])
		}
	}
}

func TestFieldsAreDrawnAsTheyAreMeant(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for body, want := range map[string]string{
		`{"prompt": "p", "seed": 1}`: `{"prompt":"p","sampler":"ddim","steps":30,"guidance_scale":7.5,"seed":1,"width":0,"height":0,"long_prompt":"chunk"}`,
		`{"prompt": "", "seed": 18446744073709551615, "long_prompt": "truncate", "size": "auto", "model": null, "n": null, "user": null, "style": null}`:                                               `{"prompt":"","sampler":"ddim","steps":30,"guidance_scale":7.5,"seed":18446744073709551615,"width":0,"height":0}`,
		`{"prompt": "a\tb\r\n😀\ud83d\ude00\\ud800", "seed": 0, "quality": "low", "size": "64x96", "guidance_scale": 0, "negative_prompt": "", "long_prompt": "truncate"}`:                              `{"prompt":"a\tb\r\n😀😀\\ud800","negative_prompt":"","sampler":"ddim","steps":15,"guidance_scale":0,"seed":0,"width":64,"height":96}`,
		`{"prompt": "p", "seed": 1, "quality": "hd", "sampler": "euler_a", "guidance_scale": 1e1, "output_format": "jpeg", "output_compression": 0, "prompt_syntax": "weighted"}`:                      `{"prompt":"p","sampler":"euler_a","steps":50,"guidance_scale":10,"seed":1,"width":0,"height":0,"long_prompt":"chunk","prompt_syntax":"weighted","format":"jpeg","compression":0}`,
		`{"prompt": "p", "seed": 1, "quality": "high", "steps": 7, "eta": 0.5, "output_format": "png", "output_compression": 100}`:                                                                     `{"prompt":"p","sampler":"ddim","steps":7,"guidance_scale":7.5,"eta":0.5,"seed":1,"width":0,"height":0,"long_prompt":"chunk"}`,
		`{"prompt": "p", "seed": 1, "quality": "standard", "num_inference_steps": 7, "steps": 7, "output_format": "webp", "background": "opaque", "moderation": "low", "style": "vivid", "user": "u"}`: `{"prompt":"p","sampler":"ddim","steps":7,"guidance_scale":7.5,"seed":1,"width":0,"height":0,"long_prompt":"chunk","format":"webp"}`,
	} {
		if a := s.must(t, body); a.code != 200 {
			t.Errorf("%s: %d %v", body, a.code, a.body)
			continue
		}
		spec := <-s.drawn
		got, err := json.Marshal(spec.Drawing)
		if err != nil || string(got) != want {
			t.Errorf("%s:\n%s\nexpected\n%s", body, got, want)
		}
		if spec.Needs != spec.Drawing.Needs() {
			t.Errorf("%s needs version %d, expected %d", body, spec.Needs, spec.Drawing.Needs())
		}
	}
}

func TestTheLongestPromptsAreTaken(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	longest := strings.Repeat(`\ud83d\ude00`, maxPrompt)
	if a := s.must(t, fmt.Sprintf(`{"prompt": "%s", "negative_prompt": "%s"}`, longest, longest)); a.code != 200 {
		t.Errorf("%d %.200v", a.code, a.body)
	}
}

// Whatever is sent is refused in the shape of the API, or is a request whose second
// reading says the same.
func FuzzBody(f *testing.F) {
	for _, bodies := range badBodies {
		for _, b := range bodies {
			if len(b) < 1000 {
				f.Add([]byte(b))
			}
		}
	}
	f.Add([]byte(`{"prompt": "p", "n": 2, "size": "64x64", "seed": 5, "quality": "low", "body": {"age": "adult"}, "steps": 3, "guidance_scale": 1.5}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		members, err := object(body)
		if err == nil {
			for _, on := range []routes{generations, edits, variations} {
				var r, again *request
				if r, err = readRequest(on, members); err != nil {
					break
				}
				if again, err = readRequest(on, members); err != nil || r.digest() != again.digest() {
					t.Errorf("%v: %s and %s", err, r.digest(), again.digest())
				}
				if spec := r.spec(); spec.Count < 1 || spec.Count > maxImages || spec.Drawing.Steps < 1 || spec.Drawing.Width%8 != 0 {
					t.Errorf("%+v", spec)
				}
			}
		}
		if err != nil && (shown(err, nil).status != 400 || len(err.Error()) > 500) {
			t.Errorf("%.600v", err)
		}
	})
}
