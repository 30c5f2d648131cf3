package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// toLoopback lets a fetcher reach the servers of tests, by any name.
func toLoopback() fetcher {
	return fetcher{
		lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		allowed: func(a netip.AddrPort) bool { return a.Addr().IsLoopback() },
	}
}

// memoryOf is enough for a file or two.
func memoryOf(n int64) *memory {
	m := &memory{}
	m.left.Store(n)
	return m
}

// get fetches by a name, so that the name is looked up.
func get(t *testing.T, f fetcher, server *httptest.Server, path string) ([]byte, error) {
	t.Helper()
	l := memoryOf(1 << 28).loan()
	defer l.release()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return f.fetch(t.Context(), l, "http://images.example.org:"+port+path, "images[0].image_url")
}

func TestFetch(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // is not looked at
	lookups := atomic.Int32{}
	f := toLoopback()
	inner := f.lookup
	f.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		lookups.Add(1)
		if host != "images.example.org" {
			t.Errorf("%s was looked up", host)
		}
		return inner(ctx, host)
	}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "images.example.org:") || r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s, %v", r.Host, r.Header)
		}
		switch r.URL.Path {
		case "/image":
			_, _ = io.WriteString(w, "PIXELS")
		case "/redirect":
			http.Redirect(w, r, "/image", http.StatusFound)
		case "/gone":
			http.Error(w, "secret words", http.StatusGone)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "PIXELS")
		case "/empty":
		case "/said":
			w.Header().Set("Content-Length", fmt.Sprint(maxFile+1))
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "PIXELS")
		}
	}))
	defer h.Close()
	data, err := get(t, f, h, "/image")
	if err != nil || string(data) != "PIXELS" || lookups.Load() != 1 {
		t.Errorf("%q, %v, %d look-ups", data, err, lookups.Load())
	}
	for path, words := range map[string]string{
		"/redirect": "is redirected", "/gone": "was answered with the status 410", "/gzip": "was answered with a Content-Encoding",
		"/empty": "is empty", "/said": "is over 52428800 bytes", "/endless": "is over 52428800 bytes",
		"/header": "could not be fetched", "/short": "could not be fetched",
	} {
		_, err := get(t, f, h, path)
		e := shown(err, &http.Request{})
		if e.status != 400 || e.param != "images[0].image_url" || !strings.HasPrefix(e.message, "images[0].image_url "+words) || strings.Contains(e.message, "secret") {
			t.Errorf("%s: %+v, want %q", path, e, words)
		}
	}
}

