package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

func large(scheduler.Lease) ([]byte, *job.Error) { return make([]byte, 2<<20), nil }

// finished draws images and returns the path of their job.
func (s *site) finished(t *testing.T, n int) string {
	t.Helper()
	path := s.accept(t, fmt.Sprintf(`{"prompt": "p", "n": %d, "response_format": "b64_json"}`, n))
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if a := s.ask(t, http.MethodGet, path); a.body["status"] == "completed" {
			return path
		}
	}
	t.Fatal("the images are not drawn")
	return ""
}

// Whoever asks for many images and does not read them holds one file, not all of them.
func TestAnswersThatAreNotReadHoldLittle(t *testing.T) {
	s := open(t, scheduler.Options{}, large)
	path := s.finished(t, 10)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const readers = 20
	for i := range readers {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: h\r\n\r\n", path, []string{"", "/events"}[i%2])
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if grown := heap() - before; int64(grown) > readers*(3<<20) {
		t.Errorf("%d readers of ten images of 2 MB hold %d MB", readers, grown>>20)
	}
}

// vanishing forgets files after some reads.
type vanishing struct {
	Artifacts
	mu   sync.Mutex
	left int
}

func (v *vanishing) Get(ctx context.Context, name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left--; v.left < 0 {
		return nil, job.Errorf(job.NotFound, "gone")
	}
	return v.Artifacts.Get(ctx, name)
}

func TestAnAnswerWhoseFilesGoIsCutOff(t *testing.T) {
	files := &vanishing{left: 1 << 30}
	s := open(t, scheduler.Options{}, large, func(c *Config, _ *http.Server) { files.Artifacts, c.Artifacts = c.Artifacts, files })
	path := s.finished(t, 3)
	for left, want := range map[int]string{5: "whole", 4: "cut", 3: "cut", 2: "expired"} {
		files.mu.Lock()
		files.left = left
		files.mu.Unlock()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		got := "whole"
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			got = "cut"
		case strings.Contains(string(text), `"status":"expired"`):
			got = "expired"
		}
		if got != want {
			t.Errorf("%d reads: %s, %v, expected %s", left, got, err, want)
		}
		if coded := base64.StdEncoding.EncodeToString(make([]byte, 2<<20)); want == "whole" && strings.Count(string(text), `"b64_json":"`+coded+`"`) != 3 {
			t.Errorf("%d bytes are not the three images", len(text))
		}
	}
}
