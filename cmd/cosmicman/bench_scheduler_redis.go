package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/redisq"
)

// overRedis measures the queue in Redis alone.
func (b *schedulerBench) overRedis(ctx context.Context) (err error) {
	const name = "queue in Redis, 4 KB jobs: submit + lease + finish, 64 callers"
	url, where := b.redis, "with the settings of the given server"
	if url == "" {
		if _, err := exec.LookPath("redis-server"); err != nil {
			b.add(measured{Name: name, Unit: "jobs/s", Note: "not measured: redis-server is not installed and --redis was not given"})
			return nil
		}
		server, err := startBenchRedis(ctx, filepath.Join(b.dir, "redis"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		url, where = server.url, "append-only file, synced every second"
	}
	q, err := openBenchQueue(ctx, url)
	if err != nil {
		return err
	}
	_, _, err = jobsASecond(ctx, q, 64, 500*time.Millisecond) // connections and scripts are there
	var jobs int
	var took time.Duration
	if err == nil {
		jobs, took, err = jobsASecond(ctx, q, 64, time.Duration(b.times(5, 1))*time.Second)
	}
	if err := errors.Join(err, q.Close()); err != nil {
		return err
	}
	b.add(measured{Name: name, Value: float64(jobs) / took.Seconds(), Unit: "jobs/s", Least: 3000, Note: where})
	return nil
}

// openBenchQueue opens a queue of its own, trying for some seconds: a server that
// was just started does not answer yet.
func openBenchQueue(ctx context.Context, url string) (q *redisq.Store, err error) {
	c := redisq.Config{URL: url, Prefix: "bench-" + string(job.NewID()), Options: scheduler.Options{MaxJobs: 1 << 20, Retention: time.Minute}}
	for range 50 {
		if q, err = redisq.Open(ctx, c); err == nil || job.KindOf(err) != job.Unavailable {
			return q, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, err
}

// benchRedis is a redis-server that lives as long as the benchmark.
type benchRedis struct {
	url string
	cmd *exec.Cmd
}

func startBenchRedis(ctx context.Context, dir string) (*benchRedis, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // the address of a TCP listener
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &benchRedis{url: "redis://127.0.0.1:" + port}
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes", "--save", "",
		"--maxmemory-policy", "noeviction", "--loglevel", "warning")
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	return s, nil
}

func (s *benchRedis) stop() error {
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	return err
}
