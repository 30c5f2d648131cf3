package socket

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

const (
	// patience bounds a call that answers soon, on a disk that is slow.
	patience = 30 * time.Second
	// parting is how long a lease that was given up may take to answer.
	parting = 2 * time.Second
)

// Client is a queue that another process holds. Where that process cannot be
// reached, calls fail with job.Unavailable; watches and revocations come again.
type Client struct {
	path string
	http *http.Client

	closing context.Context // ends with Close
	close   context.CancelFunc

	mu      sync.Mutex
	closed  bool
	streams sync.WaitGroup
}

var _ scheduler.Queue = (*Client)(nil)

// Dial returns a client of the queue that is served at a path. It connects when it
// is used, so that the serving process may come later and come back.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.closing, c.close = context.WithCancel(context.Background())
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Connect(ctx, path) },
		// As many as a busy worker or front end uses at once.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}}
	return c
}

// Connect reaches a socket that [Listen] made, however long its path is.
func Connect(ctx context.Context, path string) (net.Conn, error) {
	address := path
	if len(path) > longestPath {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		if address, err = short(dir, path); err != nil {
			return nil, err
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}

// Close ends the client's watches and waits for their goroutines. The queue stays.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.close()
	c.streams.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// enter counts a stream, unless the client is closed.
func (c *Client) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.streams.Add(1)
	}
	return !c.closed
}

func (c *Client) isClosed() error {
	return job.Errorf(job.Unavailable, "the client of the queue at %s is closed", c.path)
}

// request opens a call; the body of its answer has to be closed.
func (c *Client) request(ctx context.Context, method string, in any, header http.Header) (io.ReadCloser, error) {
	b, err := encode(in)
	if err != nil {
		return nil, &job.Error{Kind: job.Invalid, Message: "the request of " + method + " cannot be written", Cause: err}
	}
	if len(b) > maxRequest {
		return nil, job.Errorf(job.Invalid, "the request of %s has %d bytes, expected at most %d", method, len(b), maxRequest)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://queue"+prefix+method, bytes.NewReader(b))
	if err != nil {
		return nil, c.away(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(protocolHeader, strconv.Itoa(Protocol))
	// Every call may be repeated, so a connection that a restarted process has left
	// dead is no error. The empty list says so to net/http and is not sent.
	r.Header["X-Idempotency-Key"] = nil
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.away(err)
	}
	if theirs := answer.Header.Get(protocolHeader); theirs == "" {
		answer.Body.Close()
		return nil, job.Errorf(job.Unavailable, "what answers at %s is not a queue of cosmicman", c.path)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var e job.Error
	if err := json.NewDecoder(answer.Body).Decode(&e); err != nil || e.Kind == "" {
		return nil, &job.Error{Kind: job.Unavailable, Message: fmt.Sprintf("the queue at %s answers %s", c.path, answer.Status), Cause: err}
	}
	return nil, &e
}

func (c *Client) away(cause error) error {
	return &job.Error{Kind: job.Unavailable, Message: fmt.Sprintf("no queue answers at %s", c.path), Cause: cause}
}

// do calls a method and reads its answer. It ends with ctx or the client.
func (c *Client) do(ctx context.Context, method string, in, out any, header http.Header) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.closing.Err() != nil {
		return c.isClosed()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()
	body, err := c.request(ctx, method, in, header)
	if err != nil {
		if c.closing.Err() != nil {
			return c.isClosed()
		}
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return c.away(err)
	}
	// Read to the end, or the connection cannot be used again.
	_, _ = io.Copy(io.Discard, body)
	return nil
}

// soon calls a method that answers soon.
func soon[Out any](ctx context.Context, c *Client, method string, in any) (out Out, err error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = c.do(limited, method, in, &out, nil)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// Lease implements [scheduler.Source].
func (c *Client) Lease(ctx context.Context, r scheduler.LeaseRequest) ([]scheduler.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := rand.Text()
	// The call itself is cut off only when asking for its end did not help.
	calling, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	asked := make(chan struct{})
	answered := context.AfterFunc(ctx, func() {
		defer close(asked)
		c.endCall(calling, name)
		abort()
	})
	var leases []scheduler.Lease
	err := c.do(calling, "lease", r, &leases, http.Header{callHeader: {name}})
	if !answered() {
		abort()
		<-asked
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return leases, err
}

// endCall asks for the end of a call until it has ended, for a while.
func (c *Client) endCall(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, parting)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_ = c.do(ctx, "end", name, &none{}, nil)
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
