package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"cosmicman/api"
	"cosmicman/artifact"
	"cosmicman/inference"
)

func serve(ctx context.Context, e *environment, args []string) (err error) {
	var m modelFlags
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	m.register(fs)
	addr := fs.String("addr", "127.0.0.1:8080", "address to listen on")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	if m.settings.Threads < 0 {
		return usagef("serve: --threads is %d, expected 0 or more", m.settings.Threads)
	}
	c := api.Config{Logf: func(format string, args ...any) { fmt.Fprintf(e.stderr, format+"\n", args...) }}
	if m.model != "" {
		mod, err := m.open(e)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, mod.Close()) }()
		if err := mod.Warm(); err != nil {
			return err
		}
		c.Model, c.Drawer = filepath.Base(mod.Pipeline.Ref), &drawer{mod.Model}
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	// Requests under way end when the program is told to stop.
	server := &http.Server{
		Handler: api.New(c), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	fmt.Fprintf(e.stdout, "cosmicman serves on http://%s\n", listener.Addr())
	if m.model == "" {
		fmt.Fprintln(e.stdout, "no model was given: the page there says how to get one")
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = server.Shutdown(stop)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// drawer draws one job after the other.
type drawer struct{ m *inference.Model }

// Defaults of a request that the HTTP side does not ask about yet.
const (
	serveSampler  = "ddim"
	serveSteps    = 30
	serveGuidance = 7.5
)

func (d *drawer) Draw(ctx context.Context, j api.Job) ([]api.Image, error) {
	r := &inference.Request{
		Prompt: j.Prompt, Sampler: serveSampler, Steps: serveSteps, GuidanceScale: serveGuidance,
		Seed: uint64(rand.Uint32()), Width: j.Width, Height: j.Height,
	}
	if j.Seed != nil {
		r.Seed = *j.Seed
	}
	if r.Width == 0 {
		if r.Width, r.Height = d.m.NativeSize(); r.Width == 0 {
			return nil, &api.FieldError{Field: "size", Reason: "is required: the model's config has no sample_size"}
		}
	}
	seqs, err := d.m.Sequences(ctx, r, j.Count)
	if err != nil {
		var wrong *inference.Error
		if errors.As(err, &wrong) {
			return nil, &api.FieldError{Field: wrong.Field, Reason: wrong.Reason}
		}
		return nil, err
	}
	var out []api.Image
	for _, s := range seqs {
		for !s.Done() {
			if err := d.m.Step(ctx, s); err != nil {
				return nil, err
			}
		}
		img, err := d.m.Decode(ctx, s)
		if err != nil {
			return nil, err
		}
		png, err := artifact.PNG(img, parameters(d.m, r, s.Seed()))
		if err != nil {
			return nil, err
		}
		out = append(out, api.Image{PNG: png, Seed: s.Seed()})
	}
	return out, nil
}
