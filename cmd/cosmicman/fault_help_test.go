package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/redisq"
)

// patience is how long a test waits for what must come; it is no promise of the program.
const patience = time.Minute

// leaseTTL of the processes here: short, and still many beats on a busy machine.
const leaseTTL = 2 * time.Second

// eventually waits until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// transcript keeps what a process writes, for goroutines that read it meanwhile.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// program is a cosmicman in a process of its own.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   transcript
	first string // line of its standard output
	done  chan struct{}
}

// launch starts a program, which is killed at the test's end, and waits for its
// first line.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	return launchAs(t, "cosmicman", args...)
}

// launchAs starts a program of TestMain's list.
func launchAs(t *testing.T, name string, args ...string) *program {
	t.Helper()
	self, err := exec.LookPath(name) // testscript puts the test's program there under this name
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, done: make(chan struct{})}
	p.cmd = &exec.Cmd{Path: self, Args: append([]string{name}, args...), Stderr: &p.log, Env: append(os.Environ(), "COSMICMAN_REDIS_URL=")}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	p.first, err = r.ReadString('\n')
	go func() {
		defer close(p.done)
		_, _ = io.Copy(io.Discard, r)
		_ = p.cmd.Wait() // the state says it all
	}()
	t.Cleanup(func() {
		p.kill()
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if text := p.log.String(); strings.Contains(text, bad) {
				t.Errorf("%s in %q:\n%s", bad, p.cmd.Args, text)
			}
		}
		if t.Failed() {
			t.Logf("%q said:\n%s", p.cmd.Args, last(p.log.String(), 3000))
		}
	})
	if err != nil {
		<-p.done
		t.Fatalf("%q ended at the start: %v, %s", p.cmd.Args, p.cmd.ProcessState, &p.log)
	}
	return p
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

// url is where it serves.
func (p *program) url() string {
	_, url, found := strings.Cut(strings.TrimSpace(p.first), "serves on ")
	if !found {
		p.t.Fatalf("%q serves nothing: %q", p.cmd.Args, p.first)
	}
	return url
}

