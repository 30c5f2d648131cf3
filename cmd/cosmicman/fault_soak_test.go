package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestFault09ManyRequestsLeaveNothingOpen compares a server that had many requests
// with one that had few.
func TestFault09ManyRequestsLeaveNothingOpen(t *testing.T) {
	t.Parallel()
	manyRequests(t, 500, 20)
}

// manyRequests sends requests of which one in so many is for an image.
func manyRequests(t *testing.T, requests, every int) {
	const slack = 8 // the runtime's and the store's own come and go
	model := "--model=tiny=" + tiny(t, "tiny-sd")
	few, many := serveAlone(t, t.TempDir(), model), serveAlone(t, t.TempDir(), model)
	alone := mustDraw(t, few.url(), ask(1, 64, 1))
	mustDraw(t, many.url(), ask(1, 64, 1))
	http.DefaultClient.CloseIdleConnections()
	before := few.descriptors()

	ctx := t.Context()
	numbers := make(chan int)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range numbers {
				switch {
				case i%every == 0:
					draw(ctx, many.url(), ask(1, 64, 1), "").same(t, fmt.Sprint("request ", i), alone)
				case i%3 == 0:
					if status, text := probe(many.url() + "/readyz"); status != http.StatusOK {
						t.Errorf("ready: %d %s", status, text)
					}
				default:
					if a := draw(ctx, many.url(), `{"prompt":"a headshot","size":"63x64"}`, ""); a.status != http.StatusBadRequest {
						t.Errorf("request %d: %v", i, a)
					}
				}
			}
		})
	}
	for i := range requests {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	var after int
	eventually(t, "descriptors are closed", func() error {
		if after = many.descriptors(); after > before+slack {
			return fmt.Errorf("%d are open, at the start %d", after, before)
		}
		return nil
	})
	goroutines := [2]int{few.goroutines(), many.goroutines()}
	if goroutines[1] > goroutines[0]+slack {
		t.Errorf("%d goroutines after %d requests, %d after one", goroutines[1], requests, goroutines[0])
	}
	t.Logf("%d requests, %d of them for images: descriptors %d, then %d; goroutines %d, then %d; lost: nothing",
		requests, (requests+every-1)/every, before, after, goroutines[0], goroutines[1])
}

// descriptors counts the files and connections that a program has open.
func (p *program) descriptors() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// goroutines ends a program with the signal that makes it list them.
func (p *program) goroutines() int {
	p.t.Helper()
	p.signal(syscall.SIGQUIT)
	p.exit()
	// Each thread that runs one tells it a second time.
	seen := map[string]bool{}
	for line := range strings.Lines(p.log.String()) {
		if rest, ok := strings.CutPrefix(line, "goroutine "); ok {
			number, _, _ := strings.Cut(rest, " ")
			seen[number] = true
		}
	}
	if len(seen) == 0 {
		p.t.Fatalf("no goroutines in %s", last(p.log.String(), 2000))
	}
	return len(seen)
}

const (
	// leak is what the control loses with each image.
	leak = 4 << 20
	// growth of memory from which on a program counts as leaking.
	growth = 40 << 20
)

// leaking is the program with a leak: a control for what looks for leaks.
func leaking() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &environment{stdout: os.Stdout, stderr: &leaky{}, getenv: os.Getenv}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}

// leaky passes a log on and keeps a piece of memory for each image in it.
type leaky struct{ kept [][]byte }

func (l *leaky) Write(p []byte) (int, error) {
	for range bytes.Count(p, []byte("msg=decoded")) {
		l.kept = append(l.kept, bytes.Repeat([]byte{1}, leak))
	}
	return os.Stderr.Write(p)
}

// TestFault23MemoryStaysAndALeakIsSeen draws for a while, with the program and with
// one that leaks.
func TestFault23MemoryStaysAndALeakIsSeen(t *testing.T) {
	t.Parallel()
	soak(t, 3, 10)
}

func soak(t *testing.T, rounds, images int) {
	model := tiny(t, "tiny-sd")
	for name, leaks := range map[string]bool{"cosmicman": false, "leaking": true} {
		p := launchAs(t, name, aloneArgs(t, t.TempDir(), "--model=tiny="+model)...)
		var sizes []int64
		for range rounds {
			for range images / 10 {
				mustDraw(t, p.url(), ask(1, 64, 10))
			}
			sizes = append(sizes, p.memory())
		}
		grew := sizes[rounds-1] - sizes[0] // the first round warms up
		if (grew > growth) != leaks {
			t.Errorf("%s: memory went from %d to %d MiB; more than %d MiB is a leak", name, sizes[0]>>20, sizes[rounds-1]>>20, growth>>20)
		}
		for i := range sizes {
			sizes[i] >>= 20
		}
		t.Logf("%s: memory after each %d images, in MiB: %d", name, images, sizes)
		p.kill()
	}
}

// memory is what a program holds in RAM, in bytes.
func (p *program) memory() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
