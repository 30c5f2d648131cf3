package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

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
