package prompt

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFieldErrors(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for _, c := range []struct{ body, outfit, field, message string }{
		{`{"shoot":"x"}`, ``, "body.shoot", "did you mean shot?"},
		{`{"top":"x"}`, ``, "body.top", "is unknown"},
		{`{"qqqqqq":"x"}`, ``, "body.qqqqqq", "expected shot, country, age, gender, shape, hair and background"},
		{``, `{"topp":"x"}`, "outfit.topp", "did you mean top?"},
		{``, `{"onepiece":"x"}`, "outfit.onepiece", "did you mean one_piece?"},
		{``, `{"ties":"x"}`, "outfit.ties", "did you mean tie?"},
		{``, `{"hat":{"colour":"red"}}`, "outfit.hat.colour", "did you mean color?"},
		{``, `{"top":{"sleeve_lenght":"x"}}`, "outfit.top.sleeve_lenght", "did you mean sleeve_length?"},
		{``, `{"top":{"boots_length":"x"}}`, "outfit.top.boots_length", "is unknown"},
		{``, `{"top":{"color":"red","color":"blue"}}`, "outfit.top.color", "is given twice"},
		{``, `{"top":"a","top":"b"}`, "outfit.top", "is given twice"},
		{``, `{"top":{"length":"short","top_length":"long"}}`, "outfit.top.top_length", "two names of one attribute"},
		{``, `{"top":7}`, "outfit.top", "is a number, expected a string or an object of"},
		{``, `{"top":["a"]}`, "outfit.top", "is a list, expected a string or an object of"},
		{``, `{"top":{}}`, "outfit.top", "has no attributes"},
		{``, `{"top":""}`, "outfit.top", "is empty"},
		{``, `{"top":" , "}`, "outfit.top", "is empty"},
		{``, `{"top":{"color":true}}`, "outfit.top.color", "is a flag, expected a string or a list of strings"},
		{``, `{"top":{"color":{}}}`, "outfit.top.color", "is an object"},
		{``, `{"top":{"color":[]}}`, "outfit.top.color", "has 0 values, expected 1 to 8"},
		{``, `{"top":{"color":["a",1]}}`, "outfit.top.color[1]", "is a number, expected a string"},
		{``, `{"top":{"color":"a\nb"}}`, "outfit.top.color", "has a control character"},
		{``, `{"top":{"color":"` + long + `"}}`, "outfit.top.color", "has 501 characters, expected at most 500"},
		{`{"age":40}`, ``, "body.age", "is a number"},
		{`[]`, ``, "body", "is a list, expected an object of shot, country"},
		{`"a woman"`, ``, "body", "is a string"},
		{``, `3`, "outfit", "is a number"},
		{`{"age":"adult"} {}`, ``, "body", "is not a JSON object"},
		{`{"age":"adult"`, ``, "body", "is not a JSON object"},
		{`{"age":}`, ``, "body", "is not a JSON object"},
		{"{\"age\":\"\xff\"}", ``, "body", "is not UTF-8"},
		{`{"x` + strings.Repeat("y", 1000) + `":1}`, ``, "body.x" + strings.Repeat("y", 59) + "...", "is unknown"},
	} {
		f, _, err := ParseFields(json.RawMessage(c.body), json.RawMessage(c.outfit))
		var fault *FieldError
		if !errors.As(err, &fault) {
			t.Errorf("%s %s: %+v, %v, want a fault of %s", c.body, c.outfit, f, err, c.field)
			continue
		}
		if fault.Field != c.field || !strings.Contains(fault.Message, c.message) || !strings.HasPrefix(fault.Message, c.field) {
			t.Errorf("%s %s: %s: %q, want %s: %q", c.body, c.outfit, fault.Field, fault.Message, c.field, c.message)
		}
	}
}

