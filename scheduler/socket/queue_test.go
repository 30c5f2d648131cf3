package socket

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/queuetest"
)

func TestAQueueOverTheSocketIsAQueue(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, o scheduler.Options) scheduler.Queue {
		q, _ := open(t, o)
		return q
	})
}

func TestProcessesOnTheSocketMayDie(t *testing.T) {
	queuetest.Crash(t, open)
}

func TestTheServedQueueOutlivesItsProcess(t *testing.T) {
	queuetest.Durable(t, func(t *testing.T) func(scheduler.Options) scheduler.Queue {
		dir, path := filepath.Join(t.TempDir(), "queue"), filepath.Join(t.TempDir(), "socket")
		return func(o scheduler.Options) scheduler.Queue {
			q, err := localq.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			return served{Client: Dial(path), stop: serve(t, path, q), store: q}
		}
	})
}

// served is a client whose Close ends the store as well.
type served struct {
	*Client
	stop  func()
	store scheduler.Queue
}

func (s served) Close() error {
	s.stop()
	return errors.Join(s.store.Close(), s.Client.Close())
}

// open serves a fresh embedded store and returns a client of it and its address.
func open(t *testing.T, o scheduler.Options) (scheduler.Queue, string) {
	q, err := localq.Open(filepath.Join(t.TempDir(), "queue"), o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "socket")
	stop := serve(t, path, q)
	c := Dial(path)
	t.Cleanup(func() {
		check(t, "close the client", c.Close())
		stop()
		check(t, "close the store", q.Close())
	})
	return c, path
}

// serve serves q at path until stop is called.
func serve(t testing.TB, path string, q scheduler.Queue) (stop func()) {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, q)
}

func serveOn(t testing.TB, l net.Listener, q scheduler.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, q) }()
	return func() { cancel(); check(t, "serve", <-done) }
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
