package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

// formSite reads forms as the image routes do, over real HTTP, and says what it read.
func formSite(t testing.TB, memory int64) *httptest.Server {
	t.Helper()
	h, _ := formSiteMemory(t, memory)
	return h
}

// formSiteMemory is formSite with a look at what is left of its memory.
func formSiteMemory(t testing.TB, memory int64) (*httptest.Server, func() int64) {
	t.Helper()
	s := &server{Config: Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}}
	s.memory.left.Store(memory)
	e := echo.New()
	e.HTTPErrorHandler = s.fail
	e.POST("/form", func(c echo.Context) error {
		f, err := s.readForm(c.Response(), c.Request(), testFields)
		if err != nil {
			return err
		}
		defer f.close()
		out := map[string]any{}
		for _, m := range f.members {
			if !m.form {
				t.Errorf("%s is not of a form", m.name)
			}
			out[m.name] = string(m.raw)
		}
		for name, files := range f.files {
			var sizes []string
			for _, file := range files {
				sizes = append(sizes, fmt.Sprintf("%s %d", file.field, len(file.data)))
			}
			out[name] = strings.Join(sizes, ", ")
		}
		return c.JSON(http.StatusOK, out)
	})
	h := httptest.NewServer(e)
	t.Cleanup(func() {
		h.Close()
		if left := s.memory.left.Load(); left != memory {
			t.Errorf("%d of %d bytes of memory are left", left, memory)
		}
	})
	return h, s.memory.left.Load
}

var testFields = formFields{
	files: map[string]int{"image": 2, "mask": 1},
	text: func(name string) error {
		_, err := lookup(name, edits)
		return err
	},
}

// part is one part of a form, its header without the last empty line.
func part(header, body string) string { return "--B\r\n" + header + "\r\n\r\n" + body + "\r\n" }

func textPart(name, body string) string {
	return part(`Content-Disposition: form-data; name="`+name+`"`, body)
}

func filePart(name, body string) string {
	return part(`Content-Disposition: form-data; name="`+name+`"; filename="x.png"`+"\r\nContent-Type: image/png", body)
}

const end = "--B--\r\n"

// send posts a body as it is.
func send(t testing.TB, url, kind string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	a := answer{code: res.StatusCode, header: res.Header}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &a.body); err != nil {
		t.Errorf("%q: %v", data, err)
	}
	return a
}