func TestNotes(t *testing.T) {
	_, notes, err := ParseFields(json.RawMessage(`{"age":"teenagr","shape":"fit","background":"Mars","shot":"from afar"}`),
		json.RawMessage(`{"top":{"color":"octarine","material":"cotton"},"hat":"a bowl"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ field, value, message string }{
		{"body.age", "teenagr", "did you mean teenager?"}, {"body.shot", "from afar", "as it is"}, {"outfit.top.color", "octarine", "as it is"},
	}
	if len(notes) != len(want) {
		t.Fatalf("notes %+v, want %d", notes, len(want))
	}
	for i, w := range want {
		if n := notes[i]; n.Field != w.field || n.Value != w.value || !strings.Contains(n.Message, w.message) {
			t.Errorf("note %+v, want %+v", n, w)
		}
	}
}

// TestNotesOfLists holds that each value of a list is looked up by itself.
func TestNotesOfLists(t *testing.T) {
	f, notes, err := ParseFields(nil, json.RawMessage(`{"top":{"color":["white","blue"]},"coat":{"color":["red","octarine"]},"shoes":{"color":"black and white"},"hat":{"color":"black and whit"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) != 2 || notes[0].Field != "outfit.coat.color" || notes[0].Value != "octarine" || notes[1].Field != "outfit.hat.color" || notes[1].Value != "black and whit" {
		t.Errorf("notes %+v, expected octarine and whit", notes)
	}
	if want := "white and blue"; !strings.Contains(f.Caption(""), want) {
		t.Errorf("%q, expected %q in it", f.Caption(""), want)
	}
}

// TestVocabulary holds that each name that is offered is accepted, without a note.
func TestVocabulary(t *testing.T) {
	for _, g := range Vocabulary().Groups {
		for _, a := range g.Attributes {
			if a.Values == nil {
				t.Errorf("%v: %s: the values are null in JSON, not an empty list", g.Name, a.Name)
			}
		}
	}
	v := Vocabulary()
	if len(v.Groups) != groupCount || len(v.Shots) != len(shots) {
		t.Fatalf("%d groups, %d shots", len(v.Groups), len(v.Shots))
	}
	accept := func(part string, object any) {
		t.Helper()
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		body, outfit := json.RawMessage(data), json.RawMessage(nil)
		if part == "outfit" {
			body, outfit = outfit, body
		}
		if _, notes, err := ParseFields(body, outfit); err != nil || len(notes) > 0 {
			t.Errorf("%s: %v, notes %+v", data, err, notes)
		}
	}
	for _, s := range v.Shots {
		accept("body", map[string]string{"shot": s})
	}
	for i, g := range v.Groups {
		if g.Index != i || g.Name != Group(i).String() {
			t.Errorf("group %d is %+v", i, g)
		}
		for _, a := range g.Attributes {
			for _, value := range append(a.Values, "")[:max(1, len(a.Values))] {
				if value == "" {
					value = "free text"
					if g.Name != "background" {
						t.Errorf("%s: %s has no values", g.Name, a.Name)
					}
				}
				switch {
				case g.Field == "" || g.Field == a.Name:
					accept(g.Part, map[string]string{a.Name: value})
				default:
					accept(g.Part, map[string]any{g.Field: map[string]string{a.Name: value}})
				}
			}
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{`{"prompt":"a hat","body":{"gender":"male"}}`, "a male, a hat"},
		{`{"prompt":"  spaces kept "}`, "  spaces kept "},
		{`{}`, ""},
		{`{"prompt":null,"outfit":{"hat":"hat"}}`, "hat"},
		{`{"prompt":7}`, "prompt is a number, expected a string"},
		{`{"promt":"x"}`, "promt is unknown; did you mean prompt?"},
		{`{"prompt":"a","prompt":"b"}`, "the request.prompt is given twice"},
		{` `, "the request is empty, expected an object of prompt, body and outfit"},
		{`null`, "the request is empty, expected an object of prompt, body and outfit"},
	} {
		r, err := ParseRequest([]byte(c.data))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = r.Caption
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.data, got, c.want)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	for _, s := range [][2]string{
		{`{"shot":"full_body","age":"adult","gender":"female","hair":{"style":["wavy","curly"],"color":null}}`, `{"top":{"color":"white"},"bottom":"jeans"}`},
		{`{"shot":1}`, `{"top":{"colour":"x"}}`}, {`null`, ``}, {`{`, `}`}, {`{"a":"b","a":"c"}`, `[[[[`}, {"{\"hair\":\"\u202eh\"}", `{"style":"casual"}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, body, outfit []byte) {
		fields, _, err := ParseFields(body, outfit)
		var fault *FieldError
		switch {
		case err != nil && (!errors.As(err, &fault) || fault.Field == "" || !utf8.ValidString(fault.Message)):
			t.Fatalf("%q %q: %v", body, outfit, err)
		case err != nil:
			return
		}
		caption := fields.Caption("")
		if fields.Empty() != (caption == "") || !utf8.ValidString(caption) || caption != fields.Caption("") {
			t.Fatalf("%q %q: caption %q", body, outfit, caption)
		}
		verify(t, caption)
	})
}
