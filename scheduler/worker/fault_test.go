package worker_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestALeaseThatExpiredIsFenced(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		id := b.source.submit(spec(1, 40))
		time.Sleep(time.Second)
		b.source.expire()
		second := newBench(b.t, b.source, b.shelf, quick(), nil)
		time.Sleep(30 * time.Second)
		b.wantDrawn(id)
		if n := b.count(job.EventFenced) + second.count(job.EventFenced); n != 1 {
			t.Errorf("%d fenced, want the first start", n)
		}
		if names := b.shelf.names(); len(names) != 1 {
			t.Errorf("artifacts %v, want one", names)
		}
		second.end()
	})
}

func TestALateResultIsRefusedAndItsFileRemoved(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.Beat = 14 * time.Second }, func(b *bench) {
		id := b.source.submit(spec(1, 20))
		time.Sleep(time.Second)
		b.source.cancel(id, false) // no beat comes before the image is done
		time.Sleep(9 * time.Second)
		if names := b.shelf.names(); len(names) != 0 || b.count(job.EventFenced) != 1 {
			t.Errorf("artifacts %v, %d fenced, want none and 1", names, b.count(job.EventFenced))
		}
	})
}

func TestAStoreThatIsDownStopsNothing(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		id := b.source.submit(spec(3, 20))
		time.Sleep(time.Second)
		b.source.setDown(true)
		time.Sleep(10 * time.Minute)
		if n := b.count(job.EventStored); n != 3 {
			t.Errorf("%d images were stored while the queue was down, want 3", n)
		}
		b.source.setDown(false)
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
		later := b.source.submit(spec(2, 5))
		time.Sleep(20 * time.Second)
		b.wantDrawn(later)
	})
}

func TestAWorkerStopsInTimeWithoutItsStore(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.source.submit(spec(3, 5))
		time.Sleep(time.Second)
		b.source.setDown(true)
		time.Sleep(time.Minute)
		b.drain()
		time.Sleep(time.Minute)
		begun := time.Now()
		b.stop()
		if err := b.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("took %v, want the grace time at most", took)
		}
	})
}

func TestAFullDiskHoldsImagesAndLeasing(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.shelf.set(job.Errorf(job.Overloaded, "the disk is full"))
		id := b.source.submit(spec(60, 5))
		time.Sleep(time.Minute)
		queued := 0
		for _, e := range b.source.of(id) {
			if e.state == job.Queued {
				queued++
			}
		}
		if queued == 0 {
			t.Error("everything was leased although nothing could be stored")
		}
		b.shelf.set(nil)
		time.Sleep(2 * time.Minute)
		b.wantDrawn(id)
		for _, e := range b.source.of(id) {
			if e.attempt != 1 {
				t.Errorf("image %d needed %d attempts", e.ref.Image, e.attempt)
			}
		}
	})
}

func TestADiskThatStaysFullEndsInAnError(t *testing.T) {
	working(t, quick(), nil, func(b *bench) {
		b.shelf.set(job.Errorf(job.Overloaded, "the disk is full"))
		id := b.source.submit(spec(1, 5))
		time.Sleep(10 * time.Minute)
		b.wantFailed(b.source.of(id)[0], job.Engine)
	})
}

func TestModelsTakeTurnsInTheMemoryBudget(t *testing.T) {
	e := quick()
	e.Load = 2 * time.Second
	e.Has = []worker.ModelInfo{{Name: "m", Bytes: 40}, {Name: "n", Bytes: 40}, {Name: "o", Bytes: 40}}
	working(t, e, func(c *worker.Config) { c.Memory, c.Pin = 80, []string{"m"} }, func(b *bench) {
		var ids []job.ID
		for _, name := range []string{"m", "n", "o", "n", "m", "o"} {
			s := spec(2, 10)
			s.Model = name
			ids = append(ids, b.source.submit(s))
		}
		for range 100 {
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(e.Loaded()); n > 2 {
				t.Fatalf("%d models are loaded, the budget has room for 2", n)
			}
		}
		for _, id := range ids {
			b.wantDrawn(id)
		}
		if !slices.Contains(e.Loaded(), "m") {
			t.Errorf("loaded: %v, want the pinned one among them", e.Loaded())
		}
	})
}

func TestUnusedModelsAreUnloaded(t *testing.T) {
	working(t, quick(), func(c *worker.Config) { c.Preload, c.KeepAlive = []string{"m"}, time.Minute }, func(b *bench) {
		time.Sleep(50 * time.Second)
		if got := e2s(b.engine.Loaded()); got != "m" {
			t.Errorf("loaded %q, want m from the start", got)
		}
		time.Sleep(20 * time.Second)
		if got := e2s(b.engine.Loaded()); got != "" {
			t.Errorf("loaded %q after the keep-alive time", got)
		}
		id := b.source.submit(spec(1, 5))
		time.Sleep(10 * time.Second)
		b.wantDrawn(id)
	})
}

func e2s(names []string) (s string) {
	for _, n := range names {
		s += n
	}
	return s
}

func TestABrokenModelLeavesOthersAlone(t *testing.T) {
	e := quick()
	e.Has = []worker.ModelInfo{{Name: "m"}, {Name: "n"}}
	opened := 0
	e.OnOpen = func(name string) error {
		if name == "n" {
			opened++
			return job.Errorf(job.Unavailable, "the weights are truncated")
		}
		return nil
	}
	working(t, e, nil, func(b *bench) {
		s := spec(1, 5)
		s.Model = "n"
		bad := b.source.submit(s)
		good := b.source.submit(spec(2, 5))
		time.Sleep(4 * time.Second)
		b.wantDrawn(good)
		if got := b.worker.Broken()["n"]; got != "the weights are truncated" {
			t.Errorf("broken: %q", got)
		}
		time.Sleep(10 * time.Minute)
		b.wantFailed(b.source.of(bad)[0], job.Engine)
		if opened > 6 {
			t.Errorf("opened %d times in 10 minutes", opened)
		}
	})
}
