package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how often files of a certificate are looked at, at most.
const lookAgain = time.Second

// certificate is a server's, from files that may be replaced while it runs.
type certificate struct {
	files [2]string // of the certificate and its key
	log   *slog.Logger

	mu      sync.Mutex
	now     *tls.Certificate
	seen    [2]fileState // when now was read
	refused [2]fileState // those that could not be used
	looked  time.Time
}

// fileState tells one writing of a file from another.
type fileState struct {
	size    int64
	changed time.Time
}

func openCertificate(cert, key string) (*certificate, error) {
	c := &certificate{files: [2]string{cert, key}, log: slog.New(slog.DiscardHandler)}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) state() (s [2]fileState, err error) {
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = fileState{info.Size(), info.ModTime()}
	}
	return s, nil
}

func (c *certificate) read() error {
	state, err := c.state()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		c.refused = state
		return fmt.Errorf("%s and %s: %w", c.files[0], c.files[1], err)
	}
	c.now, c.seen, c.looked = &pair, state, time.Now()
	return nil
}

// get answers the present certificate. One that cannot be used leaves the last one in
// its place: the two files are not replaced in one step.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookAgain {
		return c.now, nil
	}
	c.looked = time.Now()
	state, err := c.state()
	if err == nil && (state == c.seen || state == c.refused) {
		return c.now, nil
	}
	if err == nil {
		if err = c.read(); err == nil {
			c.log.Info("the certificate was read again")
			return c.now, nil
		}
	}
	c.log.Warn("the new certificate cannot be used, the last one stays", "error", err)
	return c.now, nil
}
