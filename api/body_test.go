package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/scheduler"
)

// Clients write a body to its end before they read: also who sends too much gets to
// read that it was.
func TestWhoSendsTooMuchIsTold(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for header, want := range map[string]int{
		"Content-Type: application/json\r\nContent-Length: 33554432":                         http.StatusRequestEntityTooLarge,
		"Content-Type: application/json\r\nContent-Length: 33554432\r\nExpect: 100-continue": http.StatusRequestEntityTooLarge,
		"Content-Type: text/plain\r\nContent-Length: 33554432":                               http.StatusUnsupportedMediaType,
	} {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/images/generations HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", header)
		if !strings.Contains(header, "Expect") { // who waits to be told to go on is told not to
			for range 32 {
				if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
					t.Errorf("writing: %v", err)
					break
				}
			}
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: %v, %v", header, res, err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Who announces a body and pauses is told at once what is wrong already.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	var waiting sync.WaitGroup
	for begun, want := range map[string]int{
		"/v1/images/generations HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n{":                              413,
		"/v1/images/generations HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n":                                         415,
		"/v1/nowhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n":                                                                          404,
		"/v1/images/edits HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 33554432\r\n\r\n" + textPart("x", "y"): 400,
	} {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "POST ", begun)
		if strings.Contains(begun, "multipart") { // what of a part's header may still come
			_, _ = conn.Write(make([]byte, 64<<10))
		}
		sent := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%.60s: %v, %v", begun, res, err)
		} else if body, err := io.ReadAll(res.Body); err != nil || !json.Valid(body) || time.Since(sent) > drainPause/2 {
			t.Errorf("%.60s: %s, %v after %v", begun, body, err, time.Since(sent))
		} else {
			waiting.Go(func() { // what comes after a pause is no request
				time.Sleep(drainPause * 3 / 2)
				_, _ = fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
				if text, err := io.ReadAll(conn); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%.60s: %q, %v after the refusal", begun, text, err)
				}
			})
		}
	}
	waiting.Wait()
}

func TestBodiesThatAreNotJSONAreToldWhere(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for body, want := range map[string]string{
		"":                              "the body is empty",
		" \n":                           "the body is empty",
		`["prompt"]`:                    "must be a JSON object",
		`null`:                          "must be a JSON object",
		`{"prompt": "p",}`:              "at byte 16",
		`{'prompt': "p"}`:               "at byte 2",
		`{"prompt": "p" /* a dog */}`:   "at byte 16",
		`{"prompt": "p", "eta": NaN}`:   "at byte 24",
		`{"prompt": "p`:                 "after 13 bytes it ends",
		`{"prompt": "p"`:                "after 14 bytes it ends",
		`{"prompt": "p"} {}`:            "something follows it",
		"\ufeff" + `{"prompt": "p"}`:    "at byte 1",
		strings.Repeat(`{"a":`, 100000): "at byte 50001",
	} {
		if a := s.must(t, body); a.code != 400 || !strings.Contains(a.errorField("message"), want) {
			t.Errorf("%.40q: %d %v, expected %s", body, a.code, a.body, want)
		}
	}
}

func TestTextInOtherEncodingsIsRefused(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed)
	for kind, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, `Application/JSON; Charset="UTF-8"`: 200, "application/json; charset=us-ascii": 200,
		"application/json; charset=latin1": 415, "application/json; charset=utf-16": 415, "application/json; charset=": 415, "application/json; charset=utf-8; charset=utf-16": 415,
	} {
		if a := s.send(t, generations, `{"prompt": "p"}`, kind); a.code != want {
			t.Errorf("%s: %d %v, expected %d", kind, a.code, a.body, want)
		}
	}
}

// What is only announced takes no memory from who sends.
func TestBodiesThatDoNotComeHoldNoMemory(t *testing.T) {
	s := open(t, scheduler.Options{}, echoed, func(c *Config, _ *http.Server) { c.uploadMemory = 4 << 20 })
	body, kind := written(t, "prompt", "p", "image", photo(t, 64, 64, false))
	for range 3 {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 42000000\r\nExpect: 100-continue\r\n\r\n", routePaths[edits])
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // it is being read
			t.Fatalf("%q, %v", line, err)
		}
	}
	if a := s.send(t, edits, body, kind); a.code != 200 {
		t.Errorf("%d %v", a.code, a.body)
	}
}
