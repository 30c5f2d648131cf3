package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"cosmicman/api"
	"cosmicman/artifact"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/worker"
	"cosmicman/telemetry"
)

// server is the command serve: HTTP, the queue, and who draws.
type server struct {
	e         *environment
	models    modelFlags
	store     storeFlags
	worker    workerFlags
	images    imageFlags
	metrics   metricsFlags
	door      doorFlags
	noWorker  bool
	processes int

	refs   []modelRef
	log    *slog.Logger
	totals telemetry.Totals
	meter  *telemetry.Metrics
	traces *telemetry.Traces
}

func serve(ctx context.Context, e *environment, args []string) error {
	s := &server{e: e}
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	s.models.register(fs)
	s.store.register(fs, true)
	s.worker.register(fs)
	s.images.register(fs)
	s.metrics.register(fs, "default: with everything else, at --addr; off: nowhere")
	s.door.register(fs)
	fs.BoolVar(&s.noWorker, "no-worker", false, "draw nothing here: workers are other processes")
	fs.IntVar(&s.processes, "worker-processes", 0, "worker processes to keep running; 0: the worker is in this one")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	if err := s.check(); err != nil || e.rehearsal != nil {
		return err
	}
	return s.run(ctx)
}

// check tells all that is wrong with the flags at once.
func (s *server) check() (err error) {
	errs := []error{s.door.check(s.e.getenv)}
	if s.processes < 0 || s.processes > 64 {
		errs = append(errs, usagef("serve: --worker-processes is %d, expected 0 to 64", s.processes))
	}
	if s.noWorker && s.processes > 0 {
		errs = append(errs, usagef("serve: --no-worker and --worker-processes exclude each other"))
	}
	errs = append(errs, s.store.check("serve", s.e), s.metrics.check("serve"))
	s.refs, err = s.models.refs("serve", s.e.getenv)
	switch {
	case err != nil: // which models there are is not known
		errs = append(errs, err)
	case slices.ContainsFunc(s.refs, func(r modelRef) bool { return r.Ref == "" }):
		errs = append(errs, usagef("serve: --model is empty"))
	default:
		errs = append(errs, s.worker.check("serve", s.refs), s.images.check(s.refs, s.noWorker || s.store.redis != ""))
	}
	return errors.Join(errs...)
}

func (s *server) run(ctx context.Context) (err error) {
	out := &locked{w: s.e.stderr}
	s.log = s.worker.logger(out)
	models, err := openModels(s.refs)
	defer func() { err = errors.Join(err, models.Close()) }()
	if err != nil {
		if len(models.names) == 0 {
			return err
		}
		s.log.Error("a model cannot be served: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	files, err := openLoRAs(s.worker.loraDir)
	if err != nil {
		return err
	}
	models.offer(files)
	if s.worker.preload == "" && len(models.names) > 0 {
		s.worker.preload = models.names[0]
	}
	if s.traces, err = telemetry.NewTraces(ctx, s.e.getenv, "cosmicman"); err != nil {
		return err
	}
	defer closeTraces(s.traces, s.log)
	s.meter = telemetry.NewMetrics()
	observe := telemetry.Tee(telemetry.Log(s.log), s.totals.Observe, s.meter.Observe)
	st, err := s.store.open(ctx, observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	models.queue, models.aliases, models.limits = st, s.images.aliases, s.images.limits
	st.warn(ctx, s.log)
	s.meter.Queue(glance(st))
	scrapes := s.meter.Handler(peers(s.store.data, s.processes)...)
	if s.metrics.own() {
		stop, fault := s.metrics.serve(ctx, scrapes)
		if fault != nil {
			return fault
		}
		defer func() { err = errors.Join(err, stop()) }()
	}

	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.door.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens at %s: stop it, or choose another --addr", s.door.addr)
	case err != nil:
		return fmt.Errorf("--addr %s: %w", s.door.addr, err)
	}
	draw, err := s.drawing(st, models.facts(), observe, out)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer s.tellTotals()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-st.failed: // nothing can be accepted or recorded: whoever started this starts it anew
			failed = st.why()
			stop()
		case <-ctx.Done():
		}
	})
	err = s.serve(ctx, listener, s.config(models, st, scrapes), draw)
	stop()
	watch.Wait()
	return errors.Join(failed, err)
}

