package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
	"cosmicman/scheduler/localq"
	"cosmicman/scheduler/pack"
)

// fourKB is a job whose record takes 4 KB.
func fourKB(tenant string) job.Submission {
	return job.Submission{ID: job.NewID(), Spec: job.Spec{Needs: job.Version, Model: "m", Tenant: tenant, Count: 1, Seconds: 1, Detached: true,
		Drawing: benchDrawing(strings.Repeat("a person in a red coat, ", 4096/24), 20)}}
}

func benchLease(worker string) scheduler.LeaseRequest {
	return scheduler.LeaseRequest{Worker: worker, Fingerprint: "bench", Offers: []scheduler.Offer{{Model: "m"}}, Max: 1, Version: job.Version}
}

// jobsASecond has so many callers submit a job, lease one and finish it, again and
// again, and returns the jobs and the time they took.
func jobsASecond(ctx context.Context, q scheduler.Queue, callers int, during time.Duration) (jobs int, took time.Duration, err error) {
	var all sync.WaitGroup
	done := make([]int, callers)
	errs := make([]error, callers)
	begun := time.Now()
	for i := range callers {
		all.Go(func() {
			for time.Since(begun) < during && errs[i] == nil {
				if errs[i] = oneJob(ctx, q, fmt.Sprint("bench-", i)); errs[i] == nil {
					done[i]++
				}
			}
		})
	}
	all.Wait()
	took = time.Since(begun)
	for _, n := range done {
		jobs += n
	}
	return jobs, took, errors.Join(errs...)
}

func oneJob(ctx context.Context, q scheduler.Queue, worker string) error {
	if _, err := q.Submit(ctx, fourKB("")); err != nil {
		return err
	}
	leases, err := q.Lease(ctx, benchLease(worker))
	if err != nil {
		return err
	}
	for _, l := range leases {
		if err := q.Finish(ctx, l.Ref, job.Result{Artifact: "a", Width: 512, Height: 512, Fingerprint: "bench"}); err != nil {
			return err
		}
	}
	return nil
}

// embedded measures the embedded store alone.
func (b *schedulerBench) embedded(ctx context.Context) error {
	bare, err := bareSync(b.dir, b.times(200, 50))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		callers int
		most    float64
	}{{1, 4}, {64, 0.2}} {
		s, err := localq.Open(filepath.Join(b.dir, fmt.Sprint("embedded-", c.callers)), scheduler.Options{})
		if err != nil {
			return err
		}
		before := s.Syncs()
		jobs, took, err := jobsASecond(ctx, s, c.callers, time.Duration(b.times(4, 1))*time.Second)
		syncs := s.Syncs() - before
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
		b.add(measured{Name: fmt.Sprintf("embedded queue, 4 KB jobs: syncs a job, %d callers", c.callers), Value: float64(syncs) / float64(jobs), Unit: "syncs/job", Most: c.most})
		b.add(measured{Name: fmt.Sprintf("embedded queue, 4 KB jobs: submit + lease + finish, %d callers", c.callers), Value: float64(jobs) / took.Seconds(), Unit: "jobs/s",
			Note: fmt.Sprintf("a bare write and sync of 4 KB takes %.0f µs on this disk", bare.Seconds()*1e6)})
	}
	return nil
}

// bareSync is the median time of appending 4 KB to a file and syncing it.
func bareSync(dir string, times int) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	data := make([]byte, 4096)
	var took []time.Duration
	for range times {
		begun := time.Now()
		_, err := f.Write(data)
		if err = errors.Join(err, f.Sync()); err != nil {
			return 0, errors.Join(err, f.Close())
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], f.Close()
}

// deep measures what waiting jobs cost: memory, and time to choose one.
func (b *schedulerBench) deep(ctx context.Context) error {
	const jobs = 10_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	full, err := filled(ctx, jobs)
	if err != nil {
		return err
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.add(measured{Name: "10,000 queued jobs of 4 KB: memory a job", Value: (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / jobs / 1024, Unit: "KB"})
	if err := full.Close(); err != nil {
		return err
	}
	var least float64
	for _, depth := range []int{100, 10_000, 100_000} {
		took, err := b.chooseTime(ctx, depth)
		if err != nil {
			return err
		}
		if depth == 100 {
			least = took.Seconds()
		}
		b.add(measured{Name: fmt.Sprintf("one lease and one choice of the packer, %d jobs queued", depth), Value: took.Seconds() * 1e6, Unit: "µs", Most: 100,
			Note: fmt.Sprintf("%.2fx of 100 queued, 64 images on the device", took.Seconds()/least)})
	}
	return nil
}

// filled returns a store in memory with so many queued jobs of a hundred tenants.
func filled(ctx context.Context, depth int) (*localq.Store, error) {
	s := localq.OpenMemory(scheduler.Options{MaxJobs: 2 * depth})
	for i := range depth {
		if err := another(ctx, s, i); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func another(ctx context.Context, s *localq.Store, i int) error {
	sub := fourKB(fmt.Sprint("tenant ", i%100))
	sub.Spec.Priority = job.Priority(i%3 - 1)
	_, err := s.Submit(ctx, sub)
	return err
}

// chooseTime is the median time of a lease from a queue that stays so deep, and of
// the packer's choice among 64 images of four sizes.
func (b *schedulerBench) chooseTime(ctx context.Context, depth int) (_ time.Duration, err error) {
	s, err := filled(ctx, depth)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	book := pack.NewBook(pack.Params{})
	state := pack.State{Book: book, Models: []pack.Model{{Name: "m", Loaded: true}}}
	for i := range 64 {
		g := book.Group(job.Group{Model: "m", Height: 64 + 8*(i%4), Width: 64, Tokens: 77})
		book.Stepped(g, 8, 0.2, 1)
		state.Active = append(state.Active, pack.Sequence{Group: g, Rows: 2, Left: 10})
	}
	request := benchLease("bench")
	request.NoWait = true
	var took []time.Duration
	for i := range b.times(5000, 1000) {
		begun := time.Now()
		leases, err := s.Lease(ctx, request)
		c := pack.Choose(state)
		took = append(took, time.Since(begun))
		if err != nil {
			return 0, err
		}
		if len(leases) != 1 || c.Action != pack.Step {
			return 0, fmt.Errorf("%d images were leased and the packer chose to %s, expected one and a step", len(leases), c.Action)
		}
		if err := s.Finish(ctx, leases[0].Ref, job.Result{Artifact: "a"}); err != nil {
			return 0, err
		}
		if err := another(ctx, s, i); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
