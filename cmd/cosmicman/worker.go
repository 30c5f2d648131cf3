package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/ort"
	"cosmicman/scheduler/worker"
	"cosmicman/telemetry"
)

// workerFlags are those of whoever draws.
type workerFlags struct {
	memory       bytesValue
	keepAlive    time.Duration
	preload, pin string
	drain        time.Duration
	level        slog.Level
	format       string // of log lines
	loraDir      string
}

func (w *workerFlags) register(fs *flag.FlagSet) {
	fs.Var(&w.memory, "memory", "bytes that loaded models may take together, such as 6G; 0: any")
	fs.DurationVar(&w.keepAlive, "keep-alive", 0, "after which an unused model is unloaded; 0: never")
	fs.StringVar(&w.preload, "preload", "", "NAME,... of the models to load at the start (default: the first)")
	fs.StringVar(&w.pin, "pin", "", "NAME,... of the models that are never unloaded")
	fs.DurationVar(&w.drain, "drain", 30*time.Second, "how long running images may take when the program is told to stop")
	fs.StringVar(&w.loraDir, "lora-dir", "", "folder of LoRA files that requests may name: FILE.safetensors is FILE, ORG/FILE.safetensors ORG/FILE; looked at while running, the same for all processes")
	fs.StringVar(&w.format, "log-format", "text", "of log lines: text or json")
	fs.TextVar(&w.level, "log-level", slog.LevelInfo, "DEBUG, INFO, WARN or ERROR")
}

func (w *workerFlags) check(command string, refs []modelRef) error {
	var errs []error
	if w.keepAlive < 0 {
		errs = append(errs, usagef("%s: --keep-alive is %v, expected no negative duration", command, w.keepAlive))
	}
	if w.drain < 0 {
		errs = append(errs, usagef("%s: --drain is %v, expected no negative duration", command, w.drain))
	}
	if _, err := openLoRAs(w.loraDir); err != nil {
		errs = append(errs, usagef("%s: %v", command, err))
	}
	if w.format != "text" && w.format != "json" {
		errs = append(errs, usagef("%s: --log-format is %q, expected text or json", command, w.format))
	}
	for _, list := range []struct{ name, models string }{{"preload", w.preload}, {"pin", w.pin}} {
		for _, model := range words(list.models) {
			if !slices.ContainsFunc(refs, func(r modelRef) bool { return r.Name == model }) {
				errs = append(errs, usagef("%s: --%s names %q, which is no --model", command, list.name, model))
			}
		}
	}
	return errors.Join(errs...)
}

// args are the flags for another process.
func (w *workerFlags) args() []string {
	return []string{
		"--memory=" + w.memory.String(), "--keep-alive=" + w.keepAlive.String(), "--preload=" + w.preload, "--pin=" + w.pin,
		"--drain=" + w.drain.String(), "--log-level=" + w.level.String(), "--log-format=" + w.format, "--lora-dir=" + w.loraDir,
	}
}

// words splits a list with commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

// locked lets several goroutines write whole lines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *workerFlags) logger(out io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: w.level}
	if w.format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

func logf(l *slog.Logger) func(string, ...any) {
	return func(format string, args ...any) { l.Warn(fmt.Sprintf(format, args...)) }
}

// drawer is a worker with what it stands on.
type drawer struct {
	*worker.Worker
	runtime *ort.Runtime
}

// parts is what a drawer is made of.
type parts struct {
	models  *modelFlags
	refs    []modelRef
	flags   *workerFlags
	where   *storeFlags
	store   *store
	observe func(job.Event)
	traces  *telemetry.Traces
	log     *slog.Logger
}