// kill is kill -9.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code, -1 after a signal.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%q does not end:\n%s", p.cmd.Args, &p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// told counts the lines of its log that hold all of some words.
func (p *program) told(words ...string) (n int) {
	for line := range strings.Lines(p.log.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// answer is what came back for a request.
type answer struct {
	status int
	code   string // of an error
	retry  string // the header Retry-After
	images [][]byte
	err    error // none came back
	took   time.Duration
}

func (a answer) String() string {
	return fmt.Sprintf("status %d %s, %d images, error %v, after %v", a.status, a.code, len(a.images), a.err, a.took.Round(time.Millisecond))
}

// ask is the body of a request for n images of a size.
func ask(seed, side, n int) string {
	return fmt.Sprintf(`{"prompt":"a headshot","seed":%d,"size":"%dx%d","n":%d}`, seed, side, side, n)
}

// draw asks a server for images.
func draw(ctx context.Context, url, body, key string) (a answer) {
	begun := time.Now()
	defer func() { a.took = time.Since(begun) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, retry: resp.Header.Get("Retry-After")}
	var out struct {
		Data []struct {
			Image string `json:"b64_json"`
		}
		Error struct{ Message, Code string }
	}
	if a.err = json.NewDecoder(resp.Body).Decode(&out); a.err != nil {
		return a
	}
	a.code = out.Error.Code + " (" + out.Error.Message + ")"
	for _, d := range out.Data {
		png, err := base64.StdEncoding.DecodeString(d.Image)
		if err != nil {
			a.err = err
		}
		a.images = append(a.images, png)
	}
	return a
}

// mustDraw is draw where nothing disturbs.
func mustDraw(t *testing.T, url, body string) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a := draw(ctx, url, body, "")
	if a.err != nil || a.status != http.StatusOK {
		t.Fatalf("%s: %v", body, a)
	}
	return a.images
}

// same fails the test unless an answer holds these images.
func (a answer) same(t *testing.T, what string, want [][]byte) {
	t.Helper()
	if a.err != nil || a.status != http.StatusOK || len(a.images) != len(want) {
		t.Errorf("%s: %v, expected %d images", what, a, len(want))
		return
	}
	for i := range want {
		if !bytes.Equal(a.images[i], want[i]) {
			t.Errorf("%s: image %d is not the one that is drawn undisturbed", what, i)
		}
	}
}

// within bounds what must not hang.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// probe returns the status of a GET.
func probe(url string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// awaitProbe waits until a GET has this status.
func awaitProbe(t *testing.T, url string, want int) {
	t.Helper()
	eventually(t, url, func() error {
		if got, text := probe(url); got != want {
			return fmt.Errorf("status is %d, expected %d: %s", got, want, text)
		}
		return nil
	})
}

// site is a Redis with a front end and workers around it.
type site struct {
	t        *testing.T
	redis    *redisServer
	address  string // of the Redis, for those around it
	model    string
	front    *program
	url      string // of the front end
	programs []*program
	seen     *redisq.Store // the queue, looked at from here
}

// newSite starts a site. The address of Redis, if not "", is that of a proxy before r.
func newSite(t *testing.T, r *redisServer, address string, workers int, flags ...string) *site {
	t.Helper()
	s := &site{t: t, redis: r, address: address, model: tiny(t, "tiny-sd")}
	if address == "" {
		s.address = r.url()
	}
	s.front = s.start("serve", append([]string{"--addr=127.0.0.1:0", "--no-worker"}, flags...)...)
	s.url = s.front.url()
	for range workers {
		s.worker()
	}
	var err error
	if s.seen, err = redisq.Open(t.Context(), redisq.Config{URL: r.url(), Options: scheduler.Options{LeaseTTL: leaseTTL}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.seen.Close(); err != nil {
			t.Error(err)
		}
	})
	if workers > 0 {
		awaitProbe(t, s.url+"/readyz", http.StatusOK)
	}
	return s
}

func (s *site) start(command string, flags ...string) *program {
	s.t.Helper()
	p := launch(s.t, append([]string{command, "--redis=" + s.address, "--data=" + s.t.TempDir(), "--model=tiny=" + s.model,
		"--library=" + library(s.t), "--threads=1", "--log-level=DEBUG", "--lease-ttl=" + leaseTTL.String()}, flags...)...)
	s.programs = append(s.programs, p)
	return p
}

func (s *site) worker() *program { return s.start("worker") }

// jobs are all jobs that the queue knows.
func (s *site) jobs() (all []job.Status) {
	s.t.Helper()
	for _, id := range s.redis.command("HKEYS", "{cosmicman}:jobs") {
		st, err := s.seen.Get(s.t.Context(), job.ID(id))
		if err != nil {
			if job.KindOf(err) == job.NotFound {
				continue
			}
			s.t.Fatalf("job %s: %v", id, err)
		}
		all = append(all, st)
	}
	return all
}

var errNone = errors.New("there is none yet")

// running waits for an image that is being drawn and has at most so many failed attempts.
func (s *site) running(attempts int) (st job.Status, image job.Image) {
	s.t.Helper()
	eventually(s.t, "an image on a device", func() error {
		for _, st = range s.jobs() {
			for _, image = range st.Images {
				if image.State == job.InProgress && image.Progress.Done > 1 && image.Progress.Done < image.Progress.All/2 && image.Attempts <= attempts {
					return nil
				}
			}
		}
		return errNone
	})
	return st, image
}

// process is the one of a worker's name.
func (s *site) process(worker string) *program {
	s.t.Helper()
	stats, err := s.seen.Stats(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, w := range stats.Workers {
		for _, p := range s.programs {
			if w.ID == worker && w.PID == p.cmd.Process.Pid {
				return p
			}
		}
	}
	s.t.Fatalf("worker %q is none of ours: %+v", worker, stats.Workers)
	return nil
}

// ended waits until all jobs have ended.
func (s *site) ended() {
	s.t.Helper()
	eventually(s.t, "all jobs end", func() error {
		for _, st := range s.jobs() {
			if !st.State.Terminal() {
				return fmt.Errorf("job %s is %s: %+v", st.ID, st.State, st.Images)
			}
		}
		return nil
	})
}

// account tells what became of all that was accepted, and fails the test for what
// was lost: a job that has not ended, or a result without its image.
func (s *site) account(did string) {
	s.t.Helper()
	s.ended()
	states := map[job.State]int{}
	started, retried, lost := 0, 0, 0
	all := s.jobs()
	for _, st := range all {
		states[st.State]++
		for _, i := range st.Images {
			started += int(i.Token)
			retried += i.Attempts
			if st.State != job.Completed {
				continue
			}
			if i.Result == nil {
				lost++
			} else if _, err := s.seen.Artifacts(1<<30).Get(s.t.Context(), i.Result.Artifact); err != nil {
				lost++
			}
		}
	}
	fenced := 0
	for _, p := range s.programs {
		fenced += p.told("msg=fenced")
	}
	s.t.Logf("%s: %d jobs accepted, ended as %v; images started %d times, retried %d times, %d late writes fenced; lost: %d",
		did, len(all), states, started, retried, fenced, lost)
	if lost > 0 {
		s.t.Errorf("%d images are lost", lost)
	}
}
