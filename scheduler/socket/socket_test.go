package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
)

func TestWithoutAServerCallsAreUnavailableAndNameThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nobody")
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	ctx := t.Context()
	_, err := c.Submit(ctx, job.Submission{})
	unavailable(t, "submit", err, path)
	_, err = c.Lease(ctx, request("w"))
	unavailable(t, "lease", err, path)
	_, err = c.Watch(ctx, job.NewID(), "someone")
	unavailable(t, "watch", err, path)
	_, err = c.Revocations(ctx, "w")
	unavailable(t, "revocations", err, path)
	unavailable(t, "finish", c.Finish(ctx, job.Ref{}, job.Result{}), path)
}

func TestAnotherUserMayNotConnect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	check(t, "stat", err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, expected 0600", info.Mode().Perm())
	}
	check(t, "close", l.Close())
	check(t, "close again", l.Close())
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestADeadSocketIsReplacedAndALiveOneRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	check(t, "close", dead.Close())

	live, err := Listen(path)
	if err != nil {
		t.Fatalf("over a dead socket: %v", err)
	}
	defer func() { check(t, "close", live.Close()) }()
	if _, err := Listen(path); job.KindOf(err) != job.Conflict || !strings.Contains(err.Error(), path) {
		t.Errorf("over a live socket: %v, expected a conflict that names it", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the live socket is gone: %v", err)
	}
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	check(t, "write", os.WriteFile(path, []byte("precious"), 0o600))
	if _, err := Listen(path); job.KindOf(err) != job.Conflict {
		t.Errorf("error is %v, expected a conflict", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
	if _, err := Listen(filepath.Join(path, "no", "folder")); job.KindOf(err) != job.Unavailable {
		t.Errorf("error is %v, expected unavailable", err)
	}
}

func TestOfManyThatFindADeadSocketOneListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for range 10 {
		dead, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		dead.(*net.UnixListener).SetUnlinkOnClose(false)
		check(t, "close", dead.Close())
		var mu sync.Mutex
		var won []net.Listener
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := Listen(path)
				if err != nil {
					if job.KindOf(err) != job.Conflict {
						t.Errorf("error is %v, expected a conflict", err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				won = append(won, l)
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d listen, expected 1", len(won))
		}
		check(t, "close", won[0].Close())
	}
}

func TestALongPathWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	check(t, "mkdir", os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "socket")
	q := localq.OpenMemory(scheduler.Options{})
	defer func() { check(t, "close", q.Close()) }()
	defer serve(t, path, q)()
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	submit(t, c)
	if _, err := Listen(path); job.KindOf(err) != job.Conflict {
		t.Errorf("error is %v, expected a conflict", err)
	}
	tooLong := filepath.Join(dir, strings.Repeat("x", 150))
	if _, err := Listen(tooLong); job.KindOf(err) != job.Invalid {
		t.Errorf("error is %v, expected invalid", err)
	}
}

func TestAnErrorCrossesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	want := &job.Error{Kind: job.Overloaded, Field: "n", Message: "too \"many\" <images>", RetryAfter: 1500 * time.Millisecond, Cause: errors.New("secret")}
	defer serve(t, path, refusing{err: errors.Join(errors.New("around it"), want)})()
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	_, err := c.Submit(t.Context(), job.Submission{})
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Kind != want.Kind || e.Field != want.Field || e.Message != want.Message || e.RetryAfter != want.RetryAfter || e.Cause != nil {
		t.Errorf("error is %#v, expected %#v without its cause", err, want)
	}
	_, err = c.Watch(t.Context(), job.NewID(), "someone")
	if job.KindOf(err) != job.Overloaded {
		t.Errorf("watch: error is %v", err)
	}
}

// refusing is a queue that answers some calls with an error.
type refusing struct {
	scheduler.Queue
	err error
}

func (r refusing) Submit(context.Context, job.Submission) (job.Status, error) {
	return job.Status{}, r.err
}

func (r refusing) Watch(context.Context, job.ID, string) (<-chan job.Update, error) {
	return nil, r.err
}

func TestAnotherProtocolAndUnknownMethodsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	defer serve(t, path, refusing{})()
	for _, c := range []struct {
		name, verb, method, protocol string
		body                         string
		status                       int
		says                         string
	}{
		{"another protocol", "POST", "/v1/submit", "2", "{}", http.StatusUpgradeRequired, `"kind":"too_new"`},
		{"no protocol", "POST", "/v1/submit", "", "{}", http.StatusUpgradeRequired, `"kind":"too_new"`},
		{"unknown method", "POST", "/v1/explode", "1", "{}", http.StatusNotFound, `/v1/explode`},
		{"unknown path", "POST", "/", "1", "{}", http.StatusNotFound, `"kind":"invalid"`},
		{"another verb", "GET", "/v1/submit", "1", "", http.StatusMethodNotAllowed, `POST`},
		{"no arguments", "POST", "/v1/submit", "1", "", http.StatusBadRequest, `cannot be read`},
		{"other arguments", "POST", "/v1/submit", "1", `[1]`, http.StatusBadRequest, `cannot be read`},
		{"too much", "POST", "/v1/submit", "1", `"` + strings.Repeat("x", maxRequest), http.StatusRequestEntityTooLarge, `larger than`},
	} {
		t.Run(c.name, func(t *testing.T) {
			transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Connect(ctx, path) }}
			r, err := http.NewRequestWithContext(t.Context(), c.verb, "http://queue"+c.method, strings.NewReader(c.body))
			check(t, "request", err)
			r.Header.Set(protocolHeader, c.protocol)
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			check(t, "read", err)
			if answer.StatusCode != c.status || !strings.Contains(string(body), c.says) {
				t.Errorf("answer is %d %s, expected %d with %s", answer.StatusCode, body, c.status, c.says)
			}
		})
	}
}

