package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// dial opens a connection to the server for what no HTTP client would send.
func (s *servedSite) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// status sends raw bytes and reads the status of the answer; 0: the server hangs up
// without one.
func (s *servedSite) status(t *testing.T, write func(w *bufio.Writer)) int {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() { // the answer may come before all is sent
		defer close(sent)
		w := bufio.NewWriter(c)
		write(w)
		_ = w.Flush() // the server may have hung up
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	code := 0
	if err == nil {
		code = res.StatusCode
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	}
	c.Close()
	<-sent
	return code
}

// memory is what the process takes, in bytes.
func (p *process) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no VmRSS in\n%s", text)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

const routeHead = "POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

// TestFault17AReaderThatStopsReadingHoldsUpNobody asks for a stream and for a job's
// events, and reads neither.
func TestFault17AReaderThatStopsReadingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	deaf := func(request string) {
		c := s.dial(t)
		if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
	}
	body := `{"prompt": "p", "size": "320x320", "steps": 4, "n": 3, "stream": true, "partial_images": 3}`
	deaf(fmt.Sprintf(routeHead+"Content-Length: %d\r\n\r\n%s", len(body), body))
	where := s.accept(t, `{"prompt": "p", "size": "128x128", "steps": 10, "n": 2}`)
	for range 20 {
		deaf("GET " + where + "/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	s.draw(t, fmt.Sprintf(small, 1, 1))
	await(t, "the job that nobody listens to is completed", func() bool {
		code, text := s.get(t, where)
		return code == 200 && strings.Contains(text, `"status":"completed"`)
	})
	if r := s.report(t); r.Dead != 0 {
		t.Errorf("%+v", r)
	}
	s.stop(t) // though they are still there
}

// TestFault18BodiesAndHeadersOfAllSizes sends what is at a limit, above it, cut off,
// in a million pieces, and slowly.
func TestFault18BodiesAndHeadersOfAllSizes(t *testing.T) {
	t.Parallel()
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	const limit = 1 << 20
	before := s.memory(t)
	sized := func(n int) func(*bufio.Writer) {
		return func(w *bufio.Writer) {
			fmt.Fprintf(w, routeHead+"Content-Length: %d\r\n\r\n%s", n, strings.Repeat(" ", n))
		}
	}
	chunks := func(count, size int, last string) func(*bufio.Writer) {
		return func(w *bufio.Writer) {
			fmt.Fprint(w, routeHead+"Transfer-Encoding: chunked\r\n\r\n")
			chunk := fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat(" ", size))
			for range count {
				if _, err := w.WriteString(chunk); err != nil {
					return
				}
			}
			fmt.Fprint(w, last)
		}
	}
	said := func(text string) func(*bufio.Writer) {
		return func(w *bufio.Writer) { fmt.Fprint(w, text) }
	}
	for what, c := range map[string]struct {
		write func(*bufio.Writer)
		want  []int
	}{
		"as much as is taken":            {sized(limit), []int{400}},
		"one byte more":                  {sized(limit + 1), []int{413}},
		"a hundred times as much":        {sized(100 * limit), []int{413, 0}},
		"as much in chunks":              {chunks(limit/1024, 1024, "0\r\n\r\n"), []int{400}},
		"more in chunks":                 {chunks(limit/1024+1, 1024, "0\r\n\r\n"), []int{413}},
		"a million chunks of a byte":     {chunks(1_000_000, 1, "0\r\n\r\n"), []int{400}},
		"more chunks of a byte than fit": {chunks(limit+1, 1, "0\r\n\r\n"), []int{413, 0}},
		"a chunk that is none":           {chunks(1, 1, "zz\r\n\r\n"), []int{400}},
		"a chunk of a huge size":         {said(routeHead + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), []int{400}},
		"a length that is none":          {said(routeHead + "Content-Length: many\r\n\r\n{}"), []int{400}},
		"a length below nothing":         {said(routeHead + "Content-Length: -1\r\n\r\n{}"), []int{400}},
		"two lengths":                    {said(routeHead + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), []int{400}},
		"a length and chunks":            {said(routeHead + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), []int{400}},
		"a huge length":                  {said(routeHead + "Content-Length: 99999999999999999999\r\n\r\n{}"), []int{400}},
		"no body":                        {said(routeHead + "\r\n"), []int{400}},
		"a gzip":                         {said(routeHead + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), []int{415}},
		"no request":                     {said("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), []int{400}},
		"two hosts":                      {said("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"), []int{400}},
		"headers over all bounds":        {said("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<17) + "\r\n\r\n"), []int{431}},
		"ten thousand headers":           {said("GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: xxxxxxxxxx\r\n", 10_000) + "\r\n"), []int{431}},
		"an address over all bounds":     {said("GET /" + strings.Repeat("x", 1<<17) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"), []int{431}},
		"a body where none is expected":  {said("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), []int{200}},
		"a huge one where none is":       {said("DELETE /v1/jobs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\nhello"), []int{404}},
	} {
		got := s.status(t, c.write)
		ok := false
		for _, want := range c.want {
			ok = ok || got == want
		}
		if !ok {
			t.Errorf("%s: %d, expected %v", what, got, c.want)
		}
	}

	// Half of a request: the server does not wait for ever, and serves others meanwhile.
	var slow sync.WaitGroup
	begun := time.Now()
	for range 100 {
		c := s.dial(t)
		if _, err := io.WriteString(c, "POST /v1/images/generations HTTP/1.1\r\nHost: loc"); err != nil {
			t.Fatal(err)
		}
		slow.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("a request that never ends is not given up: %v", err)
			}
		})
	}
	cut := s.dial(t)
	if _, err := io.WriteString(cut, routeHead+"Content-Length: 100\r\n\r\n{\"pro"); err != nil {
		t.Fatal(err)
	}
	cut.Close()
	s.draw(t, fmt.Sprintf(small, 1, 1))
	slow.Wait()
	if took := time.Since(begun); took < 5*time.Second || took > 40*time.Second {
		t.Errorf("slow headers were given up after %v, expected about 10s", took)
	}
	if grown := s.memory(t) - before; grown > 256<<20 {
		t.Errorf("the process has grown by %d MB", grown>>20)
	}
	if strings.Contains(s.out.String(), "panic") {
		t.Error("the log tells of a panic")
	}
	s.stop(t)
}

// mutated is a text with a few bytes changed, taken out or put in.
func mutated(r *mathrand.Rand, text string) string {
	b := []byte(text)
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			break
		}
		i := r.IntN(len(b))
		odd := []string{"\x00", "\xff", "\xed\xa0\x80", "\u202e", "\u0000", "{", "}", "[", "]", `"`, `\`, `\u`, `\ud800`, ",", ":", "null", "1e999", "-", "\r\n", "--", "=", ";", "é", "9", "0", " "}
		switch r.IntN(4) {
		case 0:
			b[i] = byte(r.IntN(256))
		case 1:
			b = append(b[:i], b[min(len(b), i+1+r.IntN(8)):]...)
		case 2:
			b = append(b[:i], append([]byte(odd[r.IntN(len(odd))]), b[i:]...)...)
		case 3:
			j := r.IntN(len(b))
			b = append(b[:i:i], b[min(i, j):]...)
		}
	}
	return string(b)
}

// TestFault19NothingThatIsSentIsThisSidesFault sends what nobody means.
func TestFault19NothingThatIsSentIsThisSidesFault(t *testing.T) {
	t.Parallel()
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	var sent, drawn atomic.Int64
	post := func(method, path, kind, body string, header http.Header) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
		if err != nil {
			return // it cannot even be sent
		}
		if header != nil {
			r.Header = header
		}
		r.Header.Set("Content-Type", kind)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			if strings.Contains(err.Error(), "invalid header") || strings.Contains(err.Error(), "invalid method") {
				return
			}
			t.Errorf("%s %.60q %.200q %v: %v", method, path, body, header, err)
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		sent.Add(1)
		if res.StatusCode == 200 {
			drawn.Add(1)
		}
		shape := struct {
			Error *struct{ Message, Type *string }
		}{}
		if res.StatusCode >= 500 || err != nil {
			t.Errorf("%s %.60q %.300q %v: %d %.300s, %v", method, path, body, header, res.StatusCode, text, err)
		} else if res.StatusCode >= 400 && (json.Unmarshal(text, &shape) != nil || shape.Error == nil || shape.Error.Message == nil) {
			t.Errorf("%s %.60q %.300q: %d %.300s is not OpenAI's shape", method, path, body, res.StatusCode, text)
		}
	}
	const seed = `{"prompt": "a headshot, fit", "n": 1, "size": "64x64", "steps": 1, "seed": 7, "response_format": "url", "negative_prompt": "x", "body": {"age": "adult"}, "outfit": {"top": {"color": "red"}}, "output_format": "jpeg", "output_compression": 50}`
	const form = "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhat\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00@\x00\x00\x00@\x08\x02\x00\x00\x00\r\n--b--\r\n"
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			r := mathrand.New(mathrand.NewPCG(19, uint64(part)))
			for range 400 {
				post("POST", "/v1/images/generations", "application/json", mutated(r, seed), nil)
				post("POST", "/v1/prompts", "application/json", mutated(r, `{"prompt": "a man in a red hat, (blue:1.2) jeans", "prompt_syntax": "weighted", "body": {"hair": {"color": "red"}}, "model": "tiny"}`), nil)
				post("POST", "/v1/images/edits", "multipart/form-data; boundary=b", mutated(r, form), nil)
				post("POST", "/v1/images/variations", mutated(r, "multipart/form-data; boundary=b"), form, nil)
				post("POST", "/v1/images/edits", "application/json", mutated(r, `{"prompt": "p", "images": [{"image_url": "data:image/png;base64,iVBORw0KGgo="}]}`), nil)
				h := http.Header{}
				for _, name := range []string{"Prefer", "Idempotency-Key", "Authorization", "X-Request-Id", "Last-Event-Id", "Origin", "Accept", "Range"} {
					h[name] = []string{mutated(r, "respond-async; wait=10, bytes=0-")}
				}
				post("POST", "/v1/prompts", "application/json", `{"prompt": "p"}`, h)
				for _, path := range []string{"/v1/jobs/job_" + strings.Repeat("a", 26) + "/events", "/v1/models/tiny", "/v1/images/files/img_" + strings.Repeat("a", 26) + ".png", "/swagger/", "/x"} {
					post("GET", "/"+mutated(r, path[1:]), "", "", nil)
				}
			}
		})
	}
	all.Wait()
	for _, prompt := range []string{
		strings.Repeat("x", 1_000_000), strings.Repeat("é", 32000), strings.Repeat(`\u0000`, 10), strings.Repeat("\u202eabc \u0627\u0644 ", 100), strings.Repeat("🧥", 8000),
		strings.Repeat("(", 30000), strings.Repeat(",", 32000), strings.Repeat("a ", 15999), "\u2028\u2029\ufeff\u200b", strings.Repeat("\u0301", 1000), "",
	} {
		post("POST", "/v1/images/generations", "application/json", `{"size": "64x64", "steps": 1, "prompt": "`+prompt+`"}`, nil)
		post("POST", "/v1/prompts", "application/json", `{"prompt": "`+prompt+`"}`, nil)
	}
	post("POST", "/v1/prompts", "application/json", `{"body": `+strings.Repeat(`{"hair":`, 100_000)+"1"+strings.Repeat("}", 100_000)+"}", nil)
	post("POST", "/v1/prompts", "application/json", strings.Repeat("[", 900_000), nil)
	if drawn.Load() == 0 || sent.Load() < 10_000 {
		t.Errorf("%d requests were answered, %d of them well", sent.Load(), drawn.Load())
	}
	s.draw(t, fmt.Sprintf(small, 1, 1))
	if strings.Contains(s.out.String(), "panic") {
		t.Error("the log tells of a panic")
	}
	s.stop(t)
}

// TestFault22NothingSecretIsLoggedOrMetered asks with secrets everywhere, and for ten
// thousand models that are not there.
func TestFault22NothingSecretIsLoggedOrMetered(t *testing.T) {
	t.Parallel()
	const key = "Sec-ret-Key-0123456789"
	keys := t.TempDir() + "/keys"
	if err := os.WriteFile(keys, []byte("alice:"+key+":generate+admin"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &servedSite{data: t.TempDir()}
	s.process = startProcess(t, "cosmicman", "serve", "--addr", "127.0.0.1:0", "--data", s.data, "--library", library(t), "--model", tiny(t, "tiny-sd"),
		"--api-keys-file", keys, "--log-level", "DEBUG")
	await(t, "the server is ready", func() bool {
		if found := servesOn.FindStringSubmatch(s.out.String()); found != nil {
			s.url = found[1]
			code, _ := s.get(t, "/readyz")
			return code == 200
		}
		return false
	})
	auth := []string{"Authorization", "Bearer " + key}
	scrape := func() string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(auth[0], auth[1])
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%d %s, %v", res.StatusCode, text, err)
		}
		return string(text)
	}
	post := func(body string, header ...string) answered {
		a, err := s.post(t.Context(), body, append(header, auth...)...)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	post(`{"prompt": "Sec-ret-Prompt", "negative_prompt": "Sec-ret-Negative", "user": "Sec-ret-User", "size": "64x64", "steps": 2}`, "Idempotency-Key", "Sec-ret-Idem")
	post(`{"prompt": "Sec-ret-Prompt", "size": "64x64", "steps": 2, "sampler": "Sec-ret-Sampler"}`)
	post(`{"prompt": "Sec-ret-Prompt", "Sec-ret-Field": 1}`)
	if a, err := s.post(t.Context(), `{"prompt": "Sec-ret-Prompt"}`, "Authorization", "Bearer Sec-ret-Wrong"); err != nil || a.code != 401 {
		t.Errorf("a wrong key: %d, %v", a.code, err)
	}
	post(`{"prompt": "p", "model": "Sec-ret-Model"}`)
	before := strings.Count(scrape(), "\n")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1250 {
				name := make([]byte, 12)
				_, _ = rand.Read(name)
				if a := post(fmt.Sprintf(`{"prompt": "p", "model": "Sec-ret-%x"}`, name)); a.code != 404 || a.Error.Code != "model_not_found" {
					t.Errorf("%d %+v", a.code, a.Error)
				}
			}
		})
	}
	all.Wait()
	metrics := scrape()
	// The scrape before was the first to be counted under its own route.
	if after := strings.Count(metrics, "\n"); after > before+40 {
		t.Errorf("%d lines of metrics have become %d", before, after)
	}
	s.stop(t)
	for what, text := range map[string]string{"the log": s.out.String(), "the metrics": metrics} {
		if i := strings.Index(text, "Sec-ret"); i >= 0 {
			t.Errorf("%s tells a secret: %s", what, text[max(0, i-200):min(len(text), i+50)])
		}
	}
	if n := strings.Count(s.out.String(), "msg=request"); n < 10_000 {
		t.Errorf("%d requests are logged", n)
	}
	if !strings.Contains(metrics, `route="/v1/images/generations",status="404"`) {
		t.Error("the requests are not counted")
	}
}
