package worker_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"time"

	"cosmicman/job"
	"cosmicman/scheduler/worker"
	"cosmicman/scheduler/worker/workertest"
)

func noMemory() error { return job.Errorf(job.OutOfMemory, "no device memory") }

func rowsOf(seqs []*workertest.Sequence) (rows int) {
	for _, s := range seqs {
		rows += s.Rows()
	}
	return rows
}

func TestNaNFailsAlone(t *testing.T) {
	e := quick()
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		errs := make([]error, len(seqs))
		for i, s := range seqs {
			if s.Start.Drawing.Prompt == "bad" {
				errs[i] = job.Errorf(job.Invalid, "the latents are not a number")
			}
		}
		return errs, nil
	}
	working(t, e, nil, func(b *bench) {
		good := b.source.submit(spec(3, 10))
		s := spec(1, 10)
		s.Drawing.Prompt = "bad"
		bad := b.source.submit(s)
		time.Sleep(time.Minute)
		b.wantDrawn(good)
		b.wantFailed(b.source.of(bad)[0], job.Invalid)
	})
}

func TestAPromptThatCannotBeEncodedFailsAlone(t *testing.T) {
	e := quick()
	e.OnBegin = func(starts []worker.Start) []error {
		errs := make([]error, len(starts))
		for i, s := range starts {
			if s.Drawing.Prompt == "bad" {
				errs[i] = job.Errorf(job.Invalid, "the prompt is too long")
			}
		}
		return errs
	}
	working(t, e, nil, func(b *bench) {
		s := spec(2, 10)
		s.Drawing.Prompt = "bad"
		bad, good := b.source.submit(s), b.source.submit(spec(2, 10))
		time.Sleep(time.Minute)
		b.wantDrawn(good)
		for _, e := range b.source.of(bad) {
			b.wantFailed(e, job.Invalid)
		}
	})
}

func TestACallThatFailsAsAWholeFailsTheOneToBlame(t *testing.T) {
	e := quick()
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		for _, s := range seqs {
			if done, _ := s.Calls(); s.Start.Drawing.Prompt == "bad" && done == 4 {
				return nil, job.Errorf(job.Engine, "the session failed")
			}
		}
		return nil, nil
	}
	working(t, e, nil, func(b *bench) {
		good := b.source.submit(spec(4, 10))
		s := spec(1, 10)
		s.Drawing.Prompt = "bad"
		bad := b.source.submit(s)
		time.Sleep(time.Minute)
		b.wantDrawn(good)
		for _, e := range b.source.of(good) {
			if e.attempt != 1 {
				t.Errorf("image %d needed %d attempts", e.ref.Image, e.attempt)
			}
		}
		last := b.source.of(bad)[0]
		b.wantFailed(last, job.Engine)
		if last.attempt != 3 {
			t.Errorf("given up at attempt %d, want 3", last.attempt)
		}
	})
}

func TestMemoryRunsOutThenFewerRowsFit(t *testing.T) {
	e := quick()
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		if rowsOf(seqs) > 10 {
			return nil, noMemory()
		}
		return nil, nil
	}
	working(t, e, nil, func(b *bench) {
		id := b.source.submit(spec(40, 20))
		time.Sleep(3 * time.Minute)
		b.wantDrawn(id)
		if n := b.count(job.EventHalved); n != 1 {
			t.Errorf("halved %d times, want once, since it is remembered", n)
		}
	})
}

func TestMemoryThatIsNeverEnoughEndsInATypedError(t *testing.T) {
	e := quick()
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		if slices.ContainsFunc(seqs, func(s *workertest.Sequence) bool { return s.Group().Width > 100 }) {
			return nil, noMemory()
		}
		return nil, nil
	}
	working(t, e, nil, func(b *bench) {
		s := spec(2, 10)
		s.Drawing.Width = 1024
		large, small := b.source.submit(s), b.source.submit(spec(2, 10))
		time.Sleep(time.Minute)
		for _, e := range b.source.of(large) {
			b.wantFailed(e, job.OutOfMemory)
		}
		b.wantDrawn(small)
		later := b.source.submit(spec(1, 10))
		time.Sleep(10 * time.Second)
		b.wantDrawn(later)
	})
}

func TestMemoryOfDecodesAndBegins(t *testing.T) {
	e := quick()
	e.OnBegin = func(starts []worker.Start) []error {
		if len(starts) > 1 {
			return slices.Repeat([]error{noMemory()}, len(starts))
		}
		return nil
	}
	e.OnDecode = func(s *workertest.Sequence) error {
		if s.Start.Image == 1 {
			return noMemory()
		}
		return nil
	}
	working(t, e, nil, func(b *bench) {
		id := b.source.submit(spec(3, 10))
		time.Sleep(time.Minute)
		images := b.source.of(id)
		b.wantFailed(images[1], job.OutOfMemory)
		for _, i := range []int{0, 2} {
			if images[i].state != job.Completed {
				t.Errorf("image %d is %s (%v), want completed", i, images[i].state, images[i].err)
			}
		}
	})
}