func TestWhatAnswersWithoutAProtocolIsNoQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Serve(l) }()
	defer func() { check(t, "close", other.Close()); <-done }()
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	_, err = c.Stats(t.Context())
	unavailable(t, "stats", err, path)
}

func TestServingEndsWithClientsWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	q := localq.OpenMemory(scheduler.Options{})
	stop := serve(t, path, q)
	c := Dial(path)
	id := submit(t, c).ID
	updates, err := c.Watch(t.Context(), id, "someone")
	check(t, "watch", err)
	revoked, err := c.Revocations(t.Context(), "w")
	check(t, "revocations", err)
	leased := make(chan error)
	go func() {
		r := request("w")
		r.Offers[0].Model = "another"
		_, err := c.Lease(t.Context(), r)
		leased <- err
	}()
	stop()
	if err := <-leased; job.KindOf(err) != job.Unavailable {
		t.Errorf("the lease that waited: %v, expected unavailable", err)
	}
	check(t, "close the client", c.Close())
	for range updates {
	}
	for range revoked {
	}
	check(t, "close the store", q.Close())
	_, err = c.Watch(t.Context(), id, "someone")
	unavailable(t, "watch with a closed client", err, path)
	_, err = c.Stats(t.Context())
	unavailable(t, "stats with a closed client", err, path)
}

func TestServingEndsThoughAWatcherReadsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	q := localq.OpenMemory(scheduler.Options{})
	defer func() { check(t, "close", q.Close()) }()
	stop := serve(t, path, q)
	id := submit(t, q).ID
	leases, err := q.Lease(t.Context(), request("w"))
	check(t, "lease", err)
	asleep, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer asleep.Close()
	body := `{"job":"` + string(id) + `","watcher":"asleep"}`
	_, err = fmt.Fprintf(asleep, "POST /v1/watch HTTP/1.1\r\nHost: queue\r\n%s: %d\r\nContent-Length: %d\r\n\r\n%s", protocolHeader, Protocol, len(body), body)
	check(t, "write", err)
	head := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(asleep, head); err != nil || string(head) != "HTTP/1.1 200" {
		t.Fatalf("answer begins with %q, %v", head, err)
	}
	// More than lies between the two sides.
	preview := &job.Preview{Data: make([]byte, 1<<20)}
	for i := range 20 {
		check(t, "progress", q.Progress(t.Context(), leases[0].Ref, job.Progress{Done: i, All: 20}, preview))
	}
	stop()
}

func TestALeaseWhoseCallerHasGoneIsReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	q := localq.OpenMemory(scheduler.Options{})
	defer func() { check(t, "close", q.Close()) }()
	defer serve(t, path, q)()
	for range 20 {
		// A connection that is cut while its lease waits.
		c := Dial(path)
		done := make(chan []scheduler.Lease)
		go func() {
			l, _ := c.Lease(context.Background(), request("gone"))
			done <- l
		}()
		submitted := submit(t, q).ID
		check(t, "close", c.Close())
		given := len(<-done) == 1
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if given {
			check(t, "cancel", q.Cancel(ctx, submitted))
		} else if l, err := q.Lease(ctx, request("w")); err != nil || len(l) != 1 || l[0].Attempt != 1 {
			t.Errorf("lease gives %v, %v, expected the job at its first attempt", l, err)
		}
		cancel()
	}
}

func unavailable(t *testing.T, what string, err error, path string) {
	t.Helper()
	if job.KindOf(err) != job.Unavailable || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: error is %v, expected unavailable with the path", what, err)
	}
}