func TestFormsAreRead(t *testing.T) {
	h := formSite(t, 1<<20)
	for name, c := range map[string]struct {
		body string
		want map[string]any
	}{
		"file and text":   {filePart("image", "PIXELS") + textPart("prompt", "a fox") + textPart("n", "2") + end, map[string]any{"image": "image 6", "prompt": "a fox", "n": "2"}},
		"a list":          {filePart("image[]", "ONE") + filePart("image[]", "TWO!") + end, map[string]any{"image": "image[] 3, image[] 4"}},
		"a list of one":   {filePart("image[]", "ONE") + filePart("mask", "M") + end, map[string]any{"image": "image[] 3", "mask": "mask 1"}},
		"empty text":      {textPart("prompt", "") + end, map[string]any{"prompt": ""}},
		"no last newline": {textPart("prompt", "x") + "--B--", map[string]any{"prompt": "x"}},
		"epilogue":        {textPart("prompt", "x") + end + "\r\n", map[string]any{"prompt": "x"}},
		"boundaries that are none": {filePart("image", "--C\r\n--BB--\r\n\r\n--") + textPart("prompt", "-- B") + end,
			map[string]any{"image": "image 17", "prompt": "-- B"}},
		"a type of text":  {part("Content-Disposition: form-data; name=prompt\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit", "été") + end, map[string]any{"prompt": "été"}},
		"any type":        {part("Content-Disposition: form-data; name=\"image\"; filename=\"../../x\"\r\nContent-Type: application/octet-stream", "P") + end, map[string]any{"image": "image 1"}},
		"an empty name":   {part(`Content-Disposition: form-data; name="image"; filename=""`, "P") + end, map[string]any{"image": "image 1"}},
		"no parts at all": {end, map[string]any{}},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(c.body)
			if chunked {
				body = struct{ io.Reader }{body} // of unknown length
			}
			a := send(t, h.URL+"/form", "multipart/form-data; boundary=B", body)
			if a.code != http.StatusOK || fmt.Sprint(a.body) != fmt.Sprint(c.want) {
				t.Errorf("%s: %d %v, want %v", name, a.code, a.body, c.want)
			}
		}
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	h := formSite(t, 1<<30)
	many := strings.Repeat(textPart("user", "x"), 70)
	for name, c := range map[string]struct {
		body         string
		code         int
		param, words string
	}{
		"unknown":             {filePart("picture", "P") + end, 400, "picture", `unknown field "picture"`},
		"near":                {textPart("promt", "P") + end, 400, "promt", "did you mean prompt?"},
		"another list":        {filePart("mask[]", "P") + end, 400, "mask[]", "unknown field"},
		"text twice":          {textPart("prompt", "a") + textPart("prompt", "a") + end, 400, "prompt", "given twice"},
		"image twice":         {filePart("image", "a") + filePart("image", "a") + filePart("image", "a") + end, 400, "image", "image is given 3 times, at most 2 are accepted"},
		"mask twice":          {filePart("mask", "a") + filePart("mask", "a") + end, 400, "mask", "mask is given twice"},
		"both spellings":      {filePart("image", "a") + filePart("image[]", "a") + end, 400, "image[]", "image and image[] are both given"},
		"a file as text":      {textPart("image", "a") + end, 400, "image", "image must be sent as a file"},
		"a text as file":      {filePart("prompt", "a") + end, 400, "prompt", "prompt must be sent as text"},
		"empty file":          {filePart("image", "") + end, 400, "image", "image is empty"},
		"not UTF-8":           {textPart("prompt", "a\xff") + end, 400, "prompt", "prompt is not UTF-8"},
		"long text":           {textPart("prompt", strings.Repeat("a", maxBody)) + textPart("negative_prompt", "b") + end, 400, "negative_prompt", "over 1048576 bytes"},
		"many parts":          {many + end, 400, "user", "given twice"},
		"no name":             {part("Content-Disposition: form-data", "a") + end, 400, "", "has no name"},
		"no disposition":      {part("Content-Type: text/plain", "a") + end, 400, "", "no Content-Disposition"},
		"two dispositions":    {part("Content-Disposition: form-data; name=n\r\nContent-Disposition: form-data; name=prompt", "1") + end, 400, "", "or several"},
		"attachment":          {part(`Content-Disposition: attachment; name="prompt"`, "a") + end, 400, "", "has no name"},
		"nested":              {part("Content-Disposition: form-data; name=\"image\"\r\nContent-Type: multipart/mixed; boundary=C", "--C--") + end, 400, "image", "holds parts itself"},
		"base64":              {part("Content-Disposition: form-data; name=\"image\"; filename=x\r\nContent-Transfer-Encoding: base64", "AAAA") + end, 400, "image", "is encoded"},
		"quoted-printable":    {part("Content-Disposition: form-data; name=prompt\r\nContent-Transfer-Encoding: quoted-printable", "a=20b") + end, 400, "prompt", "is encoded"},
		"gzip":                {part("Content-Disposition: form-data; name=\"image\"; filename=x\r\nContent-Encoding: gzip", "AAAA") + end, 400, "image", "is encoded"},
		"long header":         {part("Content-Disposition: form-data; name=prompt\r\nX: "+strings.Repeat("x", 1<<20), "a") + end, 400, "", "header of a part of the form is over 16384 bytes"},
		"long preamble":       {strings.Repeat("x\r\n", 1<<20) + textPart("prompt", "a") + end, 400, "", "something else than a part begins the form"},
		"many headers":        {part("Content-Disposition: form-data; name=prompt"+strings.Repeat("\r\nA: b", 1<<16), "a") + end, 400, "", "header of a part"},
		"no end":              {textPart("prompt", "a"), 400, "", "a boundary or a part's end is missing"},
		"no end of a part":    {"--B\r\nContent-Disposition: form-data; name=prompt\r\n\r\na", 400, "", "a boundary or a part's end is missing"},
		"no end of a header":  {"--B\r\nContent-Disposition: form-data; na", 400, "", "a boundary or a part's end is missing"},
		"something behind":    {textPart("prompt", "a") + end + "more", 400, "", "something follows the last one"},
		"two forms":           {textPart("prompt", "a") + end + textPart("prompt", "b") + end, 400, "", "something follows the last one"},
		"empty":               {"", 400, "", "a boundary or a part's end is missing"},
		"another boundary":    {strings.ReplaceAll(textPart("prompt", "a")+end, "--B", "--C"), 400, "", "a boundary or a part's end is missing"},
		"a broken header":     {part("Content-Disposition form-data", "a") + end, 400, "", "a boundary or a part's end is missing"},
		"one byte too much":   {filePart("image", strings.Repeat("x", maxFile+1)) + end, 413, "image", "image is over 52428800 bytes"},
		"one form too large":  {filePart("image[]", strings.Repeat("x", maxFile)) + filePart("image[]", strings.Repeat("x", maxFile)) + filePart("mask", strings.Repeat("x", 3<<20)) + end, 413, "", "the body is over 106954752 bytes"},
		"a name without end":  {part("Content-Disposition: form-data; name="+strings.Repeat("n", 5000), "a") + end, 400, strings.Repeat("n", maxName), "unknown field"},
		"a name of no letter": {part("Content-Disposition: form-data; name=\"\x01\xff\"", "a") + end, 400, "", ""},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(c.body)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			a := send(t, h.URL+"/form", "multipart/form-data; boundary=B", body)
			if a.code != c.code || c.words != "" && (a.errorField("param") != c.param || !strings.Contains(a.errorField("message"), c.words)) || a.errorField("type") != "invalid_request_error" {
				t.Errorf("%s (chunked %v): %d %.300v, want %d, %q on %q", name, chunked, a.code, a.body, c.code, c.words, c.param)
			}
		}
	}
}

