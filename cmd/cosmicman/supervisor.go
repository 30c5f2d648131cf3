package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// supervisor keeps child processes alive: one that ends is started anew.
type supervisor struct {
	args   []string             // of this program
	own    func(i int) []string // more of them, for child i; nil: none
	env    []string             // of the children
	count  int                  //
	drain  time.Duration        // after which a child that was told to stop is killed
	stderr io.Writer            // of the children, line by line
	log    *slog.Logger

	least, most time.Duration // pause before a restart: doubles, until a child has lived for a minute
}

// run returns when ctx has ended and all children have.
func (s *supervisor) run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for i := range s.count {
		all.Go(func() { s.keep(ctx, program, i) })
	}
	all.Wait()
	return nil
}

// keep has one child running at a time.
func (s *supervisor) keep(ctx context.Context, program string, i int) {
	pause := s.least
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.child(ctx, program, i)
		if ctx.Err() != nil {
			if err != nil {
				s.log.Warn("a worker process did not end well", "worker", i, "reason", err)
			}
			return
		}
		if time.Since(begun) > time.Minute {
			pause = s.least
		}
		reason := "it ended by itself"
		if err != nil {
			reason = err.Error()
		}
		s.log.Error("a worker process has ended and is started anew", "worker", i, "reason", reason, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, s.most)
	}
}

// child runs one process to its end. When ctx ends it is told to stop, and killed
// when it takes too long.
func (s *supervisor) child(ctx context.Context, program string, i int) error {
	args := s.args
	if s.own != nil {
		args = append(slices.Clone(args), s.own(i)...)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = s.env
	// Its standard input ends when this process does, however that happens.
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	lines := &prefixed{prefix: fmt.Sprintf("worker %d: ", i), w: s.stderr}
	cmd.Stdout, cmd.Stderr = lines, lines
	// The terminal's interrupt is for this process, which tells its children.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return errors.Join(err, lifeline.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by now
	select {
	case err := <-ended:
		return err
	case <-time.After(s.drain + killAfter):
		s.log.Error("a worker process does not stop and is killed", "worker", i)
		return errors.Join(cmd.Process.Kill(), <-ended)
	}
}

// killAfter is what a child may take longer than the drain, to give back what it holds.
const killAfter = 10 * time.Second

// prefixed writes whole lines with a prefix.
type prefixed struct {
	prefix string
	w      io.Writer
	rest   string
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.rest += string(b)
	for {
		line, rest, found := strings.Cut(p.rest, "\n")
		if !found {
			return len(b), nil
		}
		p.rest = rest
		if _, err := fmt.Fprintf(p.w, "%s%s\n", p.prefix, line); err != nil {
			return len(b), err
		}
	}
}