// TestFetchReachesOnlyPublicAddresses: every way to say an address that is not public
// is refused before anything is dialled, in the words that an address which does not
// answer gets.
func TestFetchReachesOnlyPublicAddresses(t *testing.T) {
	asked := atomic.Int32{}
	h := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer h.Close()
	_, port, err := net.SplitHostPort(h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	same := ""
	fetch := func(f fetcher, url string) {
		t.Helper()
		l := memoryOf(1 << 28).loan()
		defer l.release()
		_, err := f.fetch(t.Context(), l, url, "image_url")
		e := shown(err, &http.Request{})
		if same == "" {
			same = e.message
		}
		if e.status != 400 || e.message != same || !strings.Contains(e.message, "could not be fetched") {
			t.Errorf("%s: %+v", url, e)
		}
	}
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "LOCALHOST.", "[fe80::1%25lo]",
	} {
		fetch(fetcher{}, "http://"+host+":"+port+"/")
	}
	// A name of a good and a bad address, and one that changes between looks.
	good, bad := netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("127.0.0.1")
	fetch(fetcher{lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{good, bad}, nil }}, "http://a.example:"+port+"/")
	fetch(fetcher{lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, nil }}, "http://a.example:"+port+"/")
	fetch(fetcher{lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host 10.1.2.3") }}, "http://a.example/")
	looks := 0
	closed := fetcher{
		lookup: func(context.Context, string) ([]netip.Addr, error) {
			if looks++; looks > 1 {
				return []netip.Addr{bad}, nil // where the server of this test is
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
		},
		allowed: func(a netip.AddrPort) bool { return a.Addr() != bad },
	}
	fetch(closed, "http://rebound.example:"+port+"/")
	if looks != 1 {
		t.Errorf("%d look-ups", looks)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	for _, url := range []string{"http://", "http:///x", "http://user:word@example.org/", "http://user@example.org/", "http:example.org", "https://exa mple.org/", "http://example.org/\r\nX: y", "http://[::1/", "http://example.org:99999x/"} {
		l := memoryOf(1 << 28).loan()
		_, err := fetcher{}.fetch(t.Context(), l, url, "image_url")
		if e := shown(err, &http.Request{}); e.status != 400 || !strings.Contains(e.message, "must be a URL") {
			t.Errorf("%q: %+v", url, e)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for _, a := range []string{"93.184.215.14", "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"} {
		if !publicAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s is not called public", a)
		}
	}
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1",
		"2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1",
	} {
		if publicAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s is called public", a)
		}
	}
	if publicAddress(netip.Addr{}) {
		t.Error("no address is called public")
	}
}

// TestFetchGivesUp: a server that never says anything costs no more than the time
// that the request has.
func TestFetchGivesUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	l := memoryOf(1 << 28).loan()
	defer l.release()
	begun := time.Now()
	_, err = toLoopback().fetch(ctx, l, "http://"+silent.Addr().String()+"/", "image_url")
	if e := shown(err, &http.Request{}); e.status != 400 || time.Since(begun) > 10*time.Second {
		t.Errorf("%+v after %v", e, time.Since(begun))
	}
}

func TestDataURLs(t *testing.T) {
	s := &server{}
	s.memory.left.Store(1 << 28)
	read := func(url string) ([]byte, error) {
		l := s.memory.loan()
		defer l.release()
		return s.readURL(t.Context(), l, url, "image_url")
	}
	for _, url := range []string{"data:image/png;base64,UElYRUxT", "DATA:image/jpeg;base64,UElYRUxT", "data:Image/WebP;base64,UElYRUxT"} {
		if data, err := read(url); err != nil || string(data) != "PIXELS" {
			t.Errorf("%s: %q, %v", url, data, err)
		}
	}
	for url, words := range map[string]string{
		"":                                                          "must be a data URL",
		"file:///etc/passwd":                                        "must be a data URL",
		"ftp://example.org/x.png":                                   "must be a data URL",
		"javascript:alert(1)":                                       "must be a data URL",
		"https://example.org/x.png":                                 "this one fetches none",
		"HTTP://example.org/x.png":                                  "this one fetches none",
		"UElYRUxT":                                                  "must be a data URL",
		"data:image/gif;base64,UElYRUxT":                            "must begin with data:image/png;base64,",
		"data:image/svg+xml;base64,UElYRUxT":                        "must begin with",
		"data:;base64,UElYRUxT":                                     "must begin with",
		"data:,UElYRUxT":                                            "must begin with",
		"data:image/png,UElYRUxT":                                   "must begin with",
		"data:image/png;charset=utf-8;base64,UElYRUxT":              "must begin with",
		"data:image/png;base64;base64,UElYRUxT":                     "must begin with",
		"data:image/png;base64":                                     "must begin with",
		"data:image/png;base64,":                                    "holds an empty image",
		"data:image/png;base64,UElYRUxT=":                           "no valid base64",
		"data:image/png;base64,UElYRUx":                             "no valid base64",
		"data:image/png;base64,UElYRUxTA":                           "no valid base64",
		"data:image/png;base64,UElY\nRUxT":                          "no valid base64",
		"data:image/png;base64,UElY RUxT":                           "no valid base64",
		"data:image/png;base64,UElY%2BUxT":                          "no valid base64",
		"data:image/png;base64,UElY-_xT":                            "no valid base64",
		"data:image/png;base64,UEk=UElY":                            "no valid base64",
		"data:image/png;base64,UEl=":                                "no valid base64", // bits that are lost
		"data:image/png;base64," + strings.Repeat("A", maxImageURL): "at most 20971520 are accepted",
	} {
		_, err := read(url)
		e := shown(err, &http.Request{})
		if e.status != 400 || e.param != "image_url" || !strings.Contains(e.message, words) || len(e.message) > 300 {
			t.Errorf("%.60s: %+v, want %q", url, e, words)
		}
	}
	s.memory.left.Store(2)
	if _, err := read("data:image/png;base64,UElYRUxT"); shown(err, &http.Request{}).status != 503 {
		t.Errorf("without memory: %v", err)
	}
	if s.memory.left.Load() != 2 {
		t.Error("memory is not given back")
	}
}

func TestImageURLs(t *testing.T) {
	got, err := imageURLs("images", []byte(` [{"image_url": "data:x"}, {"image_url": "y"}]`)[1:], 2)
	if err != nil || fmt.Sprint(got) != "[data:x y]" {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string][2]string{
		``:                                       {"images", "must be an array"},
		`null`:                                   {"images", "must be an array"},
		`{}`:                                     {"images", "must be an array"},
		`"x"`:                                    {"images", "must be an array"},
		`[]`:                                     {"images", "has 0 elements, expected 1 to 2"},
		`[1,2,3]`:                                {"images", "has 3 elements, expected 1 to 2"},
		`["x"]`:                                  {"images[0]", "must be an object"},
		`[{"image_url": "x"}, null]`:             {"images[1]", "must be an object"},
		`[{}]`:                                   {"images[0].image_url", "is required"},
		`[{"image_url": ""}]`:                    {"images[0].image_url", "is required"},
		`[{"image_url": null}]`:                  {"images[0].image_url", "must be a string"},
		`[{"image_url": {"url": "x"}}]`:          {"images[0].image_url", "must be a string"},
		`[{"image_url": "y", "image_url": "z"}]`: {"images[0].image_url", "given twice"},
		`[{"file_id": "file-abc"}]`:              {"images[0].file_id", "is not supported"},
		`[{"image_url":"x","detail":1}]`:         {"images[0].detail", "unknown field"},
	} {
		_, err := imageURLs("images", []byte(text), 2)
		e := shown(err, &http.Request{})
		if e.status != 400 || e.param != want[0] || !strings.Contains(e.message, want[1]) {
			t.Errorf("%s: %+v, want %q", text, e, want)
		}
	}
}

func FuzzDataURL(f *testing.F) {
	for _, url := range []string{"data:image/png;base64,UElYRUxT", "data:image/webp;base64,AA==", "data:,", "http://[::1]", "data:image/png;base64,\n", ""} {
		f.Add(url)
	}
	s := &server{}
	s.memory.left.Store(1 << 20)
	f.Fuzz(func(t *testing.T, url string) {
		l := s.memory.loan()
		data, err := s.readURL(t.Context(), l, url, "image_url")
		l.release()
		if err != nil {
			if e := shown(err, &http.Request{}); e.status != 400 && e.status != 503 || e.param != "image_url" && e.status == 400 {
				t.Fatalf("%+v", e)
			}
			return
		}
		if len(data) == 0 || len(data) > len(url) || s.memory.left.Load() != 1<<20 {
			t.Fatalf("%d bytes", len(data))
		}
	})
}

// TestLoansGrow: a file is read whole whatever its length, and the memory for it is
// taken and given back.
func TestLoansGrow(t *testing.T) {
	m := memoryOf(1 << 22)
	for _, n := range []int{0, 1, 64 << 10, 64<<10 + 1, 1 << 20, 1<<20 + 1} {
		l := m.loan()
		want := make([]byte, n)
		for i := range n / 8 {
			binary.LittleEndian.PutUint64(want[8*i:], uint64(i))
		}
		got, err := l.read(bytes.NewReader(want), 1<<20)
		if n > 1<<20 {
			want = want[:1<<20+1]
		}
		if err != nil || !bytes.Equal(got, want) || int64(len(got)) > l.n {
			t.Errorf("%d bytes became %d, %d taken, %v", n, len(got), l.n, err)
		}
		l.release()
	}
	if left := m.left.Load(); left != 1<<22 {
		t.Errorf("%d bytes are left", left)
	}
	l := m.loan()
	defer l.release()
	if _, err := l.read(bytes.NewReader(make([]byte, 1<<23)), 1<<23); !errors.Is(err, errFilesBusy) {
		t.Errorf("more than there is: %v", err)
	}
}