func TestFormsOfWrongTypes(t *testing.T) {
	h := formSite(t, 1<<20)
	body := textPart("prompt", "a") + end
	for kind, code := range map[string]int{
		"application/json":               415,
		"":                               415,
		"multipart/mixed; boundary=B":    415,
		"multipart/form-data":            400,
		"multipart/form-data; boundary=": 415,
		"multipart/form-data; boundary=" + strings.Repeat("B", 71): 400,
		"multipart/form-data; boundary=B; boundary=C":              415,
		"multipart/form-data; boundary=\"B\"":                      200,
	} {
		if a := send(t, h.URL+"/form", kind, strings.NewReader(body)); a.code != code {
			t.Errorf("%q: %d %v, want %d", kind, a.code, a.body, code)
		}
	}
	if a := send(t, h.URL+"/form", "multipart/form-data; boundary=B", strings.NewReader(body), "Content-Encoding", "gzip"); a.code != 415 {
		t.Errorf("a Content-Encoding: %d %v", a.code, a.body)
	}
}

// TestFormsShareMemory: with memory for one file, a second one at the same time is
// asked to come again, and finds room when the first has gone.
func TestFormsShareMemory(t *testing.T) {
	h, left := formSiteMemory(t, 3<<20)
	file := strings.Repeat("x", 1<<20+1<<19)
	slow, first := io.Pipe()
	done := make(chan answer)
	go func() { done <- send(t, h.URL+"/form", "multipart/form-data; boundary=B", slow) }()
	if _, err := io.WriteString(first, strings.TrimSuffix(filePart("image", file), "\r\n")); err != nil {
		t.Fatal(err)
	}
	// It holds 2 MB once it has more than one; before, its bytes are on their way.
	eventually(t, "the first holds its memory", func() bool { return left() <= 1<<20 })
	a := send(t, h.URL+"/form", "multipart/form-data; boundary=B", strings.NewReader(filePart("image", file)+end))
	if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.errorField("code") != "overloaded" {
		t.Errorf("the second: %d %v %v", a.code, a.header, a.body)
	}
	if _, err := io.WriteString(first, "\r\n"+end); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if a := <-done; a.code != http.StatusOK {
		t.Errorf("the first: %d %v", a.code, a.body)
	}
	if a := send(t, h.URL+"/form", "multipart/form-data; boundary=B", strings.NewReader(filePart("image", file)+end)); a.code != http.StatusOK {
		t.Errorf("the third: %d %v", a.code, a.body)
	}
}

// TestFormsOfClientsThatGo: a form that stops coming leaves nothing behind; formSite
// looks at the memory.
func TestFormsOfClientsThatGo(t *testing.T) {
	h := formSite(t, 1<<22)
	for range 20 {
		c, err := net.Dial("tcp", h.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		head := "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000000\r\n\r\n"
		if _, err := io.WriteString(c, head+"--B\r\nContent-Disposition: form-data; name=image; filename=x\r\n\r\n"+strings.Repeat("x", 300000)); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSteadyUploadsAreGivenTime: each further megabyte moves the time at which reading
// ends, by what a slow line needs for it; a trickle moves nothing.
func TestSteadyUploadsAreGivenTime(t *testing.T) {
	var ends []time.Time
	began := time.Now()
	b := &formBody{r: strings.NewReader(strings.Repeat("x", 5<<20/2)), header: -1, began: began, closing: []byte("\r\n--B--"),
		deadline: func(t time.Time) error { ends = append(ends, t); return nil }}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{b}); err != nil {
		t.Fatal(err)
	}
	if len(ends) != 2 || ends[0].Sub(began) < 90*time.Second || ends[1].Sub(ends[0]) < 30*time.Second {
		t.Errorf("%v after %v", ends, began)
	}
}

// FuzzForm: whatever comes, it is a form or a fault of the client's.
func FuzzForm(f *testing.F) {
	for _, body := range []string{
		filePart("image", "PIXELS") + textPart("prompt", "a fox") + end, filePart("image[]", "") + filePart("image[]", "TWO") + end, end, "",
		textPart("prompt", "\xff") + end, "--B\r\n\r\n\r\n--B--", "--B\nContent-Disposition: form-data; name=n\n\n1\n--B--\n", part("Content-Disposition: form-data; name*=utf-8''%70rompt", "x") + end,
		part("Content-Disposition: form-data; name=\"mask\"; filename*0=\"a\"; filename*1=\"b\"", "x") + end,
	} {
		f.Add([]byte(body))
	}
	s := &server{}
	s.memory.left.Store(1 << 20)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=B")
		form, err := s.readForm(httptest.NewRecorder(), r, testFields)
		if err != nil {
			if e := shown(err, r); e.status < 400 || e.status > 499 || e.message == "" || job.KindOf(err) != "" {
				t.Fatalf("%+v", e)
			}
		} else {
			form.close()
		}
		if s.memory.left.Load() != 1<<20 {
			t.Fatal("memory is not given back")
		}
	})
}
