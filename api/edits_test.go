package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// photo is a PNG file of one colour; a transparent corner makes it a mask.
func photo(t *testing.T, width, height int, corner bool) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{200, 100, 50, 255})
			if corner && x < width/2 && y < height/2 {
				m.SetNRGBA(x, y, color.NRGBA{})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// written is a form: values that are bytes are files. It returns the body and its type.
func written(t *testing.T, parts ...any) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		name := parts[i].(string)
		var err error
		switch v := parts[i+1].(type) {
		case []byte:
			p, ferr := w.CreateFormFile(name, "x.png")
			if err = ferr; err == nil {
				_, err = p.Write(v)
			}
		case string:
			err = w.WriteField(name, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// send is a request to one of the routes that make images.
func (s *site) send(t *testing.T, to routes, body, kind string, header ...string) answer {
	t.Helper()
	res, data := s.do(t, http.MethodPost, routePaths[to], body, append([]string{"Content-Type", kind}, header...)...)
	a := answer{code: res.StatusCode, header: res.Header}
	if err := json.Unmarshal(data, &a.body); err != nil {
		t.Fatalf("%.200s: %v", data, err)
	}
	return a
}

// sendForm is send of a form.
func (s *site) sendForm(t *testing.T, to routes, parts ...any) answer {
	t.Helper()
	body, kind := written(t, parts...)
	return s.send(t, to, body, kind)
}

// uploads are the pictures of clients that are stored.
func (s *site) uploads(t *testing.T) (names []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.folder, "upload_*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEditsBeginFromTheirPictures(t *testing.T) {
	var stored [][]byte
	var s *site
	ready := make(chan struct{})
	s = open(t, scheduler.Options{}, func(l scheduler.Lease) ([]byte, *job.Error) {
		<-ready
		for _, name := range []string{l.Spec.Drawing.Init, l.Spec.Drawing.Mask} {
			if name == "" {
				continue
			}
			data, err := s.files.Get(context.Background(), name)
			if err != nil {
				return nil, job.Errorf(job.Engine, "%v", err)
			}
			stored = append(stored, data)
		}
		return echoed(l)
	})
	close(ready)
	picture, mask := photo(t, 72, 64, false), photo(t, 72, 64, true)
	inline := func(data []byte) string {
		return `{"image_url": "data:image/png;base64,` + base64.StdEncoding.EncodeToString(data) + `"}`
	}
	for name, v := range map[string]struct {
		send     func() answer
		strength float64
		mask     bool
		size     string
	}{
		"form": {func() answer {
			return s.sendForm(t, edits, "image", picture, "prompt", "a b", "n", "1", "seed", "3", "guidance_scale", "2.5", "stream", "false")
		}, 0.8, false, "72x64"},
		"list": {func() answer { return s.sendForm(t, edits, "prompt", "a b", "image[]", picture, "size", "auto") }, 0.8, false, "72x64"},
		"mask": {func() answer { return s.sendForm(t, edits, "image", picture, "mask", mask, "prompt", "a b") }, 1, true, "72x64"},
		"other": {func() answer {
			return s.sendForm(t, edits, "image", picture, "mask", mask, "prompt", "a b", "strength", "0.3", "size", "64x64")
		}, 0.3, true, "64x64"},
		"JSON": {func() answer {
			return s.send(t, edits, `{"prompt": "a b", "images": [`+inline(picture)+`]}`, "application/json")
		}, 0.8, false, "72x64"},
		"JSON and mask": {func() answer {
			return s.send(t, edits, `{"mask": `+inline(mask)+`, "images": [`+inline(picture)+`], "prompt": "a b", "strength": 0.5}`, "application/json; charset=utf-8")
		}, 0.5, true, "72x64"},
		"JSON and null": {func() answer {
			return s.send(t, edits, `{"mask": null, "images": [`+inline(picture)+`], "prompt": "a b", "strength": null}`, "application/json")
		}, 0.8, false, "72x64"},
	} {
		stored = nil
		a := v.send()
		if a.code != 200 || a.body["size"] != v.size {
			t.Errorf("%s: %d %v", name, a.code, a.body)
			continue
		}
		spec := <-s.drawn
		d := spec.Drawing
		if d.Strength != v.strength || d.Init == "" || (d.Mask != "") != v.mask || d.Prompt != "a b" {
			t.Errorf("%s: %+v", name, d)
		}
		if left := time.Until(spec.Deadline); left < 23*time.Hour || left > 24*time.Hour || spec.Needs != 2 {
			t.Errorf("%s: needs %d, to be drawn within %v", name, spec.Needs, left)
		}
		for i, data := range stored {
			m, err := png.Decode(bytes.NewReader(data))
			if err != nil || m.Bounds().Dx() != 72 || m.Bounds().Dy() != 64 {
				t.Fatalf("%s: %v", name, err)
			}
			if r, _, _, _ := m.At(0, 0).RGBA(); i == 1 && r != 0xffff { // where it was transparent
				t.Errorf("%s: the mask's corner is %x", name, r)
			}
		}
		counted := a.body["usage"].(map[string]any)["input_tokens_details"].(map[string]any)
		if tokens := map[string]float64{"72x64": 20, "64x64": 16}[v.size]; counted["image_tokens"] != tokens || counted["text_tokens"] != 2.0 {
			t.Errorf("%s: %v", name, counted)
		}
		if left := s.uploads(t); len(left) > 0 {
			t.Errorf("%s: %v is left behind", name, left)
		}
	}
}

func TestVariationsNeedNoWords(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	a := s.sendForm(t, variations, "image", photo(t, 64, 64, false), "n", "2", "response_format", "b64_json", "user", "u", "strength", "0.4")
	if a.code != 200 || len(a.body["data"].([]any)) != 2 {
		t.Fatalf("%d %v", a.code, a.body)
	}
	if d := (<-s.drawn).Drawing; d.Prompt != "" || d.Strength != 0.4 || d.Init == "" {
		t.Errorf("%+v", d)
	}
}

func TestPicturesThatCannotBeDrawnFromAreRefused(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	picture, mask, opaque := photo(t, 64, 64, false), photo(t, 64, 64, true), photo(t, 64, 64, false)
	inline := `{"image_url": "data:image/png;base64,` + base64.StdEncoding.EncodeToString(picture) + `"}`
	form := func(to routes, parts ...any) func() answer {
		return func() answer { return s.sendForm(t, to, parts...) }
	}
	plain := func(to routes, body string) func() answer {
		return func() answer { return s.send(t, to, body, "application/json") }
	}
	for name, v := range map[string]struct {
		send  func() answer
		code  int
		param string
	}{
		"no image":            {form(edits, "prompt", "p"), 400, "image"},
		"no image at all":     {form(variations), 400, "image"},
		"no prompt":           {form(edits, "image", picture), 400, "prompt"},
		"empty prompt":        {form(edits, "image", picture, "prompt", ""), 400, "prompt"},
		"two images":          {form(edits, "image", picture, "image", picture, "prompt", "p"), 400, "image"},
		"a list of two":       {form(edits, "image[]", picture, "image[]", picture, "prompt", "p"), 400, "image[]"},
		"image as text":       {form(edits, "image", "x", "prompt", "p"), 400, "image"},
		"prompt as file":      {form(edits, "image", picture, "prompt", []byte("p")), 400, "prompt"},
		"prompt twice":        {form(edits, "image", picture, "prompt", "p", "prompt", "p"), 400, "prompt"},
		"no number":           {form(edits, "image", picture, "prompt", "p", "n", "two"), 400, "n"},
		"an empty number":     {form(edits, "image", picture, "prompt", "p", "n", ""), 400, "n"},
		"a null":              {form(edits, "image", picture, "prompt", "p", "n", "null"), 400, "n"},
		"a spaced number":     {form(edits, "image", picture, "prompt", "p", "n", " 1"), 400, "n"},
		"a line":              {form(edits, "image", picture, "prompt", "p", "strength", "0.5\n"), 400, "strength"},
		"NaN":                 {form(edits, "image", picture, "prompt", "p", "strength", "NaN"), 400, "strength"},
		"infinite":            {form(edits, "image", picture, "prompt", "p", "guidance_scale", "1e400"), 400, "guidance_scale"},
		"hexadecimal":         {form(edits, "image", picture, "prompt", "p", "guidance_scale", "0x1p3"), 400, "guidance_scale"},
		"yes":                 {form(edits, "image", picture, "prompt", "p", "stream", "yes"), 400, "stream"},
		"strength 0":          {form(edits, "image", picture, "prompt", "p", "strength", "0"), 400, "strength"},
		"strength 1.1":        {form(edits, "image", picture, "prompt", "p", "strength", "1.1"), 400, "strength"},
		"style":               {form(edits, "image", picture, "prompt", "p", "style", "vivid"), 400, "style"},
		"unknown part":        {form(edits, "image", picture, "prompt", "p", "colour", "red"), 400, "colour"},
		"unknown file":        {form(edits, "image", picture, "prompt", "p", "photo", picture), 400, "photo"},
		"control":             {form(edits, "image", picture, "prompt", "a\x00b"), 400, "prompt"},
		"no UTF-8":            {form(edits, "image", picture, "prompt", "\xff"), 400, "prompt"},
		"no picture":          {form(edits, "image", []byte("hello"), "prompt", "p"), 400, "image"},
		"half a picture":      {form(edits, "image", picture[:len(picture)/2], "prompt", "p"), 400, "image"},
		"mask of other size":  {form(edits, "image", picture, "mask", photo(t, 72, 64, true), "prompt", "p"), 400, "mask"},
		"no mask":             {form(edits, "image", picture, "mask", []byte("m"), "prompt", "p"), 400, "mask"},
		"two masks":           {form(edits, "image", picture, "mask", mask, "mask", mask, "prompt", "p"), 400, "mask"},
		"mask without alpha":  {form(edits, "image", picture, "mask", opaque, "prompt", "p"), 400, "mask"},
		"other model":         {form(edits, "image", picture, "mask", mask, "prompt", "p", "model", "other"), 404, "model"},
		"body of no JSON":     {form(edits, "image", picture, "body", "young"), 400, "body"},
		"too deep":            {form(edits, "image", picture, "outfit[top][color][shade]", "red"), 400, "outfit[top][color][shade]"},
		"open bracket":        {form(edits, "image", picture, "outfit[top", "red"), 400, "outfit[top"},
		"text and object":     {form(edits, "image", picture, "outfit[top]", "shirt", "outfit[top][color]", "red"), 400, "outfit[top][color]"},
		"twice":               {form(edits, "image", picture, "outfit", "{}", "outfit[top]", "red"), 400, "outfit"},
		"prompt of variation": {form(variations, "image", picture, "prompt", "p"), 400, "prompt"},
		"mask of variation":   {form(variations, "image", picture, "mask", mask), 400, "mask"},

		"JSON without images":   {plain(edits, `{"prompt": "p"}`), 400, "images"},
		"images null":           {plain(edits, `{"prompt": "p", "images": null}`), 400, "images"},
		"images empty":          {plain(edits, `{"prompt": "p", "images": []}`), 400, "images"},
		"images of two":         {plain(edits, `{"prompt": "p", "images": [`+inline+`, `+inline+`]}`), 400, "images"},
		"an object":             {plain(edits, `{"prompt": "p", "images": `+inline+`}`), 400, "images"},
		"texts":                 {plain(edits, `{"prompt": "p", "images": ["data:image/png;base64,AA=="]}`), 400, "images[0]"},
		"file_id":               {plain(edits, `{"prompt": "p", "images": [{"file_id": "file-1"}]}`), 400, "images[0].file_id"},
		"remote URL":            {plain(edits, `{"prompt": "p", "images": [{"image_url": "https://example.org/x.png"}]}`), 400, "images[0].image_url"},
		"local file":            {plain(edits, `{"prompt": "p", "images": [{"image_url": "file:///etc/passwd"}]}`), 400, "images[0].image_url"},
		"mask file_id":          {plain(edits, `{"prompt": "p", "images": [`+inline+`], "mask": {"file_id": "file-1"}}`), 400, "mask.file_id"},
		"mask text":             {plain(edits, `{"prompt": "p", "images": [`+inline+`], "mask": "x"}`), 400, "mask"},
		"image in JSON":         {plain(edits, `{"prompt": "p", "image": `+inline+`}`), 400, "image"},
		"JSON without prompt":   {plain(edits, `{"images": [`+inline+`]}`), 400, "prompt"},
		"JSON of a variation":   {plain(variations, `{"image": "x"}`), 415, ""},
		"no type":               {func() answer { return s.send(t, edits, "x", "text/plain") }, 415, ""},
		"no boundary":           {func() answer { return s.send(t, edits, "x", "multipart/form-data") }, 400, ""},
		"a form of generations": {func() answer { return s.sendForm(t, generations, "prompt", "p") }, 415, ""},
	} {
		a := v.send()
		if a.code != v.code || a.errorField("param") != v.param || a.errorField("message") == "" {
			t.Errorf("%s: %d %v, expected %d about %q", name, a.code, a.body, v.code, v.param)
		}
		if left := s.uploads(t); len(left) > 0 {
			t.Errorf("%s: %v is left behind", name, left)
		}
	}
	if jobs := s.stats(t).Jobs; jobs != 0 || len(s.drawn) > 0 {
		t.Errorf("%d jobs were accepted, %d images drawn", jobs, len(s.drawn))
	}
}

func TestAKeyKnowsPicturesByTheirBytes(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	one, other := photo(t, 64, 64, false), photo(t, 64, 72, false)
	send := func(image []byte) answer {
		body, kind := written(t, "image", image, "prompt", "p")
		return s.send(t, edits, body, kind, "Idempotency-Key", "k")
	}
	first, again := send(one), send(one)
	if first.code != 200 || again.code != 200 || fmt.Sprint(first.body["data"]) != fmt.Sprint(again.body["data"]) || len(s.drawn) != 1 {
		t.Errorf("%d, %d, %d were drawn", first.code, again.code, len(s.drawn))
	}
	if a := send(other); a.code != 422 || a.errorField("code") != "idempotency_conflict" {
		t.Errorf("%d %v", a.code, a.body)
	}
	if left := s.uploads(t); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestUploadsGoWithTheClientThatLeaves(t *testing.T) {
	s := open(t, scheduler.Options{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	body, kind := written(t, "image", photo(t, 64, 64, false), "prompt", "p")
	gone := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+routePaths[edits], strings.NewReader(body))
		if err == nil {
			r.Header.Set("Content-Type", kind)
			_, err = s.Client().Do(r)
		}
		gone <- err
	}()
	eventually(t, "the job is queued", func() bool { return s.stats(t).Jobs == 1 })
	if len(s.uploads(t)) != 1 {
		t.Errorf("%v", s.uploads(t))
	}
	cancel()
	<-gone
	eventually(t, "the job is cancelled and its picture gone", func() bool { return s.stats(t).Jobs == 0 && len(s.uploads(t)) == 0 })
}

func TestUploadsOfJobsThatNobodyWaitsForGoWithTheirEnd(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for _, events := range []string{"", "/events"} {
		body, kind := written(t, "image", photo(t, 64, 64, false), "prompt", "p")
		a := s.send(t, edits, body, kind, "Prefer", "respond-async")
		id, _ := a.body["id"].(string)
		if a.code != 202 || id == "" {
			t.Fatalf("%d %v", a.code, a.body)
		}
		eventually(t, "it is completed", func() bool {
			code, text := s.get(t, jobsPath+id+events)
			return code == 200 && strings.Contains(text, `"status":"completed"`)
		})
		if left := s.uploads(t); len(left) > 0 {
			t.Errorf("%v is left behind", left)
		}
	}
}

func TestALargeBodyThatComesOnMayTakeItsTime(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(_ *Config, h *http.Server) { h.ReadTimeout = 500 * time.Millisecond })
	inline := base64.StdEncoding.EncodeToString(photo(t, 64, 64, false))
	r, w := io.Pipe()
	go func() {
		_, err := fmt.Fprintf(w, `{"images": [{"image_url": "data:image/png;base64,%s"}], %s`, inline, strings.Repeat(" ", 2<<20))
		time.Sleep(time.Second)
		if err == nil {
			_, err = io.WriteString(w, `"prompt": "p"}`)
		}
		w.CloseWithError(err)
	}()
	res, err := s.Client().Post(s.URL+routePaths[edits], "application/json", r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("%d %.300s, %v", res.StatusCode, text, err)
	}
}

func TestEditsStreamTheirOwnEvents(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	body, kind := written(t, "image", photo(t, 64, 64, false), "prompt", "p", "stream", "true")
	res, data := s.do(t, http.MethodPost, routePaths[edits], body, "Content-Type", kind)
	if res.StatusCode != 200 || !strings.Contains(string(data), "event: image_edit.completed\ndata: {\"type\":\"image_edit.completed\",") {
		t.Errorf("%d %.300s", res.StatusCode, data)
	}
}

func TestObjectsInForms(t *testing.T) {
	m := func(name, text string) member { return member{name, value{raw: []byte(text), form: true}} }
	got, err := nested([]member{m("outfit[top][color]", "red"), m("prompt", "p"), m("body[age]", "adult"), m("outfit[top][type]", "shirt"), m("outfit[hat]", "a \"cap\""),
		m("body[hair][color][]", "red"), m("body[shape][]", "fit"), m("body[hair][color][]", "black")})
	text := ""
	for _, g := range got {
		text += g.name + " " + string(g.raw) + "\n"
	}
	const want = "prompt p\nbody {\"age\":\"adult\",\"hair\":{\"color\":[\"red\",\"black\"]},\"shape\":[\"fit\"]}\noutfit {\"hat\":\"a \\\"cap\\\"\",\"top\":{\"color\":\"red\",\"type\":\"shirt\"}}\n"
	if err != nil || text != want {
		t.Errorf("%s%v", text, err)
	}
}

func TestObjectsInFormsThatCannotBe(t *testing.T) {
	for _, names := range []string{
		"body[]", "body[][]", "body[][age]", "body[", "body[age", "body[a]b]", "body[a][b][c]", "body[age][][]", "body[age] body[age]", "body[age] body[age][]",
		"body[age][] body[age]", "body[hair] body[hair][color]", "body[hair][color] body[hair]", "body[hair][] body[hair][color]", "body body[age]",
	} {
		var members []member
		for name := range strings.FieldsSeq(names) {
			members = append(members, member{name, value{raw: []byte("red"), form: true}})
		}
		if got, err := nested(members); err == nil || shown(err, nil).param != members[len(members)-1].name && shown(err, nil).param != "body" {
			t.Errorf("%s: %v, %v", names, got, err)
		}
	}
}

// Names of parts are a client's: each is refused by name, or ends up in JSON.
func FuzzObjectsInForms(f *testing.F) {
	for _, name := range []string{"outfit[top][color]", "body[age]", "body[", "outfit[]", "outfit[][]", "body[a]b]", "body]", "outfit[top]", "x[y]", "body[\xff]", "lora[][name]", "lora[0][weight]", "lora["} {
		f.Add(name, "outfit[top]", "red")
	}
	f.Fuzz(func(t *testing.T, one, two, text string) {
		got, err := nested([]member{{one, value{raw: []byte(text), form: true}}, {two, value{raw: []byte(text), form: true}}})
		if err != nil {
			if shown(err, nil).status != 400 || len(err.Error()) > 1000 {
				t.Errorf("%.300v", err)
			}
			return
		}
		for _, m := range got {
			if m.name != one && m.name != two && !json.Valid(m.raw) {
				t.Errorf("%q, %q: %s", one, two, m.raw)
			}
		}
	})
}
