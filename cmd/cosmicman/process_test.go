package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running cosmicman.
type process struct {
	*exec.Cmd
	out   *output
	ended chan error // one value
}

// output is what a process has written so far.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// startProcess starts a process, which the test's end kills.
func startProcess(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, args...), out: &output{}, ended: make(chan error, 1)}
	p.Stdout, p.Stderr = p.out, p.out
	p.Env = append(os.Environ(), "COSMICMAN_REDIS_URL=")
	p.WaitDelay = 20 * time.Second
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		err := <-p.ended
		p.ended <- err
		if t.Failed() {
			t.Logf("%s %q: %v\n%s", program, args, err, p.out)
		}
	})
	return p
}

// end waits for the process's end and returns its exit code, -1 for a signal.
func (p *process) end(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return p.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		t.Fatalf("%q does not end", p.Args)
		return 0
	}
}

// stop asks for the process's end, which has to be a good one.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != 0 {
		t.Fatalf("exit code %d after SIGTERM, expected 0", code)
	}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.end(t)
}

// await polls until something is true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// servedSite is a process that serves.
type servedSite struct {
	*process
	url, data string
}

var servesOn = regexp.MustCompile(`cosmicman serves on (http://\S+)`)

// serving starts `cosmicman serve` on a data folder; it returns when images can be drawn.
func serving(t *testing.T, data string, args ...string) *servedSite {
	t.Helper()
	s := &servedSite{data: data}
	s.process = startProcess(t, "cosmicman", append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data, "--library", library(t)}, args...)...)
	await(t, "the server is ready", func() bool {
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("the server has ended: %v\n%s", err, s.out)
		default:
		}
		if found := servesOn.FindStringSubmatch(s.out.String()); found != nil {
			s.url = found[1]
		}
		if s.url == "" {
			return false
		}
		code, _ := s.get(t, "/readyz")
		return code == 200
	})
	return s
}

func (s *servedSite) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// answered is what a client was told.
type answered struct {
	code int
	Data []struct {
		B64JSON []byte `json:"b64_json"`
		Seed    uint64
	}
	Error struct{ Message, Code, Param string }
}

func (s *servedSite) post(ctx context.Context, body string, header ...string) (a answered, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	a.code = res.StatusCode
	return a, json.NewDecoder(res.Body).Decode(&a)
}

// draw is post of a request that must be drawn.
func (s *servedSite) draw(t *testing.T, body string, header ...string) answered {
	t.Helper()
	a, err := s.post(t.Context(), body, header...)
	if err != nil || a.code != 200 || len(a.Data) == 0 {
		t.Errorf("%s: %d %+v, %v", body, a.code, a.Error, err)
	}
	return a
}

// later is post in the background.
func (s *servedSite) later(ctx context.Context, body string, header ...string) <-chan answered {
	out := make(chan answered, 1)
	go func() {
		a, err := s.post(ctx, body, header...)
		if err != nil {
			a.Error.Message = err.Error()
		}
		out <- a
	}()
	return out
}

// accept has a job accepted that nobody waits for, and returns where it is.
func (s *servedSite) accept(t *testing.T, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "respond-async")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	where := res.Header.Get("Location")
	if res.StatusCode != http.StatusAccepted || where == "" {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	return where
}

// follow reads a job's events, and returns the name of the last once the stream ends.
func (s *servedSite) follow(t *testing.T, where string) <-chan string {
	t.Helper()
	res, err := http.Get(s.url + where + "/events")
	if err != nil {
		t.Fatal(err)
	}
	last := make(chan string, 1)
	go func() {
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		names := regexp.MustCompile(`(?m)^event: (.*)$`).FindAllSubmatch(text, -1)
		if err != nil || len(names) == 0 {
			last <- fmt.Sprintf("%v after %.200s", err, text)
			return
		}
		last <- string(names[len(names)-1][1])
	}()
	return last
}

// report asks `cosmicman queue --json`.
func report(t *testing.T, where ...string) queueReport {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &environment{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	if code := run(t.Context(), e, append([]string{"queue", "--json"}, where...)); code != 0 {
		t.Fatalf("queue: exit code %d: %s", code, &stderr)
	}
	var r queueReport
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *servedSite) report(t *testing.T) queueReport { t.Helper(); return report(t, "--data", s.data) }

// drawn returns the bytes that `generate` makes of a request with the server's defaults.
func drawn(t *testing.T, model, prompt, seed, width, height string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.png")
	var stderr bytes.Buffer
	e := &environment{stdout: io.Discard, stderr: &stderr, getenv: os.Getenv}
	if code := run(t.Context(), e, []string{"generate", "--library", library(t), "--model", model, "--prompt", prompt,
		"--seed", seed, "--width", width, "--height", height, "--output", path}); code != 0 {
		t.Fatalf("generate: exit code %d: %s", code, &stderr)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ownRedis starts a Redis that keeps what it has accepted, and returns its URL.
func ownRedis(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--appendonly", "yes", "--save", "")
	await(t, "Redis listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "redis://" + address
}