// newDrawer makes the worker of a process, with some of its configuration given.
func newDrawer(p parts, c worker.Config) (*drawer, error) {
	m, w, s := p.models, p.flags, p.where
	rt, err := ort.Open(m.library)
	if err != nil {
		return nil, err
	}
	state := filepath.Join(s.data, "worker")
	err = os.MkdirAll(state, 0o700)
	if err == nil {
		var e *engine
		if e, err = newEngine(rt, p.refs, m.settings, state); err == nil {
			e.loras, err = openLoRAs(w.loraDir)
			c.Engine = e
		}
	}
	if err != nil {
		return nil, errors.Join(err, rt.Close())
	}
	c.Source, c.Artifacts, c.State = p.store, p.store.artifacts, state
	c.Memory, c.KeepAlive, c.Preload, c.Pin = int64(w.memory), w.keepAlive, words(w.preload), words(w.pin)
	c.LeaseTTL, c.ArtifactTTL = s.options.LeaseTTL, artifactTTL
	c.Observe, c.Logf = p.observe, logf(p.log)
	if p.store.observes {
		c.Observe = withoutEchoes(p.observe)
	}
	c.Observe = telemetry.Tee(c.Observe, p.traces.Observe)
	out := &drawer{runtime: rt}
	if out.Worker, err = worker.New(c); err != nil {
		return nil, errors.Join(err, rt.Close())
	}
	return out, nil
}

// withoutEchoes leaves out what the queue, where it is in this process, tells as well.
func withoutEchoes(observe func(job.Event)) func(job.Event) {
	return func(e job.Event) {
		switch e.Type {
		case job.EventFinished, job.EventRevoked:
		case job.EventFenced:
			if e.Err == nil { // found out by a beat, not by a write
				observe(e)
			}
		default:
			observe(e)
		}
	}
}

// run draws until ctx ends, and then what has begun, for as long as drain.
func (d *drawer) run(ctx context.Context, drain time.Duration) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan struct{})
	var timer sync.WaitGroup
	timer.Go(func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		select {
		case <-ended:
		case <-time.After(drain):
			stop()
		}
	})
	err := d.Run(ctx, work)
	close(ended)
	timer.Wait()
	return errors.Join(err, d.runtime.Close())
}

// work is the command of a process that only draws.
func work(ctx context.Context, e *environment, args []string) (err error) {
	var m modelFlags
	var s storeFlags
	var w workerFlags
	var metrics metricsFlags
	fs := flag.NewFlagSet("worker", flag.ContinueOnError)
	m.register(fs)
	s.register(fs, false)
	w.register(fs)
	metrics.register(fs, "default: nowhere")
	fs.StringVar(&s.socket, "socket", "", "Unix socket of the serving process (default: the one in --data)")
	lifeline := fs.Bool("lifeline", false, "end when standard input does: whoever started this has died")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	refs, err := m.refs("worker", e.getenv)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return usagef("worker: --model is required: a diffusers folder, or org/name in the Hugging Face cache")
	}
	if err := errors.Join(s.check("worker", e), w.check("worker", refs), metrics.check("worker")); err != nil || e.rehearsal != nil {
		return err
	}
	files, err := openModels(refs)
	none := len(files.names) == 0
	if w.preload == "" && !none {
		w.preload = files.names[0]
	}
	facts := files.facts()
	if closing := files.Close(); none {
		return errors.Join(err, closing)
	}
	log := w.logger(e.stderr)
	if err != nil {
		log.Error(err.Error())
	}
	if *lifeline {
		var dead context.CancelFunc
		ctx, dead = context.WithCancel(ctx)
		defer dead()
		// This goroutine lasts as long as the process: nothing else ends a read.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			dead()
		}()
	}
	traces, err := telemetry.NewTraces(ctx, e.getenv, "cosmicman-worker")
	if err != nil {
		return err
	}
	defer closeTraces(traces, log)
	meter := telemetry.NewMetrics()
	count := meter.Observe
	if s.redis == "" { // whoever keeps the queue counts them
		count = withoutEchoes(count)
	}
	observe := telemetry.Tee(telemetry.Log(log), count)
	st, err := s.join(ctx, observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	st.warn(ctx, log)
	if metrics.own() {
		stop, fault := metrics.serve(ctx, meter.Handler())
		if fault != nil {
			return fault
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	d, err := newDrawer(parts{&m, refs, &w, &s, st, observe, traces, log}, worker.Config{RestartAfterOOM: true, Facts: facts})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "worker %s draws on %s\n", d.ID(), where(&s))
	return d.run(ctx, w.drain)
}

// where names a queue without its password.
func where(s *storeFlags) string {
	if s.redis != "" {
		return "the queue in Redis"
	}
	return "the queue at " + s.socket
}
