package redisq

import (
	"net"
	"sync"
	"testing"
)

// proxy stands between a store and its Redis.
type proxy struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu         sync.Mutex
	swallowing bool // answers of Redis go nowhere
	dead       bool
	conns      []net.Conn
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
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

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
		dead := p.dead
		p.mu.Unlock()
		if dead {
			_, _ = near.Close(), far.Close()
			return
		}
		p.wg.Go(func() { p.pass(far, near, false) })
		p.wg.Go(func() { p.pass(near, far, true) })
	}
}

func (p *proxy) pass(to, from net.Conn, answers bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		swallow := answers && p.swallowing
		p.mu.Unlock()
		if swallow {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) swallow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowing = on
}

// cut ends all connections and takes no more, like a machine that dies.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	_ = p.l.Close()
	for _, c := range p.conns {
		_ = c.Close()
	}
}
