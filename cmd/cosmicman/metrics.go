package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cosmicman/scheduler"
	"cosmicman/scheduler/socket"
	"cosmicman/telemetry"
)

// metricsFlags say where a process tells its metrics.
type metricsFlags struct{ addr string }

const metricsOff = "off"

func (m *metricsFlags) register(fs *flag.FlagSet, usual string) {
	fs.StringVar(&m.addr, "metrics-addr", "", "HOST:PORT, or unix:PATH, of GET /metrics alone, without keys ("+usual+")")
}

func (m *metricsFlags) check(command string) error {
	if m.addr == "" || m.addr == metricsOff || strings.HasPrefix(m.addr, "unix:/") {
		return nil
	}
	if _, _, err := net.SplitHostPort(m.addr); err != nil {
		return usagef("%s: --metrics-addr is %q, expected HOST:PORT or unix:PATH with a whole path", command, m.addr)
	}
	return nil
}

// own reports whether metrics have an address of their own.
func (m *metricsFlags) own() bool { return m.addr != "" && m.addr != metricsOff }

// serve answers scrapes at the address until the function that it returns is called.
func (m *metricsFlags) serve(ctx context.Context, h http.Handler) (stop func() error, err error) {
	var l net.Listener
	if path, is := strings.CutPrefix(m.addr, "unix:"); is {
		l, err = socket.Listen(path)
	} else {
		var lc net.ListenConfig
		l, err = lc.Listen(ctx, "tcp", m.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("--metrics-addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	var served error
	var door sync.WaitGroup
	door.Go(func() { served = s.Serve(l) })
	return func() error {
		err := s.Close()
		door.Wait()
		if errors.Is(served, http.ErrServerClosed) {
			served = nil
		}
		return errors.Join(err, served)
	}, nil
}

// childMetrics is where worker process i tells its metrics to the one that started it.
func childMetrics(data string, i int) string {
	return filepath.Join(data, fmt.Sprintf("worker-%d.metrics.sock", i))
}

// peers are the metrics of worker processes.
func peers(data string, count int) (out []prometheus.Gatherer) {
	for i := range count {
		dial := func(ctx context.Context) (net.Conn, error) { return socket.Connect(ctx, childMetrics(data, i)) }
		out = append(out, telemetry.Peer(dial, fmt.Sprintf("worker-%d", i)))
	}
	return out
}

// glance is the queue as its metrics have it.
func glance(q scheduler.Operator) func(context.Context) (telemetry.QueueGlance, error) {
	return func(ctx context.Context) (telemetry.QueueGlance, error) {
		s, err := q.Stats(ctx)
		if err != nil {
			return telemetry.QueueGlance{}, err
		}
		g := telemetry.QueueGlance{Queued: s.Queued, Running: s.Running, Jobs: s.Jobs, Dead: s.Dead, Seconds: s.Seconds,
			Models: s.Models, Oldest: s.Oldest, Workers: len(s.Workers), Offers: map[string]int{}}
		for _, w := range s.Workers {
			g.Active += w.Active
			for _, o := range w.Models {
				if o.LoadSeconds == 0 {
					g.Offers[o.Model]++
				}
			}
		}
		return g, nil
	}
}
