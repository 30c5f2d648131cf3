package queuetest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// What tells a copy of the test's process to be a child.
const (
	childRole    = "QUEUETEST_CHILD"
	childAddress = "QUEUETEST_ADDRESS"
	childName    = "QUEUETEST_NAME"
)

// Child makes a process that [Crash] has started do its work, and never returns
// from it; in any other it returns at once. A store's TestMain calls it first. dial
// reaches the store from another process; o is what the store was opened with.
func Child(dial func(address string, o scheduler.Options) (scheduler.Queue, error)) {
	role := os.Getenv(childRole)
	if role == "" {
		return
	}
	q, err := dial(os.Getenv(childAddress), crashOptions)
	if err != nil {
		say("error dialling: %v", err)
		os.Exit(1)
	}
	c := child{q: q, name: os.Getenv(childName), in: bufio.NewScanner(os.Stdin)}
	switch role {
	case "hold":
		c.hold()
	case "work":
		c.work()
	case "watch":
		c.watch()
	default:
		say("error: no role %q", role)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a worker or a watcher in a process of its own.
type child struct {
	q    scheduler.Queue
	name string
	in   *bufio.Scanner
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// outcome says what became of a write.
func outcome(what string, err error) {
	if err != nil {
		say("refused %s: %s", what, job.KindOf(err))
		return
	}
	say("done %s", what)
}

// hold draws one image, beating, and finishes it when it is told to. It says which of
// its starts are revoked.
func (c *child) hold() {
	ctx := context.Background()
	revoked, err := c.q.Revocations(ctx, c.name)
	if err != nil {
		say("error: revocations: %v", err)
		return
	}
	go func() {
		for r := range revoked {
			say("revoked %s", r.Job)
		}
	}()
	say("waiting")
	l, err := c.q.Lease(ctx, request(c.name, 1))
	if err != nil || len(l) != 1 {
		say("error: lease gave %d images, %v", len(l), err)
		return
	}
	go c.beat(l[0].Ref)
	say("leased %s", l[0].Ref.Job)
	if c.in.Scan() {
		preview := &job.Preview{Type: "image/png", Data: []byte{1, 2, 3, 4}}
		outcome("progress", c.q.Progress(ctx, l[0].Ref, job.Progress{Done: 5, All: 20}, preview))
	}
	if c.in.Scan() {
		outcome("finish", c.q.Finish(ctx, l[0].Ref, result(l[0].Ref)))
		c.in.Scan() // until the parent has read everything
	}
}

// work draws images until it is killed.
func (c *child) work() {
	ctx := context.Background()
	say("working")
	for {
		l, err := c.q.Lease(ctx, request(c.name, 2))
		if err != nil {
			say("error: lease: %v", err)
			return
		}
		for _, l := range l {
			for step := range 3 {
				time.Sleep(rand.N(4 * time.Millisecond))
				_ = c.q.Progress(ctx, l.Ref, job.Progress{Done: step, All: 3}, nil)
			}
			if err := c.q.Finish(ctx, l.Ref, result(l.Ref)); err != nil && job.KindOf(err) != job.Fenced {
				say("error: finish: %v", err)
				return
			}
		}
	}
}

// watch submits two jobs, one of them with a key, and watches both until it is killed.
func (c *child) watch() {
	ctx := context.Background()
	for _, change := range []func(*job.Submission){func(*job.Submission) {}, keyed(c.name, "d")} {
		st, err := c.q.Submit(ctx, submission(change, watchedBy(c.name)))
		if err != nil {
			say("error: submit: %v", err)
			return
		}
		updates, err := c.q.Watch(ctx, st.ID, c.name)
		if err != nil {
			say("error: watch: %v", err)
			return
		}
		<-updates
		say("watching %s", st.ID)
		go func() {
			for range updates {
			}
		}()
	}
	c.in.Scan()
}

func (c *child) beat(refs ...job.Ref) {
	for {
		_, _ = c.q.Beat(context.Background(), worker(c.name), refs)
		time.Sleep(crashTTL / 6)
	}
}

// process is a child as its parent sees it.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    interface{ Write([]byte) (int, error) }
	lines chan string
}

// start runs this test's program again, as a child.
func start(t *testing.T, role, name, address string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childRole+"="+role, childName+"="+name, childAddress+"="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, in: in, lines: make(chan string, 1000)}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// expect waits for a line that begins with a word, and returns the rest.
func (p *process) expect(word string) string {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case line, open := <-p.lines:
			if rest, found := strings.CutPrefix(line, word+" "); found || line == word {
				return rest
			}
			if !open || strings.HasPrefix(line, "error") {
				p.t.Fatalf("the child said %q and not %q", line, word)
			}
		case <-late.C:
			p.t.Fatalf("the child did not say %q", word)
		}
	}
}

func (p *process) tell() {
	p.t.Helper()
	if _, err := p.in.Write([]byte("go\n")); err != nil {
		p.t.Fatal(err)
	}
}

// finish lets a child that holds an image go through its progress to its finish.
func (p *process) finish() {
	p.t.Helper()
	p.tell()
	p.tell()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill kills the child, which may be stopped, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines {
	}
	_ = p.cmd.Wait()
}