func TestTheWorkerEndsAfterMemoryRanOut(t *testing.T) {
	dir := t.TempDir()
	e := quick()
	var calls atomic.Int32
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		if rowsOf(seqs) >= 8 && calls.Add(1) == 1 {
			return nil, noMemory()
		}
		return nil, nil
	}
	working(t, e, func(c *worker.Config) { c.RestartAfterOOM, c.State = true, dir }, func(b *bench) {
		id := b.source.submit(spec(20, 10))
		if err := b.wait(); !errors.Is(err, worker.ErrRestart) {
			t.Errorf("Run: %v, want ErrRestart", err)
		}
		completed := 0
		for _, e := range b.source.of(id) {
			if e.state == job.Completed {
				completed++
			} else if e.state != job.Queued || e.attempt != 1 {
				t.Errorf("image %d is %s, attempt %d, want queued at attempt 1", e.ref.Image, e.state, e.attempt)
			}
		}
		if completed == 0 || completed == 20 {
			t.Errorf("%d images completed, want those that ran", completed)
		}
	})
	working(t, quick(), func(c *worker.Config) { c.State = dir }, func(b *bench) {
		id := b.source.submit(spec(20, 10))
		time.Sleep(time.Minute)
		b.wantDrawn(id)
		for _, c := range b.engine.Calls() {
			if c.Rows > 4 {
				t.Fatalf("%d rows after a restart, want the halved limit remembered", c.Rows)
			}
		}
	})
}

func TestAnErrorAfterMemoryRanOutReturnsTheRest(t *testing.T) {
	e := quick()
	ran := false
	e.OnStep = func(seqs []*workertest.Sequence) ([]error, error) {
		switch {
		case ran:
			return nil, job.Errorf(job.Engine, "the device is lost")
		case len(seqs) >= 2:
			ran = true
			return nil, noMemory()
		}
		return nil, nil
	}
	working(t, e, func(c *worker.Config) { c.RestartAfterOOM = true }, func(b *bench) {
		id := b.source.submit(spec(6, 10))
		if err := b.wait(); !errors.Is(err, worker.ErrRestart) {
			t.Errorf("Run: %v, want ErrRestart", err)
		}
		for _, e := range b.source.of(id) {
			if e.state != job.Queued || e.attempt != 1 {
				t.Errorf("image %d is %s, attempt %d, want queued at attempt 1", e.ref.Image, e.state, e.attempt)
			}
		}
	})
}

func TestPanicsFailThoseInvolvedAndNobodyElse(t *testing.T) {
	for _, where := range []string{"begin", "step", "decode", "encode"} {
		t.Run(where, func(t *testing.T) {
			e := quick()
			var times atomic.Int32
			blow := func(at string) {
				if at == where && times.Add(1) <= 1 {
					panic("a fault of the engine")
				}
			}
			e.OnBegin = func([]worker.Start) []error { blow("begin"); return nil }
			e.OnStep = func([]*workertest.Sequence) ([]error, error) { blow("step"); return nil, nil }
			e.OnDecode = func(*workertest.Sequence) error { blow("decode"); return nil }
			e.OnEncode = func(*workertest.Sequence) error { blow("encode"); return nil }
			working(t, e, nil, func(b *bench) {
				id := b.source.submit(spec(4, 10))
				time.Sleep(time.Minute)
				b.wantDrawn(id) // by a second attempt where one was counted
			})
		})
	}
}

func TestADeviceThatHangsLosesItsImages(t *testing.T) {
	e := quick()
	stuck := make(chan struct{})
	e.OnStep = func([]*workertest.Sequence) ([]error, error) {
		<-stuck
		return nil, nil
	}
	working(t, e, nil, func(b *bench) {
		stuck = make(chan struct{}) // of the bubble
		b.source.submit(spec(1, 5))
		time.Sleep(16 * time.Minute)
		n := len(b.source.beaten())
		time.Sleep(10 * time.Minute)
		if later := len(b.source.beaten()); later != n {
			t.Errorf("%d beats while the device hung", later-n)
		}
		b.source.expire()
		close(stuck)
		time.Sleep(time.Minute)
		if later := len(b.source.beaten()); later == n {
			t.Error("no beat once the device answered again")
		}
		for _, e := range b.source.of(b.source.images[0].ref.Job) {
			if e.state != job.Completed || e.attempt != 2 {
				t.Errorf("the image is %s, attempt %d, want completed at the second", e.state, e.attempt)
			}
		}
	})
}
