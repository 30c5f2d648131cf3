package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// redisServer is a Redis of a test's own, with an append-only file.
type redisServer struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
	done chan struct{}
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, dir: t.TempDir(), addr: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(func() { r.kill() })
	return r
}

func (r *redisServer) url() string { return "redis://" + r.addr }

// start starts it on what is in its folder, and waits until it answers.
func (r *redisServer) start() {
	r.t.Helper()
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(r.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	r.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", r.dir, "--appendonly", "yes", "--save", "")
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatalf("redis-server has to be installed for this test: %v", err)
	}
	cmd, done := r.cmd, make(chan struct{})
	r.done = done
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	eventually(r.t, "Redis answers", func() error {
		_, err := r.try("PING")
		return err
	})
}

// kill is kill -9.
func (r *redisServer) kill() {
	_ = r.cmd.Process.Kill()
	<-r.done
}

// empty forgets all that is on disk.
func (r *redisServer) empty() {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.dir, "appendonlydir")); err != nil {
		r.t.Fatal(err)
	}
}

// command returns Redis's answer, one string for each of its elements.
func (r *redisServer) command(args ...string) []string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("%q: %v", args, err)
	}
	return out
}

func (r *redisServer) try(args ...string) ([]string, error) {
	c, err := net.DialTimeout("tcp", r.addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	return element(bufio.NewReader(c))
}

// element reads one value of Redis's protocol.
func element(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '-':
		return nil, fmt.Errorf("Redis says %s", text)
	case '$', '*':
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, err
		}
		if kind == '$' {
			data := make([]byte, n+2)
			_, err := io.ReadFull(r, data)
			return []string{string(data[:n])}, err
		}
		var all []string
		for range n {
			one, err := element(r)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	return []string{text}, nil
}

// proxy stands between programs and their Redis and can swallow its replies.
type proxy struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu         sync.Mutex
	swallowing bool
	swallowed  int // bytes
	conns      []net.Conn
	closed     bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		_ = l.Close()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		closed := p.closed
		p.mu.Unlock()
		if closed {
			_, _ = near.Close(), far.Close()
			return
		}
		p.wg.Go(func() { p.pass(far, near, false) })
		p.wg.Go(func() { p.pass(near, far, true) })
	}
}

func (p *proxy) pass(to, from net.Conn, replies bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	data := make([]byte, 64<<10)
	for {
		n, err := from.Read(data)
		if err != nil {
			return
		}
		p.mu.Lock()
		swallow := replies && p.swallowing
		if swallow {
			p.swallowed += n
		}
		p.mu.Unlock()
		if swallow {
			continue
		}
		if _, err := to.Write(data[:n]); err != nil {
			return
		}
	}
}

// swallow begins or ends to drop replies, and returns how many bytes it dropped.
func (p *proxy) swallow(on bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowing = on
	return p.swallowed
}
