package socket

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
)

// What tells a copy of the test's process to hold the store.
const (
	servedFolder = "SOCKET_SERVED_FOLDER"
	servedSocket = "SOCKET_SERVED_SOCKET"
)

// serveFolder holds the store in dir until it is killed.
func serveFolder(dir, path string) {
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	q, err := localq.Open(dir, scheduler.Options{})
	if err != nil {
		fail(err)
	}
	l, err := Listen(path)
	if err != nil {
		fail(err)
	}
	fmt.Println("serving")
	fail(Serve(context.Background(), l, q))
}

// holder starts a process that holds the store in dir; kill ends it like a crash.
func holder(t *testing.T, dir, path string) (kill func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), servedFolder+"="+dir, servedSocket+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatalf("the serving process said %q, %v", line, err)
	}
	return kill
}

func TestAKilledServerLosesNothingAndItsWatchersComeBack(t *testing.T) {
	dir, path := filepath.Join(t.TempDir(), "queue"), filepath.Join(t.TempDir(), "socket")
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	kill := holder(t, dir, path)
	id := submit(t, c).ID
	updates, err := c.Watch(ctx, id, "someone")
	check(t, "watch", err)
	until(t, ctx, updates, job.Queued)
	revoked, err := c.Revocations(ctx, "w")
	check(t, "revocations", err)

	kill()
	_, err = c.Stats(ctx)
	unavailable(t, "with the server dead", err, path)

	holder(t, dir, path)
	leases, err := c.Lease(ctx, request("w"))
	if err != nil || len(leases) != 1 || leases[0].Ref.Job != id {
		t.Fatalf("lease gives %v, %v, expected %s", leases, err, id)
	}
	until(t, ctx, updates, job.InProgress)
	// The stream of revocations may still be on its way back: it is a hint.
	refs := []job.Ref{}
	for len(refs) == 0 {
		if err := c.Cancel(ctx, id); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-revoked:
			refs = append(refs, r)
		case <-time.After(200 * time.Millisecond):
			if refs, err = c.Beat(ctx, scheduler.Worker{ID: "w"}, []job.Ref{leases[0].Ref}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refs[0] != leases[0].Ref {
		t.Errorf("%v was revoked, expected %v", refs[0], leases[0].Ref)
	}
	until(t, ctx, updates, job.Cancelled)
	if _, open := <-updates; open {
		t.Error("something followed the end")
	}
}

func TestAWatcherIsToldWhenTheServerCameBackWithoutTheJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first := localq.OpenMemory(scheduler.Options{})
	stop := serve(t, path, first)
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	updates, err := c.Watch(ctx, submit(t, c).ID, "someone")
	check(t, "watch", err)
	until(t, ctx, updates, job.Queued)
	stop()
	check(t, "close", first.Close())

	second := localq.OpenMemory(scheduler.Options{})
	defer func() { check(t, "close", second.Close()) }()
	defer serve(t, path, second)()
	var last job.Update
	for u := range updates {
		last = u
	}
	if last.Status.Error == nil || last.Status.Error.Kind != job.Lost {
		t.Errorf("the last update is %+v, expected %s", last.Status, job.Lost)
	}
}

func TestARestartIsNoWatcherThatLeaves(t *testing.T) {
	dir, path := filepath.Join(t.TempDir(), "queue"), filepath.Join(t.TempDir(), "socket")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := Dial(path)
	defer func() { check(t, "close", c.Close()) }()
	var updates <-chan job.Update
	var id job.ID
	for restart := range 3 {
		q, err := localq.Open(dir, scheduler.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stop := serve(t, path, q)
		if restart == 0 {
			id = submit(t, c).ID
			updates, err = c.Watch(ctx, id, "someone")
			check(t, "watch", err)
		}
		until(t, ctx, updates, job.Queued)
		stop()
		check(t, "close", q.Close())
	}
	q, err := localq.Open(dir, scheduler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, "close", q.Close()) }()
	if st, err := q.Get(ctx, id); err != nil || st.State != job.Queued {
		t.Errorf("after restarts the job is %s, %v, expected queued", st.State, err)
	}
}

func submit(t *testing.T, q scheduler.Queue) job.Status {
	t.Helper()
	st, err := q.Submit(t.Context(), job.Submission{ID: job.NewID(), Watcher: "someone", Spec: job.Spec{
		Needs: 1, Model: "sd", Count: 1, Seconds: 1, Drawing: job.Drawing{Prompt: "a person", Sampler: "euler", Steps: 20},
	}})
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return st
}

func request(worker string) scheduler.LeaseRequest {
	return scheduler.LeaseRequest{Worker: worker, Fingerprint: "cpu", Offers: []scheduler.Offer{{Model: "sd"}}, Max: 1, Version: job.Version}
}

// until reads updates up to one of a state.
func until(t *testing.T, ctx context.Context, updates <-chan job.Update, want job.State) {
	t.Helper()
	for {
		select {
		case u, open := <-updates:
			if !open {
				t.Fatalf("the channel was closed before the job was %s", want)
			}
			if u.Status.State == want {
				return
			}
		case <-ctx.Done():
			t.Fatalf("the watcher was not told that the job is %s", want)
		}
	}
}
