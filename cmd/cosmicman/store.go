package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"cosmicman/artifact"
	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/redisq"
	"cosmicman/scheduler/socket"
)

// storeFlags say where the queue is, and finished images.
type storeFlags struct {
	redis, data, socket string
	keeper              bool
	artifactBytes       bytesValue
	options             scheduler.Options
}

// register adds the flags of whoever uses the queue, and for its keeper those of the
// queue itself.
func (s *storeFlags) register(fs *flag.FlagSet, keeper bool) {
	s.keeper = keeper
	fs.StringVar(&s.redis, "redis", "", "redis://host:port, for a queue that several machines share (default: $COSMICMAN_REDIS_URL)")
	fs.StringVar(&s.data, "data", "", "folder of the queue, finished images and what was learned (default: a folder of the user's)")
	fs.Var(&s.artifactBytes, "max-artifact-bytes", "of finished images that are kept; 0: as many as the disk takes, 1G in Redis")
	if !keeper {
		fs.DurationVar(&s.options.LeaseTTL, "lease-ttl", 0, "after which a silent worker has died; 0: what the queue's keeper says")
	} else {
		fs.DurationVar(&s.options.LeaseTTL, "lease-ttl", 30*time.Second, "after which a silent worker has died")
		fs.IntVar(&s.options.MaxJobs, "max-jobs", 10000, "jobs that may wait and run; more are refused")
		fs.Float64Var(&s.options.MaxSeconds, "max-seconds", 0, "estimated device seconds that may wait for each worker; 0: any")
		fs.IntVar(&s.options.MaxAttempts, "max-attempts", 3, "starts of an image that end in a crash or an error, until its job is given up")
	}
}

// check completes the flags.
func (s *storeFlags) check(command string, e *environment) error {
	if err := s.checkQueue(command, e); err != nil {
		return err
	}
	return s.checkData(command, e)
}

// checkQueue is check without the data folder.
func (s *storeFlags) checkQueue(command string, e *environment) error {
	o := s.options
	var errs []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, usagef(command+": "+format, args...))
		}
	}
	fault(o.LeaseTTL < 100*time.Millisecond && (s.keeper || o.LeaseTTL != 0), "--lease-ttl is %v, expected at least 100ms", o.LeaseTTL)
	fault(o.MaxJobs < 0, "--max-jobs is %d, expected a positive number", o.MaxJobs)
	fault(!(o.MaxSeconds >= 0), "--max-seconds is %v, expected 0 or more", o.MaxSeconds)
	fault(o.MaxAttempts < 0, "--max-attempts is %d, expected a positive number", o.MaxAttempts)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if s.redis == "" && s.socket == "" {
		s.redis = e.getenv(redisVariable)
	}
	return nil
}

func (s *storeFlags) checkData(command string, e *environment) error {
	if s.data == "" {
		dir, err := userData(e.getenv)
		if err != nil {
			return usagef("%s: --data is required: %v", command, err)
		}
		s.data = dir
	}
	dir, err := filepath.Abs(s.data)
	if err != nil {
		return err
	}
	s.data = dir
	if s.socket == "" {
		s.socket = filepath.Join(dir, "queue.sock")
	}
	return nil
}

// userData is where programs keep a user's data.
func userData(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "cosmicman"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("the environment names no home folder")
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "cosmicman"), nil
	}
	return filepath.Join(home, ".local", "share", "cosmicman"), nil
}

const (
	// retention is how long ended jobs are known, and so their images kept.
	retention = time.Hour
	// artifactTTL is a little more: an image is stored before its job ends.
	artifactTTL = retention + 15*time.Minute
	// redisArtifactBytes is as much of Redis's memory as images take at most.
	redisArtifactBytes = 1 << 30
)

// store is the queue and the images, as one process has them.
type store struct {
	scheduler.Queue
	artifacts scheduler.Artifacts
	observes  bool           // the queue tells its events in this process
	close     []func() error // in this order

	failed <-chan struct{} // closed when the queue is of no use until it is opened anew; nil: never
	why    func() error    // it has failed
}

// warn logs what is wrong with the queue's settings.
func (s *store) warn(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stats, err := s.Stats(ctx)
	if err != nil {
		log.Warn("the queue cannot be used as it is: " + err.Error())
	}
	for _, w := range stats.Warning {
		log.Warn(w)
	}
}

func (s *store) Close() error {
	var errs []error
	for _, f := range s.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// open opens the store for its keeper: Redis, or the embedded one, which other
// processes then reach through the socket.
func (s *storeFlags) open(ctx context.Context, observe func(job.Event)) (*store, error) {
	s.options.Retention, s.options.Observe = retention, observe
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder cannot be used: %w", err)
	}
	if s.redis != "" {
		return s.openRedis(ctx)
	}
	q, err := localq.Open(filepath.Join(s.data, "queue"), s.options)
	if err != nil {
		if job.KindOf(err) == job.Unavailable && s.served(ctx) {
			return nil, fmt.Errorf("another cosmicman serves from %s: stop it, or choose another --data", s.data)
		}
		return nil, err
	}
	out := &store{Queue: q, observes: true, close: []func() error{q.Close}, failed: q.Failed(), why: q.Err}
	files, err := artifact.OpenFiles(filepath.Join(s.data, "artifacts"), int64(s.artifactBytes))
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	out.artifacts, out.close = files, append(out.close, files.Close)
	l, err := socket.Listen(s.socket)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var served error
	var door sync.WaitGroup
	door.Go(func() { served = socket.Serve(serving, l, q) })
	out.close = append([]func() error{func() error {
		stop()
		door.Wait()
		return served
	}}, out.close...)
	return out, nil
}

// served reports whether a process answers at the socket.
func (s *storeFlags) served(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c := socket.Dial(s.socket)
	defer c.Close()
	_, err := c.Stats(ctx)
	return err == nil
}

func (s *storeFlags) openRedis(ctx context.Context) (*store, error) {
	q, err := redisq.Open(ctx, redisq.Config{URL: s.redis, Options: s.options, Keep: s.keeper})
	if err != nil {
		return nil, err
	}
	s.options.LeaseTTL = q.Options().LeaseTTL
	most := int64(s.artifactBytes)
	if most == 0 {
		most = redisArtifactBytes
	}
	return &store{Queue: q, artifacts: q.Artifacts(most), observes: true, close: []func() error{q.Close}}, nil
}

// dial reaches the queue alone.
func (s *storeFlags) dial(ctx context.Context) (scheduler.Queue, error) {
	if s.redis != "" {
		return redisq.Open(ctx, redisq.Config{URL: s.redis, Options: s.options})
	}
	return socket.Dial(s.socket), nil
}

// join opens the store that another process keeps.
func (s *storeFlags) join(ctx context.Context, observe func(job.Event)) (*store, error) {
	s.options.Observe = observe
	if s.redis != "" {
		return s.openRedis(ctx)
	}
	c := socket.Dial(s.socket)
	if s.options.LeaseTTL == 0 {
		asked, cancel := context.WithTimeout(ctx, 2*time.Second)
		stats, _ := c.Stats(asked) // whoever keeps the queue may not be there yet: then the usual value
		cancel()
		s.options.LeaseTTL = stats.LeaseTTL
	}
	files, err := artifact.OpenFiles(filepath.Join(s.data, "artifacts"), int64(s.artifactBytes))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &store{Queue: c, artifacts: files, close: []func() error{c.Close, files.Close}}, nil
}
