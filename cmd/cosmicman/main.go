// Command cosmicman draws images of people from text.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// environment is what a command may touch of the outside: only here are
// environment variables read.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	terminal       bool       // stderr is one
	environ        []string   // the names and values of all variables
	rehearsal      *rehearsal // in the place of running a command; nil: it runs
}

// usageError ends the program with exit code 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		<-again
		os.Exit(130)
	})
	info, err := os.Stderr.Stat()
	e := &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ(),
		terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}

// faults are the texts of errors that may be joined.
func faults(err error) (all []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, faults(e)...)
	}
	return all
}

// run returns the exit code: 0, 1 for a failure, 2 for wrong usage, 130 when
// interrupted.
func run(ctx context.Context, e *environment, args []string) int {
	err := dispatch(ctx, e, "", commands(), args)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		for _, text := range faults(err) {
			fmt.Fprintln(e.stderr, "cosmicman:", text)
		}
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(e.stderr, "cosmicman: interrupted")
		return 130
	}
	fmt.Fprintln(e.stderr, "cosmicman:", strings.ReplaceAll(err.Error(), "\n", "; "))
	return 1
}