// drawing is what draws until its context ends; nil with nothing to draw with.
func (s *server) drawing(st *store, facts map[string]scheduler.ModelFacts, observe func(job.Event), out *locked) (func(context.Context) error, error) {
	switch {
	case s.noWorker || len(s.refs) == 0:
		return nil, nil
	case s.processes > 0:
		return s.supervisor(out).run, nil
	}
	d, err := newDrawer(parts{&s.models, s.refs, &s.worker, &s.store, st, observe, s.traces, s.log}, worker.Config{InProcess: s.store.redis == "", Facts: facts})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return d.run(ctx, s.worker.drain) }, nil
}

const redisVariable = "COSMICMAN_REDIS_URL"

func (s *server) supervisor(out *locked) *supervisor {
	m := s.models
	if m.settings.Threads == 0 { // they share the cores
		m.settings.Threads = max(1, runtime.NumCPU()/s.processes)
	}
	args := append([]string{"worker", "--lifeline", "--data=" + s.store.data, "--lease-ttl=" + s.store.options.LeaseTTL.String(),
		"--max-artifact-bytes=" + s.store.artifactBytes.String()}, m.args()...)
	// They are told all settings by their flags, and API keys are nothing to who draws. The
	// address may hold a password, which a command line shows to everybody.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, envPrefix) })
	env = append(env, configVariable+"="+configOff)
	if s.store.redis != "" {
		env = append(env, redisVariable+"="+s.store.redis)
	} else {
		args = append(args, "--socket="+s.store.socket)
	}
	return &supervisor{
		args: append(args, s.worker.args()...), env: env,
		own:   func(i int) []string { return []string{"--metrics-addr=unix:" + childMetrics(s.store.data, i)} },
		count: s.processes, drain: s.worker.drain, stderr: out, log: s.log,
		least: 200 * time.Millisecond, most: 30 * time.Second,
	}
}

func (s *server) config(models *catalogue, st *store, scrapes http.Handler) api.Config {
	c := api.Config{
		Artifacts: st.artifacts, Keep: retention, PublicURL: s.images.publicURL, FetchURLs: s.images.fetch,
		Prepare: s.images.prepare(models), Ready: models.ready, Models: models.list, LoRAs: models.listLoRAs, Tokenizer: models.tokenizer,
		Log: s.log, Meter: s.meter.Begin, Trace: s.traces.Request,
	}
	if files, ok := st.artifacts.(*artifact.Files); ok {
		c.Room = files.Room
	}
	s.door.apply(&c)
	if s.metrics.addr == "" {
		c.Metrics = scrapes
	}
	if len(models.names) > 0 || s.store.redis != "" || s.noWorker { // its own models, or those of workers elsewhere
		c.Queue = st
	} else {
		c.Ready = nil
	}
	return c
}

// settle is how long answers of images that are done may take at the end.
const settle = 2 * time.Second

// serve answers until ctx ends. Then no job is accepted any more, who draws finishes
// what it has begun, those that wait for it are answered, and the others are told
// to come again.
func (s *server) serve(ctx context.Context, l net.Listener, c api.Config, draw func(context.Context) error) error {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	stopped, letGo := context.WithCancel(context.Background())
	defer letGo()
	c.Stopping, c.Stopped = stopping, stopped
	h := &http.Server{
		Handler: api.New(c), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.door.secure(h, s.log)
	var served, drew error
	var parts, drawing sync.WaitGroup
	parts.Go(func() {
		if served = s.door.serve(h, l); !errors.Is(served, http.ErrServerClosed) {
			stop()
		}
	})
	if draw != nil {
		drawing.Go(func() {
			if drew = draw(stopping); drew != nil {
				stop()
			}
		})
	}
	fmt.Fprintf(s.e.stdout, "cosmicman serves on %s://%s\n", s.door.scheme(), l.Addr())
	if c.Queue == nil {
		fmt.Fprintln(s.e.stdout, "no model was given: the page there says how to get one")
	}
	<-stopping.Done()
	deadline := time.Now().Add(s.worker.drain)
	drawing.Wait()
	// With Redis others go on drawing for those that wait here.
	patience := settle
	if s.store.redis != "" {
		patience = max(settle, time.Until(deadline))
	}
	err := shutdown(h, patience)
	if err != nil {
		letGo()
		err = shutdown(h, settle)
	}
	if err != nil {
		err = h.Close()
	}
	parts.Wait()
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	return errors.Join(drew, served, err)
}

func shutdown(h *http.Server, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return h.Shutdown(ctx)
}

// tellTotals logs what was done.
func (s *server) tellTotals() {
	counts := map[job.EventType]uint64{}
	for name, t := range s.totals.Snapshot() {
		counts[name] = t.Count
	}
	text, err := json.Marshal(counts)
	if err != nil || len(counts) == 0 {
		return
	}
	s.log.Info("the server ends", "events", string(text))
}
