package redisq

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/scheduler"
)

// server is a Redis of a test's own.
type server struct {
	t    testing.TB
	dir  string
	port string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// startServer starts a Redis with an append-only file; further settings override.
func startServer(t testing.TB, settings ...string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	s := &server{t: t, dir: t.TempDir(), port: port}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--appendonly", "yes", "--save", "", "--loglevel", "warning"}, settings...)
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("redis-server", s.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("redis-server has to be installed for this test: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	s.cmd, s.done = cmd, done
	c := s.client()
	for c.Ping(s.t.Context()).Err() != nil {
		select {
		case <-done:
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("redis-server ended: %s", text)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// empty forgets what is on disk.
func (s *server) empty() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) url() string { return "redis://127.0.0.1:" + s.port }

// client talks to the server beside the store.
func (s *server) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.port})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *server) set(name, value string) {
	s.t.Helper()
	if err := s.client().ConfigSet(context.Background(), name, value).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// open opens a store that is closed at the test's end.
func open(t testing.TB, url string, o scheduler.Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{URL: url, Prefix: prefix(t), Options: o})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func prefix(t testing.TB) string {
	return strings.NewReplacer("{", "", "}", "").Replace(fmt.Sprintf("test:%s", t.Name()))
}

// eventuallyUp waits until a cluster of one takes commands.
func (s *server) eventuallyUp() {
	s.t.Helper()
	c := s.client()
	for c.Set(s.t.Context(), "up", 1, 0).Err() != nil {
		select {
		case <-s.t.Context().Done():
			s.t.Fatal("the cluster did not come up")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
